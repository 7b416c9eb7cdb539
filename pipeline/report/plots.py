"""The tables behind `dvc plots`: learning curves, and a confusion matrix a protocol."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.report.analysis import ProtocolAnalysis
from pipeline.results.summaries import learning_curves

CURVES = ("loss", "train_accuracy", "validation_accuracy")


def curves(analyses: list[ProtocolAnalysis]) -> pd.DataFrame:
    """`protocol,recipe,method,step,loss,train_accuracy,validation_accuracy`: means over folds and seeds, a row a step."""
    parts = []
    for analysis in analyses:
        for cell in analysis.result.plain.values():
            means = learning_curves(cell.history)[["step", *CURVES]]
            for place, value in enumerate((analysis.name, cell.recipe, cell.method)):
                means.insert(place, ("protocol", "recipe", "method")[place], value)
            parts.append(means)
    return pd.concat(parts, ignore_index=True)


def confusion(analysis: ProtocolAnalysis) -> pd.DataFrame:
    """`protocol,recipe,method,actual,predicted`: a row a prediction of a protocol's shown cell."""
    names = list(analysis.result.store.meta.actions)
    table = analysis.cell.predictions
    columns = {"protocol": analysis.name, "recipe": analysis.cell.recipe, "method": analysis.cell.method}
    classes = {"actual": table["label"].map(names.__getitem__), "predicted": table["predicted"].map(names.__getitem__)}
    return pd.DataFrame(columns | classes)


def write(analyses: list[ProtocolAnalysis], folder: Path) -> None:
    """Write `curves.csv`, and `confusion/<protocol>.csv`: DVC draws a matrix for each table."""
    curves(analyses).to_csv(folder / "curves.csv", index=False, lineterminator="\n", float_format="%.6g")
    (folder / "confusion").mkdir()
    for analysis in analyses:
        confusion(analysis).to_csv(folder / "confusion" / f"{analysis.name}.csv", index=False, lineterminator="\n")
