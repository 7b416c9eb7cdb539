"""The switch table: cells that differ from another one in one thing, each beside that one and nothing else."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.config import params as parameters
from pipeline.config.grid import chosen_by_test
from pipeline.config.params import Config
from pipeline.core.files import flatten
from pipeline.report import text
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.contents import accuracy_fields, adjust, difference_columns, difference_fields, interval_title, ours_columns
from pipeline.report.figures import ACCENT, EVIDENCE, FAINT, INK, PHONE, Figure, canvas, style, to_svg
from pipeline.report.ledger import as_yaml
from pipeline.report.results import Results
from pipeline.report.tables import Table, field, minor
from pipeline.results.statistics import Difference, compare, holm
from pipeline.results.summaries import effective_gates

SECTIONS = ("model", "objective", "training", "augment", "pretrain", "finetune", "evaluate")
BY_TEST = "NOT COMPARABLE: chosen by test data"
ARROW = "\N{RIGHTWARDS ARROW}"
LINES = 2.6  # of text, from one interval of the figure to the next, where its label has one


@dataclass(frozen=True)
class Switch:
    """A cell beside the cell `reference`.

    `changes`: dotted parameter -> (value of the reference, its own); `difference`: its accuracy minus the reference's, with the
    p as it is, and `p_holm` adjusted over the protocol's switches; `by_test`: its epochs were chosen
    by test data, as some published code does, so that its numbers stand beside no others.
    """

    name: str
    reference: str
    changes: dict[str, tuple[Any, Any]]
    difference: Difference | None
    p_holm: float | None
    by_test: bool

    @property
    def established(self) -> bool:
        """Whether interval and adjusted test agree that there is a difference; never where test data chose."""
        if self.by_test or self.difference is None or self.p_holm is None:
            return False
        return replace(self.difference, p=self.p_holm).established

    def what(self, code: str = "") -> str:
        """What was switched, in words; `code` stands around the names of parameters."""
        parts = [f"{code}{key}{code}: {as_yaml(old)} {ARROW} {as_yaml(new)}" for key, (old, new) in self.changes.items()]
        return "; ".join(parts or ["nothing but the seeds"]) + (f" ({BY_TEST})" if self.by_test else "")


def settings(config: Config, name: str) -> dict[str, Any]:
    """Everything that a cell's numbers follow from but seeds and data, as dotted keys: parameters, method, its store's steps."""
    (cell, resolved), params = parameters.for_cell(config, name), config.params
    document = resolved.model_dump()
    store = parameters.section_of(params.normalize, cell.dataset, cell.store)
    raw = parameters.raw_format(params.normalize, cell.dataset, cell.store)
    nested = {key: document[key] for key in SECTIONS}
    return flatten({**nested, "method": document["methods"][cell.method], "normalize": {raw: store}})


def find(results: Results, analysis: ProtocolAnalysis) -> list[Switch]:
    """The switches of a protocol, in the order of `params.yaml`."""
    cells, params = analysis.result.cells, results.params
    differences = {
        name: compare(cell.outcomes, cells[cell.switch_of].outcomes, params.report)
        for name, cell in analysis.result.switches.items()
    }
    tested = {name: found.p for name, found in differences.items() if found}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [
        Switch(
            name,
            cell.switch_of,
            changes(results.config, name, cell.switch_of),
            differences[name],
            adjusted.get(name),
            chosen_by_test(params, cell.recipe),
        )
        for name, cell in analysis.result.switches.items()
    ]


def changes(config: Config, name: str, reference: str) -> dict[str, tuple[Any, Any]]:
    """Dotted parameter -> (value of the reference, value of the cell), where they differ."""
    old, new = settings(config, reference), settings(config, name)
    keys = dict.fromkeys([*old, *new])
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def who(analysis: ProtocolAnalysis, cell: str) -> str:
    """The method and recipe of a cell, for people."""
    found = analysis.result.cells[cell]
    return f"{text.label(found.method)}, recipe {found.recipe}"


def sentence(analysis: ProtocolAnalysis, found: list[Switch]) -> str:
    """Which switches are established, in one line."""
    named = [
        f"{switch.what()}{_beside(analysis, found, switch)} ({text.signed(switch.difference.points)} points)"
        for switch in found
        if switch.established and switch.difference
    ]
    fair = sum(not switch.by_test for switch in found)
    listed = f": {'; '.join(named)}" if named else ""
    return f"{analysis.name}: of {fair} switches that can be compared, {len(named) or 'none'} established{listed}."


def _beside(analysis: ProtocolAnalysis, found: list[Switch], switch: Switch) -> str:
    """The reference of a switch, where there are several."""
    return f" in {who(analysis, switch.reference)}" if len({s.reference for s in found}) > 1 else ""


def table(results: Results, analysis: ProtocolAnalysis, found: list[Switch]) -> Table:
    """Each reference and its switches: accuracy, difference over the common seeds, networks that failed."""
    rows: list[dict[str, Any]] = []
    references = list(dict.fromkeys(switch.reference for switch in found))
    for reference in references:
        rows.append(_row(analysis, reference, f"nothing: {who(analysis, reference)}", None))
        rows += [_row(analysis, s.name, s.what("`"), s) for s in found if s.reference == reference]
    adjust(rows)
    columns = (
        field("what", "What was switched"),
        *minor(ours_columns(results)[0]),
        *difference_columns("", "\N{GREEK CAPITAL LETTER DELTA} to the method as it is"),
        *minor(
            field("spread", "Joints that \N{GREEK SMALL LETTER ALPHA} is spread over", 1),
            field("networks", "Networks", 0),
            field("diverged", "Diverged or at chance (%)", 1),
            field("dead", "Dead \N{GREEK SMALL LETTER BETA} (%)", 1),
        ),
    )
    note = (
        f"Differences in points with their {interval_title(results)}s, paired by sequence, over all seeds of both. p is adjusted"
        " by Holm's method over all switches of this table."
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["cell"] in references)
    title = f"{analysis.name}: one thing switched at a time"
    return Table(f"switches-{analysis.name}", title, columns, rows, note, strong)


def _row(analysis: ProtocolAnalysis, cell: str, what: str, switch: Switch | None) -> dict[str, Any]:
    stable = analysis.stability[cell]
    row: dict[str, Any] = {"cell": cell, "switch_of": switch.reference if switch else "", "what": what}
    row |= {"comparable": not (switch and switch.by_test), "established": bool(switch and switch.established)}
    row |= accuracy_fields(analysis.accuracy[cell]) | difference_fields(switch.difference if switch else None)
    dead = None if stable.dead is None else 100 * stable.dead
    spread = effective_gates(analysis.result.cells[cell].alpha)
    return row | {"spread": spread, "networks": stable.trained, "diverged": 100 * stable.diverged, "dead": dead}


def figure(analysis: ProtocolAnalysis, found: list[Switch]) -> Figure:
    """A forest plot: each difference with its interval, from the greatest loss to the greatest gain.

    Filled: established. In the colour of a warning: chosen by test data.
    """
    known = [(switch, switch.difference) for switch in found if switch.difference]
    shown = sorted(known, key=lambda pair: pair[1].points, reverse=True)
    labels = [_lines(switch.what() + _beside(analysis, found, switch)) for switch, _ in shown]
    heights = [LINES + label.count("\n") for label in labels]  # each label above its interval
    places, top = np.cumsum([0, *heights])[:-1], float(sum(heights))
    with style():
        drawn = canvas(PHONE, 0.8 + 0.16 * top)
        axes = drawn.subplots()
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, label, (switch, difference) in zip(places, labels, shown, strict=True):
            hue = EVIDENCE if switch.by_test else ACCENT
            axes.hlines(place, difference.low, difference.high, color=hue, linewidth=1.4)
            filling = "full" if switch.established else "none"
            axes.plot([difference.points], [place], "o", color=hue, markersize=6, fillstyle=filling)
            axes.text(0, place + 0.6, label, transform=axes.get_yaxis_transform(), fontsize=7.5, va="bottom")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-1.2, max(top, 1.0) - 0.6)
        axes.set_xlabel("Difference in accuracy to the method as it is (points)")
        axes.grid(axis="x", color=FAINT, alpha=0.3, linewidth=0.6)
        axes.tick_params(axis="y", length=0)
        svg = to_svg(drawn)
    caption = f"{analysis.name}: what each switch brings or costs, with its interval. Filled: established after adjustment."
    listed = "; ".join(f"{switch.what()}: {text.difference_cell(difference)}" for switch, difference in shown[::-1])
    return Figure(f"switches-{analysis.name}", caption, f"{caption} {listed}.", svg)


def _lines(label: str) -> str:
    parts = label.replace("; ", "\n").replace(f" ({BY_TEST}", f"\n({BY_TEST}").splitlines()
    return "\n".join(textwrap.fill(part, 66, subsequent_indent="  ", break_long_words=False) for part in parts)
