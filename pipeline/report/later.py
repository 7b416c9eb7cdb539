"""Methods that were published after STA-LSTM: where it stands today, apart from the paper's tables and from all answers."""

from __future__ import annotations

from typing import Any

from pipeline.report import text
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.contents import accuracy_fields, adjust, difference_columns, difference_fields, interval_title, ours_columns
from pipeline.report.results import Results
from pipeline.report.tables import Table, field, minor
from pipeline.report.tables import method as method_column


def table(results: Results, analysis: ProtocolAnalysis) -> Table | None:
    """A row a recipe and later method: ours, and STA-LSTM minus it; None where none was run."""
    rows: list[dict[str, Any]] = []
    for recipe in analysis.groups:
        family = [_row(analysis, recipe, name) for name in analysis.later(recipe)]
        adjust(family, "sta_")
        rows += family
    if not rows:
        return None
    accuracy, interval = ours_columns(results)
    points, p = difference_columns("sta_", f"STA-LSTM {text.MINUS} it")
    columns = (
        *([field("recipe", "Recipe", whole=True)] if len(analysis.groups) > 1 else []),
        method_column(),
        accuracy,
        *minor(interval),
        points,
        *minor(p),
    )
    note = (
        "Our own re-implementations on the same skeletons, trained under the recipe of STA-LSTM, which was made for it. STA-LSTM"
        f" {text.MINUS} it: in points, with the {interval_title(results)}, paired by sequence, over all seeds of both; positive"
        " where STA-LSTM is better. p is adjusted by Holm's method over the rows of a recipe."
    )
    return Table(
        f"later-{analysis.name}",
        f"{analysis.name}: methods later than STA-LSTM",
        columns,
        rows,
        note,
        groups=int(len(analysis.groups) > 1),
    )


def _row(analysis: ProtocolAnalysis, recipe: str, name: str) -> dict[str, Any]:
    """None for a difference where STA-LSTM was not run under the recipe."""
    found = analysis.differences.get((name, analysis.groups[recipe].get("sta", "")))
    row: dict[str, Any] = {"recipe": recipe, "method": analysis.result.cells[name].method}
    row |= accuracy_fields(analysis.accuracy[name])
    return row | difference_fields(found.reversed() if found else None, "sta_")
