"""The tables of the report, built from the analysis: what stands in which row, in which words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipeline.config import params as parameters
from pipeline.report import text
from pipeline.report.analysis import MAIN, ROLES, ProtocolAnalysis, role
from pipeline.report.results import CellResult, Results
from pipeline.report.tables import Column, Row, Table, field, minor, yes_no
from pipeline.report.tables import method as method_column
from pipeline.results.statistics import Accuracy, Difference, holm

GRADES = {
    "summary": "from the project's source page, a summary of the paper",
    "confirmed": "confirmed by the named source",
    "memory": "quoted from memory, not confirmed",
}

PART = "Numbers over a part of a data set stand beside none of the paper's."
MARKS = "*\N{DAGGER}\N{DOUBLE DAGGER}\N{SECTION SIGN}"  # of notes to rows, in order; then twice
ONCE = " A method that no gradient trains is run under one recipe and stands under every one."
SWITCHES = ("spatial", "temporal", "staged", "regularised")


def accuracy_fields(found: Accuracy | None, prefix: str = "") -> dict[str, Any]:
    """An accuracy as values of a row; None where there is none."""
    return {f"{prefix}{name}": getattr(found, name) if found else None for name in Accuracy.__dataclass_fields__}


def interval_title(results: Results) -> str:
    """`95 % interval`, or whatever the confidence is."""
    return f"{100 * results.params.report.confidence:g} % interval"


def ours_columns(results: Results, prefix: str = "", recipe: str = "") -> tuple[Column, Column]:
    """Our accuracy and its interval, from `accuracy_fields` with this prefix; under one recipe where it is named."""

    def ours(row: Row) -> str:
        if row[f"{prefix}mean"] is None:
            return text.NOT_RUN
        return text.accuracy(Accuracy(**{name: row[f"{prefix}{name}"] for name in Accuracy.__dataclass_fields__}))

    def interval(row: Row) -> str:
        low, high = row[f"{prefix}low"], row[f"{prefix}high"]
        return text.MISSING if low is None else text.interval(low, high)

    under = f", {f'{recipe} recipe' if recipe == 'paper' else recipe}" if recipe else ""
    title = f"Ours{under}{', SYNTHETIC' if results.synthetic else ''} (%)"
    return Column(title, ours, numeric=True), Column(interval_title(results), interval, numeric=True)


def headline(results: Results, analyses: list[ProtocolAnalysis]) -> Table:
    """The paper's STA-LSTM beside ours, with the LSTM of the same recipe, a block a protocol."""
    rows: list[dict[str, Any]] = []
    for analysis in analyses:
        for recipe, group in analysis.groups.items():
            if not analysis.own(recipe):
                continue
            named = [group[name] for name in ("lstm", "sta") if name in group]
            rows += [_headline_row(analysis, recipe, name) for name in named or [analysis.pictured(recipe)]]
    columns = (
        field("protocol", "Protocol", whole=True),
        *([field("recipe", "Recipe", whole=True)] if several_recipes(analyses) else []),
        method_column(),
        field("reported", "Paper (%)", 2),
        *ours_columns(results),
        *minor(
            Column("Ours \N{MINUS SIGN} paper", lambda row: text.signed(row["gap"]), numeric=True),
            field("samples", "Test sequences", 0),
            field("standard_error", "Binomial s.e.", 2),
        ),
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["method"].startswith("sta-lstm"))
    note = _headline_note(results, analyses)
    title, groups = "STA-LSTM and the LSTM that it is compared with", 1 + several_recipes(analyses)
    return Table("headline", title, columns, rows, note, strong, groups=groups)


def _headline_note(results: Results, analyses: list[ProtocolAnalysis]) -> str:
    if results.synthetic:
        return (
            "The paper has no number for synthetic data; these runs show that the pipeline works, not how well the method does."
        )
    if any(analysis.result.part for analysis in analyses):
        return f"{PART} Ours: mean ± standard deviation over seeds; a run is a seed over all folds."
    known = any("sta-lstm" in (analysis.reported or {}) for analysis in analyses)
    dash = "Dash: the paper's number is not known." if known else "The paper has no numbers for this data set."
    ours = "Ours: mean ± standard deviation over seeds; a run is a seed over all folds."
    return f"{dash} {ours}{results.unit_note}{results.copies_note}"


def _headline_row(analysis: ProtocolAnalysis, recipe: str, name: str) -> dict[str, Any]:
    found, method = analysis.accuracy[name], analysis.result.cells[name].method
    reported = (analysis.reported or {}).get(method)
    gap = None if reported is None else found.mean - reported
    row = {"protocol": analysis.name, "recipe": recipe, "method": method, "reported": reported}
    return row | accuracy_fields(found) | {"gap": gap}


