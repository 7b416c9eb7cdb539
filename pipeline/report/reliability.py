"""Whether the probabilities of networks can be believed: confidence beside accuracy."""

from __future__ import annotations

from typing import Any

from pipeline.report import text
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.contents import several_recipes
from pipeline.report.details import recipe_column
from pipeline.report.tables import Column, Table, field, minor
from pipeline.report.tables import method as method_column
from pipeline.results.calibration import calibration

WHY = (
    "What `predict` calls a probability is the softmax of a network's scores, as they are: no temperature was fitted. Where the"
    " confidence of the predictions is above their accuracy, the networks are too sure of themselves."
)


def table(analyses: list[ProtocolAnalysis]) -> Table | None:
    """A row a protocol, recipe and network; None where no method has scores that are logits."""
    rows: list[dict[str, Any]] = []
    for analysis in analyses:
        for cell in analysis.result.plain.values():
            if cell.switches.by_gradient:
                found = calibration(cell.predictions)
                row: dict[str, Any] = {"protocol": analysis.name, "recipe": cell.recipe, "method": cell.method}
                row |= {"confidence": 100 * found.confidence, "accuracy": 100 * found.accuracy}
                row |= {"gap": row["confidence"] - row["accuracy"], "error": 100 * found.error}
                rows.append(row | {"likelihood": found.likelihood, "brier": found.brier})
    columns = (
        field("protocol", "Protocol", whole=True),
        *recipe_column(analyses),
        method_column(),
        field("confidence", "Mean confidence (%)", 1),
        field("accuracy", "Right (%)", 1),
        Column("Too sure by", lambda row: text.signed(row["gap"], 1), numeric=True),
        field("error", "Calibration error", 1),
        *minor(field("likelihood", "Negative log-likelihood", 3), field("brier", "Brier score", 3)),
    )
    note = (
        "Over all folds, seeds and test sequences together, so that accuracy can differ by a little from the mean of the folds."
        " Too sure by: confidence minus accuracy, points. Calibration error: over the bins of the next table, points."
    )
    groups = 1 + several_recipes(analyses)
    return Table("calibration", "How sure the networks are, and how right", columns, rows, note, groups=groups) if rows else None


def bins(analyses: list[ProtocolAnalysis]) -> Table | None:
    """The reliability table of the shown method of each protocol, a row a bin of confidence."""
    rows: list[dict[str, Any]] = []
    for analysis in [analysis for analysis in analyses if analysis.cell.switches.by_gradient]:
        for part in calibration(analysis.cell.predictions).bins:
            row: dict[str, Any] = {"protocol": analysis.name, "recipe": analysis.cell.recipe, "method": analysis.cell.method}
            row |= {"low": 100 * part.low, "high": 100 * part.high, "predictions": part.count}
            rows.append(row | {"confidence": 100 * part.confidence, "accuracy": 100 * part.accuracy})
    columns = (
        field("protocol", "Protocol", whole=True),
        *recipe_column(analyses),
        method_column(),
        Column("Confidence (%)", lambda row: f"{row['low']:.0f} to {row['high']:.0f}", whole=True),
        field("predictions", "Predictions", 0),
        field("confidence", "Mean confidence (%)", 1),
        field("accuracy", "Right (%)", 1),
    )
    title, groups = "Reliability of the shown method", 2 + several_recipes(analyses)
    return Table("reliability", title, columns, rows, groups=groups) if rows else None
