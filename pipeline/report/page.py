"""The report as one document, written as Markdown and as an HTML page that needs nothing else.

`sections` says what stands where; both writings come from it, so they never differ in content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib import resources
from itertools import groupby
from pathlib import Path

from pipeline.config.grid import chosen_by_test
from pipeline.report import answers as questions
from pipeline.report import (
    attention,
    contents,
    copies,
    details,
    earlier,
    figures,
    later,
    latex,
    ledger,
    markup,
    panels,
    phases,
    reliability,
    search,
    switches,
    tables,
    twins,
)
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.figures import Figure
from pipeline.report.results import Results
from pipeline.report.tables import Table
from pipeline.results.components import FEW

Block = str | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading with its blocks: paragraphs (plain text, `**bold**`), tables and figures."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        """The name of the place in the page."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Page:
    """The whole report: title, what must be said first, sections, and the command that makes it again."""

    title: str
    banner: str
    sections: tuple[Section, ...]
    command: str = ""
    name: str = ""  # begins the labels of the tables in LaTeX, so that a paper may have those of several pages

    def tables(self) -> Iterator[Table]:
        """All tables, in order."""
        return (block for section in self.sections for block in section.blocks if isinstance(block, Table))

    def figures(self) -> Iterator[Figure]:
        """All figures, in order."""
        return (block for section in self.sections for block in section.blocks if isinstance(block, Figure))


MADE = (
    "Made by `{command}`, the same bytes wherever it is made, where results are kept without training (docs/dvc.md); numbers for"
    " programs and papers are in `tables/`. A copy that says of which commit, when and on which machine:"
    " `python -m pipeline stamp`."
)
MARK = "<!-- stamp -->"  # where `python -m pipeline stamp` says of a copy which commit and machine it comes from
BANNER = (
    "All data in this report are SYNTHETIC: generated movements with planted evidence, in the raw formats of real data sets."
    " The numbers show that the pipeline works and whether attention finds what was planted; they say nothing of people, and"
    " cannot be compared with the paper's."
)


PARTIAL = (
    "A PART OF THE DATA: {parts}. These are not the protocol's numbers: they cannot be compared with published ones, and say"
    " nothing of how the method does beside others."
)


def build(results: Results, analyses: list[ProtocolAnalysis]) -> Page:
    """The page of a data set."""
    title = f"STA-LSTM on {results.dataset}" + (" (synthetic data)" if results.synthetic else "")
    parts = "; ".join(f"{a.name} {a.result.part}" for a in analyses if a.result.part)
    banner = " ".join([BANNER] * results.synthetic + [PARTIAL.format(parts=parts)] * bool(parts))
    sections = tuple(_sections(results, analyses))
    marked = tuple(_marked(section, parts) for section in sections) if parts else sections
    return Page(title, banner, marked, f"dvc repro report@{results.dataset}", results.dataset)


def _marked(section: Section, parts: str) -> Section:
    """Every table says that it is over a part of the data, in its caption and in a column of the CSV."""
    blocks = tuple(_of_part(block, parts) if isinstance(block, Table) else block for block in section.blocks)
    return replace(section, blocks=blocks)


def _of_part(table: Table, parts: str) -> Table:
    rows, warning = [{**row, "part": parts} for row in table.rows], f"A PART OF THE DATA: {parts}"
    return replace(table, caption=f"{table.caption} ({warning})", rows=rows, warning=warning)


