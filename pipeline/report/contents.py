"""The tables of the report, built from the analysis: what stands in which row, in which words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipeline.report import text
from pipeline.report.analysis import ROLES, ProtocolAnalysis
from pipeline.report.results import Results
from pipeline.report.tables import Column, Row, Table, field, yes_no
from pipeline.report.tables import method as method_column
from pipeline.statistics import Accuracy, holm

GRADES = {
    "summary": "from the project's source page, a summary of the paper",
    "confirmed": "confirmed by the named source",
    "memory": "quoted from memory, not confirmed",
}

SWITCHES = ("spatial", "temporal", "staged", "regularised")


def _accuracy_fields(found: Accuracy | None) -> dict[str, Any]:
    names = ("mean", "sd", "low", "high", "runs", "samples", "standard_error")
    return {name: getattr(found, name) if found else None for name in names}


def _ours(row: Row) -> str:
    if row["mean"] is None:
        return text.NOT_RUN
    return text.accuracy(Accuracy(**{name: row[name] for name in Accuracy.__dataclass_fields__}))


def _interval(row: Row) -> str:
    return text.MISSING if row["low"] is None else text.interval(row["low"], row["high"])


def interval_title(results: Results) -> str:
    """`95 % interval`, or whatever the confidence is."""
    return f"{100 * results.params.report.confidence:g} % interval"


def _ours_columns(results: Results) -> tuple[Column, ...]:
    title = "Ours, SYNTHETIC (%)" if results.synthetic else "Ours (%)"
    return Column(title, _ours, numeric=True), Column(interval_title(results), _interval, numeric=True)


def headline(results: Results, analyses: list[ProtocolAnalysis]) -> Table:
    """The paper's STA-LSTM beside ours, with the LSTM of the same recipe, a block a protocol."""
    rows: list[dict[str, Any]] = []
    for analysis in analyses:
        for recipe, group in analysis.groups.items():
            for method in [group[name] for name in ("lstm", "sta") if name in group] or [analysis.shown]:
                found = analysis.accuracy[method]
                reported = (analysis.reported or {}).get(method)
                gap = None if reported is None else found.mean - reported
                rows.append(
                    {"protocol": analysis.name, "recipe": recipe, "method": method, "reported": reported}
                    | _accuracy_fields(found)
                    | {"gap": gap}
                )
    columns = (
        field("protocol", "Protocol", whole=True),
        *([field("recipe", "Recipe")] if several_recipes(analyses) else []),
        method_column(),
        field("reported", "Paper (%)", 2),
        *_ours_columns(results),
        Column("Ours \N{MINUS SIGN} paper", lambda row: text.signed(row["gap"]), numeric=True),
        field("samples", "Test sequences", 0),
        field("standard_error", "Binomial s.e.", 2),
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["method"].startswith("sta-lstm"))
    note = (
        "The paper has no number for synthetic data; these runs show that the pipeline works, not how well the method does."
        if results.synthetic
        else "Dash: the paper's number is not known. Ours: mean ± standard deviation over seeds; a run is a seed over all folds."
    )
    return Table("headline", "STA-LSTM and the LSTM that it is compared with", columns, rows, note, strong)


def several_recipes(analyses: list[ProtocolAnalysis]) -> bool:
    """Whether the report has more than one recipe to tell apart."""
    return len({recipe for analysis in analyses for recipe in analysis.groups}) > 1


def comparison(results: Results, analysis: ProtocolAnalysis) -> Table:
    """A row for every method of the paper's table, then our methods that it does not have."""
    paper = results.paper[results.paper["protocol"] == analysis.counterpart]
    rows: list[dict[str, Any]] = []
    for line in paper.to_dict("records"):
        known = {key: line[key] for key in ("method", "row", "year", "reported", "source", "grade", "note")}
        rows.append(known | _accuracy_fields(analysis.accuracy.get(str(line["method"]))))
    for method, found in analysis.accuracy.items():
        if method not in set(paper["method"]):
            own = {
                "method": method,
                "row": text.label(method),
                "year": None,
                "reported": None,
                "source": "",
                "grade": "",
                "note": "",
            }
            rows.append(own | _accuracy_fields(found))
    reported = f"Paper, on real {analysis.counterpart} (%)" if results.synthetic else "Reported (%)"
    columns = (
        Column("Method", lambda row: f"{row['row']} *" if row["note"] else row["row"], whole=True),
        field("year", "Year"),
        field("reported", reported, 2),
        *_ours_columns(results),
        Column("Source of the reported number", _source),
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["method"] == "sta-lstm")
    return Table(
        f"comparison-{analysis.name}",
        f"{analysis.name}: methods of the paper's table",
        columns,
        rows,
        _comparison_note(results, paper),
        strong,
    )


