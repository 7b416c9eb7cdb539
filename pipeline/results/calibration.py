"""Whether probabilities can be believed: how often the named class is right among predictions of a given confidence.

A confidence is the largest softmax probability of a prediction. The expected calibration error is the mean distance of confidence
and accuracy over bins, weighted by their predictions (Naeini, Cooper and Hauskrecht 2015); the negative log-likelihood and the
Brier score are those of the true class's probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class Bin:
    """Predictions whose confidence is above `low` and at most `high`; `confidence` and `accuracy` are means, parts of 1."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Means over all predictions (folds, seeds and test sequences), parts of 1; `error` is the expected calibration error."""

    confidence: float
    accuracy: float
    error: float
    likelihood: float
    brier: float
    bins: tuple[Bin, ...]


def probabilities(logits: Floats) -> Floats:
    """The softmax of each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found


def calibration(predictions: pd.DataFrame) -> Calibration:
    """Of a table with `label` and `logit_0` and so on; bins without predictions are left out."""
    found = probabilities(predictions.filter(regex=r"^logit_\d+$").to_numpy(np.float64))
    labels = predictions["label"].to_numpy(np.int64)
    confidence, right = found.max(axis=1), found.argmax(axis=1) == labels
    places = np.clip(np.searchsorted(EDGES, confidence, side="left") - 1, 0, len(EDGES) - 2)
    bins = tuple(_bin(place, confidence[places == place], right[places == place]) for place in np.unique(places))
    distance = sum(part.count * abs(part.confidence - part.accuracy) for part in bins) / len(labels)
    true = np.eye(found.shape[1])[labels]
    likelihood = -np.log(np.maximum((found * true).sum(axis=1), np.finfo(float).tiny)).mean()
    brier = ((found - true) ** 2).sum(axis=1).mean()
    return Calibration(float(confidence.mean()), float(right.mean()), float(distance), float(likelihood), float(brier), bins)


def _bin(place: int, confidence: Floats, right: npt.NDArray[np.bool_]) -> Bin:
    low, high = EDGES[place : place + 2]
    return Bin(low, high, len(confidence), float(confidence.mean()), float(right.mean()))
