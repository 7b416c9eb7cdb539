"""What staged training does phase by phase, and whether the attention that it leaves departs from equal weights."""

from __future__ import annotations

from typing import Any

from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.details import recipe_column
from pipeline.report.tables import Table, field, minor
from pipeline.report.tables import method as method_column
from pipeline.results import summaries

WHY = (
    "Attention can only learn from errors that are left. Where the training accuracy is near 100 % at the end of a phase that"
    " trains the main network on frozen attentions, the joint phase after it has next to no gradient to move them with."
)


def ends(analyses: list[ProtocolAnalysis]) -> Table:
    """A row a phase of STA-LSTM, with and without staged training, in each recipe."""
    rows: list[dict[str, Any]] = []
    for analysis in analyses:
        for recipe, group in analysis.groups.items():
            for name in [group[role] for role in ("sta", "sta-scratch") if role in group]:
                cell = analysis.result.cells[name]
                row = {"protocol": analysis.name, "recipe": recipe, "method": cell.method}
                lines = summaries.phase_ends(cell.history).to_dict("records")
                rows += [row | {str(key): value for key, value in line.items()} for line in lines]
    columns = (
        field("protocol", "Protocol", whole=True),
        *recipe_column(analyses),
        method_column(),
        field("phase", "Phase", whole=True),
        field("epochs", "Epochs", 0),
        field("cross_entropy", "Cross-entropy", 4),
        field("train_accuracy", "Training (%)", 1),
        *minor(field("gradient_norm", "Gradient norm", 3)),
    )
    note = "Last epoch of each phase, with dropout and augmentation as in training; means over folds and seeds."
    return Table("phases", "What each phase of training reaches", columns, rows, note, groups=2 + len(recipe_column(analyses)))


def spread(analyses: list[ProtocolAnalysis]) -> Table | None:
    """How far attention departs from equal weights, a row a method that has any; None where no method has."""
    rows: list[dict[str, Any]] = []
    for analysis in analyses:
        gates = analysis.result.store.meta.bodies * len(analysis.result.store.meta.joints)
        for cell in analysis.result.plain.values():
            found = summaries.effective_gates(cell.alpha), summaries.unevenness(cell.beta)
            if found != (None, None):
                row = {"protocol": analysis.name, "recipe": cell.recipe, "method": cell.method}
                rows.append(row | {"effective": found[0], "gates": gates if found[0] else None, "unevenness": found[1]})
    columns = (
        field("protocol", "Protocol", whole=True),
        *recipe_column(analyses),
        method_column(),
        field("effective", "Joints that \N{GREEK SMALL LETTER ALPHA} is spread over", 1),
        field("gates", "of", 0),
        field("unevenness", "\N{GREEK SMALL LETTER BETA}: s.d. over mean", 2),
    )
    note = (
        "Of the mean weights by class and time bin on test sequences. Spread: exp of the entropy; all joints where the weights"
        " are equal, 1 where one joint has all. s.d. over mean: 0 where all parts of a clip weigh the same."
    )
    groups = 1 + len(recipe_column(analyses))
    return Table("spread", "How far attention departs from equal weights", columns, rows, note, groups=groups) if rows else None
