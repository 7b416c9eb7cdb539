"""The rows of the paper's table twice: as they were reported, and run here under one protocol, with what each costs.

What the reports count stands in `reports/reasons.csv` (`protocol,method,kind,text`; kind `basis`), as does what was measured
about a row whose number here is another (kind `gap`). Costs stand in `reports/costs.csv`: `python -m benchmarks.costs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.report import text
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.contents import (
    accuracy_fields,
    adjust,
    difference_columns,
    difference_fields,
    interval_title,
    once,
    ours_columns,
    reported_title,
)
from pipeline.report.earlier import differences, windows
from pipeline.report.results import Results
from pipeline.report.tables import Column, Table, field, minor
from pipeline.report.tables import method as method_column

COSTS = ("numbers", "train_s", "infer_ms")


def blocks(results: Results, analysis: ProtocolAnalysis) -> Iterator[Table | str]:
    """Both panels, and a sentence for each row that leaves its report; nothing where no earlier method was run."""
    if not any(analysis.earlier(recipe) for recipe in analysis.groups):
        return
    if table := reported(results, analysis):
        yield table
    yield here(results, analysis)
    yield from leaving(results, analysis)


def ranks(values: Sequence[float | None]) -> list[int | None]:
    """1 for the largest, equals share a rank; None for None."""
    known = [value for value in values if value is not None]
    return [None if value is None else 1 + sum(other > value for other in known) for value in values]


def reported(results: Results, analysis: ProtocolAnalysis) -> Table | None:
    """The panel of reported numbers; None where there are none."""
    paper = results.paper_of(analysis.counterpart)
    if paper.empty:
        return None
    rows: list[dict[str, Any]] = []
    found = ranks([float(value) for value in paper["reported"]])
    for line, rank in zip(paper.to_dict("records"), found, strict=True):
        known = {"method": line["method"], "row": line["row"], "year": line["year"], "reported": line["reported"]}
        rows.append(known | {"rank": rank, "basis": results.reason(analysis.counterpart, str(line["method"]), "basis")})
    columns = (
        field("row", "Method", whole=True),
        *minor(field("year", "Year")),
        field("reported", reported_title(results, analysis), 2),
        field("rank", "Rank", 0),
        *minor(field("basis", "What is known of what it counts")),
    )
    note = "Each by its authors or by others, on skeletons, training and choices of their own. Dash: nothing is known."
    return Table(f"reported-{analysis.name}", f"{analysis.name}: as reported", columns, rows, note)


def here(results: Results, analysis: ProtocolAnalysis) -> Table:
    """The panel of our runs: STA-LSTM and the earlier methods, recipe by recipe."""
    rows = [row for recipe in analysis.groups for row in _of_recipe(results, analysis, recipe)]
    accuracy, interval = ours_columns(results)
    points, p = difference_columns("sta_", f"STA-LSTM {text.MINUS} it")
    columns = (
        *([field("recipe", "Recipe", whole=True)] if len(analysis.groups) > 1 else []),
        method_column(),
        accuracy,
        *minor(interval),
        field("rank", "Rank", 0),
        *minor(
            Column("Learned numbers", lambda row: _whole(row["numbers"]), numeric=True),
            field("train_s", "Training, core seconds", 1),
            field("infer_ms", "Inference, ms a clip", 2),
        ),
        points,
        *minor(p),
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["method"] == "sta-lstm")
    title = f"{analysis.name}: run here under one protocol"
    groups = int(len(analysis.groups) > 1)
    return Table(f"panel-{analysis.name}", title, columns, rows, _note(results, rows) + once(analysis), strong, groups=groups)


def _whole(value: float | None) -> str:
    return text.MISSING if value is None else f"{value:,.0f}"


def _of_recipe(results: Results, analysis: ProtocolAnalysis, recipe: str) -> list[dict[str, Any]]:
    earlier = analysis.earlier(recipe)
    if not earlier:
        return []
    sta = analysis.groups[recipe].get("sta")
    names = [*earlier, *([sta] if sta else [])]
    ranked = ranks([None if analysis.result.cells[name].reading else analysis.accuracy[name].mean for name in names])
    pairs, rows = differences(analysis, recipe), []
    for name, rank in zip(names, ranked, strict=True):
        cell = analysis.result.cells[name]
        row: dict[str, Any] = {"recipe": recipe, "method": cell.method} | accuracy_fields(analysis.accuracy[name])
        row |= {"rank": rank, **results.cost(analysis.name, cell.recipe, cell.method, COSTS)}
        rows.append(row | difference_fields(pairs.get(name), "sta_"))
    adjust(rows, "sta_")
    return rows


def _note(results: Results, rows: Sequence[dict[str, Any]]) -> str:
    words = [f"Same skeletons, folds and test sequences for all. {interval_title(results).capitalize()} of one accuracy alone."]
    if any(row["rank"] is None for row in rows):
        words.append("A row without a rank is our reading of a method that nobody described in public; it enters no verdict.")
    words.append(
        "Learned numbers are those that are stored for a run; training and inference were measured once, on one core of the"
        " machine that reports/costs.csv names. Dash: not measured. p is adjusted by Holm's method over the rows of a recipe."
    )
    return " ".join(words)


def leaving(results: Results, analysis: ProtocolAnalysis) -> Iterator[str]:
    """A sentence for each row whose reported number lies outside of our interval, with what was measured about it."""
    for recipe in analysis.groups:
        for name, cell in analysis.earlier(recipe).items():
            if cell.recipe != recipe:
                continue
            found, reported = analysis.accuracy[name], (analysis.reported or {}).get(cell.method)
            if reported is None or found.low <= reported <= found.high:
                continue
            ours = f"{text.number(found.mean)} % {text.interval(found.low, found.high)}"
            reasons = _measured(results, analysis, name)
            yield (
                f"{text.label(cell.method)} has {ours} on {analysis.place(recipe)} where {text.number(reported)} was reported:"
                f" {'; '.join(reasons) if reasons else 'no reason has been measured'}."
            )


def _measured(results: Results, analysis: ProtocolAnalysis, name: str) -> list[str]:
    """What was measured about a row that leaves its report."""
    cell, reasons = analysis.result.cells[name], []
    if cell.reading:
        reasons.append("it is our reading, another method than theirs")
    if (single := windows(cell)) is not None:
        reasons.append(
            f"of its single windows, which the report may count, {text.number(single, 1)} % are right before they vote"
        )
    others = {other: analysis.find(other, cell.method) for other in analysis.groups if other != cell.recipe}
    wanted = (analysis.reported or {})[cell.method] - analysis.accuracy[name].mean
    for recipe, other in others.items():
        moved = analysis.accuracy[other].mean - analysis.accuracy[name].mean if other else 0.0
        if moved * wanted > 0:  # towards the report: the other way it would be no reason
            reasons.append(f"training it by the recipe {recipe} instead changes its accuracy by {text.signed(moved)} points")
    own = results.reason(analysis.counterpart, cell.method, "gap")
    return [*reasons, *([own] if own else [])]