def several_recipes(analyses: list[ProtocolAnalysis]) -> bool:
    """Whether the report has more than one recipe to tell apart."""
    return len({recipe for analysis in analyses for recipe in analysis.groups}) > 1


def comparison(results: Results, analysis: ProtocolAnalysis) -> Table:
    """A row for every method of the paper's table, then our methods that it does not have; ours under each recipe."""
    paper = results.paper_of(analysis.counterpart)
    several = len(analysis.groups) > 1
    prefixes = {recipe: f"{recipe} " if several else "" for recipe in analysis.groups}
    rows: list[dict[str, Any]] = []
    for line in [*paper.to_dict("records"), *_own_lines(analysis, set(paper["method"]))]:
        row: dict[str, Any] = {key: line[key] for key in ("method", "row", "year", "reported", "source", "grade", "note")}
        row["row"] = _row_name(results, analysis, line)
        for recipe, prefix in prefixes.items():
            cell = analysis.find(recipe, str(line["method"]))
            row |= accuracy_fields(analysis.accuracy[cell] if cell else None, prefix)
        rows.append(row)
    marks = _marks(paper)
    columns = (
        Column("Method", lambda row: f"{row['row']} {marks.get(row['note'], '')}".rstrip(), whole=True),
        *minor(field("year", "Year")),
        field("reported", reported_title(results, analysis), 2),
        *(c for recipe, prefix in prefixes.items() for c in _ours_and_interval(results, prefix, recipe if several else "")),
        *minor(Column("Source of the reported number", _source)),
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["method"] == "sta-lstm")
    title = (
        f"{analysis.name}: methods of the paper's table" if in_paper(paper) else f"{analysis.name}: reported elsewhere, and ours"
    )
    note = f"{_comparison_note(results, analysis, paper)}{once(analysis)}".strip()
    return Table(f"comparison-{analysis.name}", title, columns, rows, note, strong)


def once(analysis: ProtocolAnalysis) -> str:
    """The sentence about methods that stand under recipes that they were not run with; empty where there are none."""
    everywhere = any(not cell.switches.by_gradient for cell in analysis.result.plain.values())
    return ONCE if everywhere and len(analysis.groups) > 1 else ""


def _row_name(results: Results, analysis: ProtocolAnalysis, line: dict[Any, Any]) -> str:
    """The name of a row of the paper's table; where what was run for it is our reading of a method, it says so."""
    known = results.params.methods.get(line["method"])
    run = any(cell.method == line["method"] for cell in analysis.result.plain.values())
    ours = run and known is not None and known.reading and "our reading" not in line["row"]
    return f"{line['row']}, ours: our reading" if ours else str(line["row"])


def _ours_and_interval(results: Results, prefix: str, recipe: str) -> tuple[Column, ...]:
    ours, interval = ours_columns(results, prefix, recipe)
    return (ours, *minor(interval)) if recipe else (ours, interval)


def in_paper(paper: pd.DataFrame) -> bool:
    """Whether reported numbers are those of the paper's table: then its own method is one of the rows."""
    return "sta-lstm" in set(paper["method"])


def reported_title(results: Results, analysis: ProtocolAnalysis) -> str:
    """The title of a column of the paper's numbers."""
    return f"Paper, on real {analysis.counterpart} (%)" if results.synthetic else "Reported (%)"