def _sections(results: Results, analyses: list[ProtocolAnalysis]) -> Iterator[Section]:
    found = questions.answers(results, analyses)
    paragraphs = tuple(f"**{answer.key}. {answer.question}** {answer.paragraph}" for answer in found)
    yield Section("Verdicts on the research questions", (questions.table(results, found),))
    yield Section("The paper beside ours", (contents.headline(results, analyses),))
    yield Section("The answers in full", paragraphs)
    yield Section("Methods of the paper's tables", tuple(t for a in analyses for t in _comparison(results, a)))
    if tables_of_later := [table for a in analyses if (table := later.table(results, a))]:
        yield Section("Later methods", (LATER, *tables_of_later))
    yield Section("Ablation", tuple(block for a in analyses for block in _ablation(results, a)))
    yield from _switches(results, analyses)
    curves = [figures.curves(a, recipe) for a in analyses for recipe in a.groups if a.own(recipe)]
    yield Section("Training", (*curves, details.training(analyses), phases.WHY, phases.ends(analyses)))
    yield Section("Confusion", (SHOWN, *(figures.confusion_matrix(a) for a in analyses)))
    yield Section("Accuracy by class", tuple(block for a in analyses for block in _classes(a)))
    yield from _calibration(analyses)
    yield Section("Attention", tuple(_attention(results, analyses)))
    yield Section("Data", tuple(_data(results, analyses)))
    yield from _search(results)
    yield Section("Parameters", (ledger.recipes(results, analyses), ledger.ledger(results, analyses)))
    yield Section("How these numbers were made", tuple(_method(results, analyses)))


SHOWN = (
    "The method shown here and below is STA-LSTM, or the first that was run of: without staged training, without regularisers,"
    " SA-LSTM, TA-LSTM, LSTM; of several recipes the one called tuned comes first. It is not chosen by accuracy."
)
LATER = (
    "Methods that were published after STA-LSTM, under the same protocol: where it stands today. They are no part of the"
    " comparison with the methods before it, and of no answer."
)
GAP = "What the gap to the paper consists of"
SWITCHES = (
    "Each row switches one thing of the method that it is compared with, as other readings of the paper or other practice would"
    " have it, and says how much accuracy that brings or costs. These rows stand in no other table of this report and in no"
    " answer."
)


def _comparison(results: Results, analysis: ProtocolAnalysis) -> Iterator[Block]:
    yield contents.comparison(results, analysis)
    for table in (copies.table(results, analysis), earlier.table(results, analysis)):
        if table:
            yield table
    yield from panels.blocks(results, analysis)


def _ablation(results: Results, analysis: ProtocolAnalysis) -> Iterator[Block]:
    yield contents.ablation(results, analysis)
    if table := twins.table(results, analysis):
        yield table


def _switches(results: Results, analyses: list[ProtocolAnalysis]) -> Iterator[Section]:
    blocks: list[Block] = []
    for analysis in [a for a in analyses if a.result.switches]:
        found = switches.find(results, analysis)
        blocks += [switches.sentence(analysis, found), switches.table(results, analysis, found), switches.figure(analysis, found)]
    if blocks:
        known = any("sta-lstm" in (analysis.reported or {}) for analysis in analyses)
        yield Section(GAP if known else "One thing switched at a time", (SWITCHES, *blocks))


def _search(results: Results) -> Iterator[Section]:
    if found := search.load(results.dataset):
        yield Section("How the tuned recipe was chosen", (*search.paragraphs(found), search.table(found)))


def _calibration(analyses: list[ProtocolAnalysis]) -> Iterator[Section]:
    if found := [table for table in (reliability.table(analyses), reliability.bins(analyses)) if table]:
        yield Section("Probabilities", (reliability.WHY, *found))


def _classes(analysis: ProtocolAnalysis) -> tuple[Block, ...]:
    table = details.classes(analysis)
    return figures.class_accuracy(analysis, table.rows), table


def _attention(results: Results, analyses: list[ProtocolAnalysis]) -> Iterator[Block]:
    bins = results.params.evaluate.time_bins
    yield from (table for table in (details.evidence(analyses, bins), phases.spread(analyses)) if table)
    for analysis in analyses:
        drawn = [
            picture
            for recipe in analysis.groups
            for picture in (attention.alpha_picture(analysis, recipe), attention.beta_picture(analysis, recipe, bins))
        ]
        pictures = [picture for picture in drawn if picture]
        yield from pictures
        if not pictures:
            yield f"On {analysis.name} no method with attention has been run yet."


def _data(results: Results, analyses: list[ProtocolAnalysis]) -> Iterator[Block]:
    yield results.licence
    yield details.samples(analyses)
    yield details.repairs(results)
    yield details.set_aside(results)


