"""Descriptive summaries of histories and attention: means, curves, and how far attention concentrates. No torch.

What is inferred from predictions (intervals, tests) is in `statistics.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]


def training_summary(history: pd.DataFrame) -> dict[str, float | None]:
    """Means over networks: `steps`, the `loss`, `train_accuracy` and `validation_accuracy` of the last epoch, and
    `best_validation_accuracy` within the last phase; accuracies in per cent, None where the history has no such value.

    The best validation accuracy is what a selection by held-out data would see. Test data appear nowhere here.
    """
    ordered = history.sort_values("step", kind="stable")
    runs = ordered.groupby(["fold", "seed"])
    final = runs.tail(1)
    phase = ordered[ordered["phase"] == runs["phase"].transform("last")]
    best = phase.groupby(["fold", "seed"])["validation_accuracy"].max()
    columns = {
        "steps": final["step"],
        "loss": final["loss"],
        "train_accuracy": 100 * final["train_accuracy"],
        "validation_accuracy": 100 * final["validation_accuracy"],
        "best_validation_accuracy": 100 * best,
    }
    return {name: None if values.isna().all() else float(values.mean()) for name, values in columns.items()}


def phase_ends(history: pd.DataFrame) -> pd.DataFrame:
    """What each phase reaches in its last epoch, means over networks, in order: `phase`, `epochs`, `cross_entropy`,
    `train_accuracy` (per cent) and `gradient_norm`.
    """
    ordered = history.sort_values("step", kind="stable")
    runs = ordered.groupby(["fold", "seed", "phase"], sort=False)
    last = runs.tail(1).assign(epochs=runs.size().to_numpy())
    table = last.groupby("phase", sort=False)[["epochs", "cross_entropy", "train_accuracy", "gradient_norm"]].mean()
    return table.assign(train_accuracy=100 * table["train_accuracy"]).reset_index()


def learning_curves(history: pd.DataFrame) -> pd.DataFrame:
    """Means over folds and seeds by step: `step`, `phase`, `runs`, `loss`, `train_accuracy`, `validation_accuracy`, and the
    `_low` and `_high` (least and greatest) of loss and training accuracy. A row a step, in order.
    """
    columns = ["loss", "train_accuracy", "validation_accuracy"]
    groups = history.groupby("step", sort=True)
    table = groups[columns].mean()
    for column in columns[:2]:
        table[f"{column}_low"], table[f"{column}_high"] = groups[column].min(), groups[column].max()
    table.insert(0, "phase", groups["phase"].first())
    table.insert(1, "runs", groups.size())
    return table.reset_index()


def mean_alpha(alpha: pd.DataFrame, gates: int) -> dict[int, Floats]:
    """For each class in the table the mean weights over its clips and their time, float64 `[gates]`, sum 1."""
    result = {}
    for label, part in alpha.groupby("label", sort=True):
        weight = part["weight"] * part["clips"]
        sums = weight.groupby(part["joint"]).sum().reindex(range(gates), fill_value=0.0).to_numpy(np.float64)
        result[int(str(label))] = sums / sums.sum() if sums.sum() else np.full(gates, 1 / gates)
    return result


def effective_gates(alpha: pd.DataFrame) -> float | None:
    """Over how many gates alpha is spread: exp of the entropy of the mean weights of a class and time bin, mean over clips.

    1 where one gate has all the weight, the number of gates where all have the same; None for a table without rows.
    """
    if alpha.empty:
        return None
    groups = alpha.groupby(["label", "bin"], sort=True)
    entropy = groups["weight"].agg(lambda w: float(-(w[w > 0] * np.log(w[w > 0])).sum()))
    return float(np.average(np.exp(entropy), weights=groups["clips"].first()))


def unevenness(beta: pd.DataFrame) -> float | None:
    """How much beta varies over the time of a clip: standard deviation over its mean, of the class means, mean over clips.

    0 where all frames weigh the same; None for a table without rows, or beta 0 everywhere.
    """
    groups = beta.groupby("label", sort=True)
    mean = groups["weight"].mean()
    if beta.empty or not (mean > 0).any():
        return None
    ratio = groups["weight"].std(ddof=0)[mean > 0] / mean[mean > 0]
    return float(np.average(ratio, weights=groups["clips"].first()[mean > 0]))


def mean_beta(beta: pd.DataFrame, bins: int) -> dict[int, Floats]:
    """For each class in the table the mean beta in equal parts of the clip, float64 `[bins]`; NaN where no frame fell."""
    return {
        int(str(label)): part.set_index("bin")["weight"].reindex(range(bins)).to_numpy(np.float64)
        for label, part in beta.groupby("label", sort=True)
    }


@dataclass(frozen=True)
class Concentration:
    """How much attention falls on planted evidence: `share` of the weight, `uniform` share, and `ratio` of the two."""

    share: float
    uniform: float

    @property
    def ratio(self) -> float:
        """1 is what uniform attention has."""
        return self.share / self.uniform


def overlap(bins: int, window: tuple[float, float]) -> Floats:
    """The share of each of `bins` equal parts of [0, 1] that lies in `window`, float64 `[bins]`."""
    edges = np.linspace(0, 1, bins + 1)
    inside = np.minimum(edges[1:], window[1]) - np.maximum(edges[:-1], window[0])
    return np.asarray(np.clip(inside, 0, None) * bins)


def spatial_concentration(
    alpha: pd.DataFrame, gates: Sequence[int], of: int, window: tuple[float, float] = (0.0, 1.0), bins: int = 1
) -> Concentration | None:
    """Share of alpha on `gates` out of `of`, over the clip or within a relative `window`; None for a table without rows."""
    inside = overlap(bins, window)[alpha["bin"].to_numpy(np.int64)] if bins > 1 else 1.0
    weight = alpha["weight"] * alpha["clips"] * inside
    if not weight.sum() > 0:
        return None
    return Concentration(float(weight[alpha["joint"].isin(list(gates))].sum() / weight.sum()), len(gates) / of)


def temporal_concentration(beta: pd.DataFrame, window: tuple[float, float], bins: int) -> Concentration | None:
    """Share of beta within a relative `window` of the clip; None for a table without rows, or beta 0 everywhere."""
    weight = beta["weight"] * beta["clips"]
    if not weight.sum() > 0:
        return None
    inside = overlap(bins, window)[beta["bin"].to_numpy(np.int64)]
    return Concentration(float((weight * inside).sum() / weight.sum()), window[1] - window[0])