def _marks(paper: pd.DataFrame) -> dict[str, str]:
    """Note -> its mark, in order of first appearance."""
    notes = [note for note in dict.fromkeys(paper["note"]) if note]
    return {note: MARKS[i % len(MARKS)] * (1 + i // len(MARKS)) for i, note in enumerate(notes)}


def _own_lines(analysis: ProtocolAnalysis, known: set[str]) -> list[dict[Any, Any]]:
    """Our methods that the paper's table does not have; twins of a method stand in the ablation, later methods by themselves."""
    cells = [cell for cell in analysis.result.plain.values() if "-" not in (role(cell.switches) or "") and not cell.later]
    methods = dict.fromkeys(cell.method for cell in cells if cell.method not in known)
    empty = {"year": None, "reported": None, "source": "", "grade": "", "note": ""}
    return [{"method": method, "row": text.label(method), **empty} for method in methods]


def _source(row: Row) -> str:
    return f"{row['source']} [{row['grade']}]" if row["source"] else text.MISSING


def _comparison_note(results: Results, analysis: ProtocolAnalysis, paper: pd.DataFrame) -> str:
    notes = [f"{mark} {note}." for note, mark in _marks(paper).items()]
    grades = "; ".join(f"[{grade}] {GRADES[grade]}" for grade in GRADES if grade in set(paper["grade"]))
    if results.synthetic:
        notes.append("Reported numbers are for real recordings and cannot be compared with ours on synthetic data.")
    elif analysis.result.part:
        notes.append(PART)
    elif not in_paper(paper):
        others = "" if paper.empty else " The reported numbers are those of other papers, and their protocols may be other ones."
        notes.append(f"The paper has no table for this protocol.{others}")
    return " ".join([*notes, f"{grades}." if grades else ""]).strip()


def ablation(results: Results, analysis: ProtocolAnalysis) -> Table:
    """Every method but those of other papers with its switches, and its difference to LSTM and to STA-LSTM of the same recipe."""
    rows: list[dict[str, Any]] = []
    for recipe, group in analysis.groups.items():
        if not analysis.own(recipe):
            continue
        planned = {default: group.get(name) for name, default in ROLES.items() if name in MAIN or name in group}
        others = {name: name for name in analysis.own(recipe) if name not in planned.values()}
        rows += [_ablation_row(results, analysis, recipe, method, cell) for method, cell in (planned | others).items()]
    _adjust(rows)
    columns = (
        *([field("recipe", "Recipe", whole=True)] if len(analysis.groups) > 1 else []),
        method_column(),
        *minor(*(yes_no(name, name.capitalize()) for name in SWITCHES)),
        *ours_columns(results)[:1],
        *difference_columns("lstm_", "\N{GREEK CAPITAL LETTER DELTA} to LSTM"),
        *minor(*difference_columns("sta_", "\N{GREEK CAPITAL LETTER DELTA} to STA-LSTM")),
    )
    note = (
        f"Differences in points with their {interval_title(results)}s: the row's method minus the reference, paired by"
        " sequence, over all seeds of both. p is adjusted by Holm's method over the rows of the column. Staged training does not"
        " apply to a method without attention, nor regularisers to one of whose penalties a recipe has none."
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["method"] == "sta-lstm")
    title, groups = f"{analysis.name}: what each part contributes", int(len(analysis.groups) > 1)
    return Table(f"ablation-{analysis.name}", title, columns, rows, note, strong, groups=groups)


def _ablation_row(results: Results, analysis: ProtocolAnalysis, recipe: str, method: str, cell: str | None) -> dict[str, Any]:
    method = analysis.result.cells[cell].method if cell else method
    switches = results.params.methods.get(method)
    row: dict[str, Any] = {"recipe": recipe, "method": method} | {n: getattr(switches, n, None) for n in SWITCHES}
    if not (row["spatial"] or row["temporal"]):
        row["staged"] = None
    if cell and row["regularised"] and not penalties(results, analysis.result.cells[cell]):
        row["regularised"] = None
    row |= accuracy_fields(analysis.accuracy[cell] if cell else None)
    for reference in ("lstm", "sta"):
        found = analysis.differences.get((cell or "", analysis.groups[recipe].get(reference, "")))
        row |= difference_fields(found, f"{reference}_")
    return row


def penalties(results: Results, cell: CellResult) -> list[str]:
    """The penalties that a cell's recipe has for its method; those of attentions that it does not have are none."""
    objective = parameters.for_cell(results.config, cell.name)[1].objective
    has = {"lambda1": cell.switches.spatial, "lambda2": cell.switches.temporal, "lambda3": True}
    return [name for name, there in has.items() if there and getattr(objective, name)]


def difference_fields(found: Difference | None, prefix: str = "") -> dict[str, Any]:
    """A difference as values of a row; None where there is none."""
    return {f"{prefix}{key}": getattr(found, key, None) for key in ("points", "low", "high", "p", "better", "worse")}


def _adjust(rows: list[dict[str, Any]]) -> None:
    for recipe in {row["recipe"]: None for row in rows}:
        for reference in ("lstm", "sta"):
            adjust([row for row in rows if row["recipe"] == recipe], f"{reference}_")


def adjust(family: list[dict[str, Any]], prefix: str = "") -> None:
    """Add `p_holm` to each row: its `p` adjusted over these rows; None where there is none."""
    adjusted = iter(holm([row[f"{prefix}p"] for row in family if row[f"{prefix}p"] is not None]))
    for row in family:
        row[f"{prefix}p_holm"] = None if row[f"{prefix}p"] is None else next(adjusted)


def difference_columns(prefix: str, title: str) -> tuple[Column, Column]:
    """A difference with its interval and its adjusted p, from `difference_fields` and `adjust` with this prefix."""

    def points(row: Row) -> str:
        low, high = row[f"{prefix}low"], row[f"{prefix}high"]
        return text.MISSING if low is None else f"{text.signed(row[f'{prefix}points'])} {text.interval(low, high)}"

    def p(row: Row) -> str:
        value = row[f"{prefix}p_holm"]
        return text.MISSING if value is None else text.p_value(value)

    return Column(title, points, True), Column("p", p, True)
