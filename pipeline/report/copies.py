"""Test clips that are copies of training clips: accuracy with them, as published, and without them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.report import text
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.contents import accuracy_fields, ours_columns
from pipeline.report.results import Results
from pipeline.report.tables import Column, Table, field, minor
from pipeline.report.tables import method as method_column
from pipeline.results.statistics import subset, summarise


def table(results: Results, analysis: ProtocolAnalysis) -> Table | None:
    """A row a recipe and method, over all test clips and over those without a copy; None where no clip has one."""
    copies = analysis.result.copies
    if not copies:
        return None
    rows: list[dict[str, Any]] = []
    for name, cell in analysis.result.plain.items():
        found = cell.outcomes
        kept = np.array([(int(fold), clip) not in copies for fold, clip in zip(found.folds, found.names, strict=True)])
        clean = summarise(subset(found, kept), results.params.report)
        row: dict[str, Any] = {"recipe": cell.recipe, "method": cell.method}
        row |= accuracy_fields(analysis.accuracy[name]) | accuracy_fields(clean, "clean_")
        rows.append(row | {"copies": len(copies), "gain": analysis.accuracy[name].mean - clean.mean})
    columns = (
        *([field("recipe", "Recipe", whole=True)] if len(analysis.groups) > 1 else []),
        method_column(),
        Column("All test clips (%)", ours_columns(results)[0].text, True),
        Column("Without copies (%)", ours_columns(results, "clean_")[0].text, True),
        *minor(ours_columns(results, "clean_")[1]),
        Column("What the copies add", lambda row: text.signed(row["gain"]), True),
    )
    note = (
        f"{len(copies)} test clips hold the very numbers of a clip that was trained on or validated with. Published numbers count"
        " them. Other performances of the same people were trained on from other views in any case."
    )
    title, groups = f"{analysis.name}: with copies of training clips and without", int(len(analysis.groups) > 1)
    return Table(f"copies-{analysis.name}", title, columns, rows, note, groups=groups)