def _source(row: Row) -> str:
    return f"{row['source']} [{row['grade']}]" if row["source"] else text.MISSING


def _comparison_note(results: Results, paper: pd.DataFrame) -> str:
    notes = [f"* {note}." for note in sorted(set(paper["note"]) - {""})]
    grades = "; ".join(f"[{grade}] {GRADES[grade]}" for grade in GRADES if grade in set(paper["grade"]))
    if results.synthetic:
        notes.append("Reported numbers are for real recordings and cannot be compared with ours on synthetic data.")
    return " ".join([*notes, f"{grades}." if grades else ""]).strip()


def ablation(results: Results, analysis: ProtocolAnalysis) -> Table:
    """Every method with its switches, and its difference to LSTM and to STA-LSTM of the same recipe."""
    rows: list[dict[str, Any]] = []
    for recipe, group in analysis.groups.items():
        planned = [group.get(name, default) for name, default in ROLES.items()]
        others = [m for m, cell in analysis.result.cells.items() if cell.recipe == recipe and m not in planned]
        rows += [_ablation_row(results, analysis, recipe, method) for method in [*planned, *others]]
    _adjust(rows)
    columns = (
        *([field("recipe", "Recipe")] if len(analysis.groups) > 1 else []),
        method_column(),
        *(yes_no(name, name.capitalize()) for name in SWITCHES),
        *_ours_columns(results)[:1],
        *_difference_columns("lstm", "LSTM"),
        *_difference_columns("sta", "STA-LSTM"),
    )
    note = (
        f"Differences in points with their {interval_title(results)}s: the row's method minus the reference, paired by sequence"
        " and seed. p: exact sign-flip test by sequence (McNemar's where there is one seed), adjusted by Holm's method over the"
        " rows of the column. Staged training does not apply to a method without attention."
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["method"] == "sta-lstm")
    return Table(f"ablation-{analysis.name}", f"{analysis.name}: what each part contributes", columns, rows, note, strong)


def _ablation_row(results: Results, analysis: ProtocolAnalysis, recipe: str, method: str) -> dict[str, Any]:
    switches = results.params.methods.get(method)
    row: dict[str, Any] = {"recipe": recipe, "method": method} | {n: getattr(switches, n, None) for n in SWITCHES}
    if not (row["spatial"] or row["temporal"]):
        row["staged"] = None
    row |= _accuracy_fields(analysis.accuracy.get(method))
    for reference in ("lstm", "sta"):
        found = analysis.differences.get((method, analysis.groups[recipe].get(reference, "")))
        row |= {f"{reference}_{key}": getattr(found, key, None) for key in ("points", "low", "high", "p", "better", "worse")}
    return row


def _adjust(rows: list[dict[str, Any]]) -> None:
    """Add `<reference>_p_holm`, adjusted within the recipe's column of p values."""
    for recipe in {row["recipe"]: None for row in rows}:
        for reference in ("lstm", "sta"):
            family = [row for row in rows if row["recipe"] == recipe]
            tested = [row for row in family if row[f"{reference}_p"] is not None]
            adjusted = iter(holm([row[f"{reference}_p"] for row in tested]))
            for row in family:
                row[f"{reference}_p_holm"] = None if row[f"{reference}_p"] is None else next(adjusted)


def _difference_columns(reference: str, name: str) -> tuple[Column, Column]:
    def points(row: Row) -> str:
        low, high = row[f"{reference}_low"], row[f"{reference}_high"]
        if low is None:
            return text.MISSING
        return f"{text.signed(row[f'{reference}_points'])} {text.interval(low, high)}"

    def p(row: Row) -> str:
        value = row[f"{reference}_p_holm"]
        return text.MISSING if value is None else text.p_value(value)

    return Column(f"\N{GREEK CAPITAL LETTER DELTA} to {name}", points, True), Column("p", p, True)
