"""A linear support vector machine between a class and the others, from the products of all clips with each other.

The clips' numbers are many times more than the clips, so the dual problem is the small one. libsvm draws nothing: the same clips
give the same machine.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def fit(gram: Floats, positive: npt.NDArray[np.bool_], cost: float, balanced: bool) -> tuple[Floats, float]:
    """The weight of each clip, float64 `[n]`, and the offset: the margin of a clip is its products with all, weighed, plus that.

    `gram` is float64 `[n, n]`; `cost` is the weight of an error, of a positive clip times negatives over positives where
    `balanced`. Clips of one side alone have no machine: weights 0, and the offset is their side.
    """
    from sklearn.svm import SVC  # noqa: PLC0415 (slow to import)

    count = int(positive.sum())
    if count in (0, len(positive)):
        return np.zeros(len(positive)), 1.0 if count else -1.0
    sides = {True: (len(positive) - count) / count, False: 1.0} if balanced else None
    machine = SVC(C=cost, kernel="precomputed", class_weight=sides).fit(gram, positive)
    dual = np.zeros(len(positive))
    dual[machine.support_] = machine.dual_coef_[0]
    return dual, float(machine.intercept_[0])


def squared_hinge(margins: npt.NDArray[np.float32], y: npt.NDArray[np.int64]) -> float:
    """Mean squared hinge loss over clips and machines, from margins `[n, C]`."""
    sides = np.where(y[:, None] == np.arange(margins.shape[1]), 1, -1)
    return float((np.maximum(1 - sides * margins, 0) ** 2).mean())