RUNS = (
    "A run is one seed over all folds; its accuracy is the mean of the folds' accuracies. Every number is computed from saved"
    " predictions, one for each test sequence, fold and seed; where a prediction is missing there is no report. No stage of the"
    " pipeline uses test sequences to choose an epoch, or a method to show{exception}."
)
INTERVALS = (
    "Intervals ({level:g} %) and p: the variance is put together from its components, between sequences, between runs and"
    " residual, with runs nested in folds and not paired between methods; Student's t with Satterthwaite's degrees of freedom."
    " One accuracy has Wilson's interval over as many sequences as give that variance. Where fewer than {few} sequences tell"
    " methods apart, two made-up ones are added. All seeds of both methods are used; a method with one seed is lent the spread of"
    " the other's. Intervals say what other test sequences of these people and other seeds would give, with the training sets as"
    " they are. docs/statistics.md has the simulations."
)
TESTS = (
    "The answers quote the p of each planned effect by itself; the tables adjust p by Holm's method, and so does the answer to"
    " RQ4 over the methods that were run again."
)


def _method(results: Results, analyses: list[ProtocolAnalysis]) -> Iterator[Block]:
    rule = results.params.report
    peers = any(chosen_by_test(results.params, cell.recipe) for a in analyses for cell in a.result.switches.values())
    yield RUNS.format(exception=", but for the switches that are marked so" if peers else "")
    yield INTERVALS.format(level=100 * rule.confidence, few=FEW)
    yield TESTS
    yield from results.notes
    yield details.origins(analyses)


def to_markdown(page: Page) -> str:
    """The page as Markdown; figures are links into `figures/`."""
    parts = [f"# {page.title}"]
    parts += [f"> **{page.banner}**"] if page.banner else []
    parts += [MADE.format(command=page.command)] if page.command else []
    for section in page.sections:
        parts.append(f"## {section.title}")
        parts += [_markdown(block).rstrip() for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Table):
        return tables.to_markdown(block)
    if isinstance(block, Figure):
        return f"![{block.alt.replace('[', '(').replace(']', ')')}](figures/{block.key}.svg)\n\n*{block.caption}*"
    return block


def to_html(page: Page) -> str:
    """The page as one HTML file: style and pictures inside, nothing fetched, no script."""
    import jinja2  # noqa: PLC0415

    source = resources.files(__package__).joinpath("page.html.j2").read_text()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["blocks"] = lambda section: _html(section.blocks, page.command)
    return environment.from_string(source).render(page=page, mark=MARK) + "\n"


def _html(blocks: Sequence[Block], command: str) -> object:
    """Blocks one below the other, but figures that follow each other side by side where there is room."""
    from markupsafe import Markup  # noqa: PLC0415

    parts = []
    for drawn, group in groupby(blocks, lambda block: isinstance(block, Figure)):
        inner = "\n".join(_block(block, command) for block in group)
        parts.append(f'<div class="figures">\n{inner}\n</div>' if drawn else inner)
    return Markup("\n".join(parts))  # noqa: S704 (escaped below, piece by piece)


def _block(block: Block, command: str) -> str:
    if isinstance(block, Table):
        return markup.to_html(block, command)
    if isinstance(block, Figure):
        return f'<figure id="figure-{block.key}">{block.inline()}<figcaption>{escape(block.caption)}</figcaption></figure>'
    return f"<p>{_marks(block)}</p>"


def _marks(text: str) -> str:
    """`**bold**` and backquoted code."""
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", strong)


def write(page: Page, folder: Path) -> None:
    """Write `report.md`, `report.html`, `tables/` and `figures/` into a folder."""
    for table in page.tables():
        tables.write(table, folder / "tables")
        latex.write(table, folder / "tables", page.name)
    for figure in page.figures():
        figures.write(figure, folder / "figures")
    (folder / "report.md").write_text(to_markdown(page))
    (folder / "report.html").write_text(to_html(page))
