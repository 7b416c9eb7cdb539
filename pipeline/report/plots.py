"""The tables behind `dvc plots`: learning curves and the confusion matrix."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.report.analysis import ProtocolAnalysis
from pipeline.summaries import learning_curves

CURVES = ("loss", "train_accuracy", "validation_accuracy")


def curves(analyses: list[ProtocolAnalysis]) -> pd.DataFrame:
    """`protocol,method,step,loss,train_accuracy,validation_accuracy`: means over folds and seeds, a row a step."""
    parts = []
    for analysis in analyses:
        for method, cell in analysis.result.cells.items():
            means = learning_curves(cell.history)[["step", *CURVES]]
            means.insert(0, "protocol", analysis.name)
            means.insert(1, "method", method)
            parts.append(means)
    return pd.concat(parts, ignore_index=True)


def confusion(analyses: list[ProtocolAnalysis]) -> pd.DataFrame:
    """`protocol,method,actual,predicted`: a row a prediction of the shown method.

    With several protocols the classes carry the protocol's name, so that one matrix holds them as blocks, not mixed.
    """
    parts = []
    for analysis in analyses:
        prefix = f"{analysis.name}: " if len(analyses) > 1 else ""
        names = [f"{prefix}{action}" for action in analysis.result.store.meta.actions]
        table = analysis.cell.predictions
        columns = {"protocol": analysis.name, "method": analysis.shown}
        classes = {"actual": table["label"].map(names.__getitem__), "predicted": table["predicted"].map(names.__getitem__)}
        parts.append(pd.DataFrame(columns | classes, columns=["protocol", "method", "actual", "predicted"]))
    return pd.concat(parts, ignore_index=True)


def write(analyses: list[ProtocolAnalysis], folder: Path) -> None:
    """Write `curves.csv` and `confusion.csv`."""
    curves(analyses).to_csv(folder / "curves.csv", index=False, lineterminator="\n", float_format="%.6g")
    confusion(analyses).to_csv(folder / "confusion.csv", index=False, lineterminator="\n")
