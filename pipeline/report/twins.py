"""What the regularisers and the staged training bring to each method: a method beside its twins without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.report import text
from pipeline.report.analysis import TWINS, ProtocolAnalysis
from pipeline.report.contents import accuracy_fields, adjust, difference_columns, difference_fields, interval_title, ours_columns
from pipeline.report.results import Results
from pipeline.report.tables import Column, Row, Table, field, minor
from pipeline.report.tables import method as method_column

PARTS = {"noreg": "the regularisers", "scratch": "the stages of training"}


def pairs(analysis: ProtocolAnalysis, recipe: str) -> list[tuple[str, str, str]]:
    """(twin, role, role of its twin) of each method that was run with and without a part."""
    group = analysis.groups[recipe]
    found = [(twin, base, f"{base}-{twin}") for twin, bases in TWINS.items() for base in bases]
    return [pair for pair in found if pair[1] in group and pair[2] in group]


def table(results: Results, analysis: ProtocolAnalysis) -> Table | None:
    """A row a recipe, part and method: accuracy and stability with the part and without it; None where nothing was run."""
    rows: list[dict[str, Any]] = []
    for recipe in analysis.groups:
        family = [_row(analysis, recipe, *pair) for pair in pairs(analysis, recipe)]
        adjust(family)
        rows += family
    if not rows:
        return None
    columns = (
        *([field("recipe", "Recipe", whole=True)] if len(analysis.groups) > 1 else []),
        field("part", "Part", whole=True),
        method_column(),
        Column("With it (%)", ours_columns(results, "with_")[0].text, True),
        *minor(Column("Without (%)", ours_columns(results, "without_")[0].text, True)),
        *difference_columns("", "What it brings"),
        *minor(
            _both("spread", "s.d. over seeds", text.number),
            _both("diverged", "Diverged or at chance (%)", _whole),
            _both("dead", "Dead \N{GREEK SMALL LETTER BETA} (%)", _whole),
        ),
    )
    note = (
        f"With it minus without, in points, with the {interval_title(results)}, over all seeds of both. p is adjusted by"
        " Holm's method over the rows of a recipe. The last three columns: with it / without, shares of the networks."
    )
    own = frozenset(i for i, row in enumerate(rows) if row["method"] == "sta-lstm")
    strong = own if len(own) < len(rows) else frozenset()
    title = f"{analysis.name}: what the regularisers and the staged training bring"
    return Table(f"parts-{analysis.name}", title, columns, rows, note, strong, groups=1 + (len(analysis.groups) > 1))


def _row(analysis: ProtocolAnalysis, recipe: str, twin: str, base: str, without: str) -> dict[str, Any]:
    group = analysis.groups[recipe]
    row: dict[str, Any] = {"recipe": recipe, "part": PARTS[twin], "method": analysis.result.cells[group[base]].method}
    for name, cell in (("with", group[base]), ("without", group[without])):
        stable = analysis.stability[cell]
        row |= accuracy_fields(analysis.accuracy[cell], f"{name}_")
        row |= {f"{name}_spread": stable.sd, f"{name}_diverged": 100 * stable.diverged}
        row[f"{name}_dead"] = None if stable.dead is None else 100 * stable.dead
    return row | difference_fields(analysis.difference(recipe, base, without))


def _both(key: str, title: str, written: Callable[[float | None], str]) -> Column:
    def show(row: Row) -> str:
        one, other = (written(row[f"{name}_{key}"]) for name in ("with", "without"))
        return text.MISSING if one == other == text.MISSING else f"{one} / {other}"

    return Column(title, show, True)


def _whole(value: float | None) -> str:
    return text.number(value, 0)
