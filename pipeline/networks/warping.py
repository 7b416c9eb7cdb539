"""Dynamic time warping of curves to a nominal curve, and the nominal curve of some: Vemulapalli, Arrate, Chellappa, CVPR 2014."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def distances(one: Array, other: Array) -> npt.NDArray[np.float64]:
    """Squared Euclidean distance of every frame of one to every frame of the other: `[N, F]`, `[L, F]` -> float64 `[N, L]`."""
    squares = (one**2).sum(1, dtype=np.float64)[:, None] + (other**2).sum(1, dtype=np.float64)
    found: npt.NDArray[np.float64] = np.maximum(squares - 2 * (one @ other.T).astype(np.float64), 0)
    return found


def warp(curve: Array, nominal: Array) -> Array:
    """The curve `[L, F]` in the time of the nominal one `[N, F]`: for each of its frames, of those matched, the closest."""
    from tslearn.metrics import dtw_path_from_metric  # noqa: PLC0415 (slow to import)

    cost = distances(nominal, curve)
    path, _ = dtw_path_from_metric(cost, metric="precomputed")
    chosen = np.full(len(nominal), -1, np.intp)
    for i, j in path:
        if chosen[i] < 0 or cost[i, j] < cost[i, chosen[i]]:
            chosen[i] = j
    return curve[chosen]


def nominal(curves: Sequence[Array], rounds: int) -> Array:
    """The first curve, then `rounds` times the mean of all curves warped to it; done where a round changes nothing."""
    found = curves[0]
    for _ in range(rounds):
        warped = np.stack([warp(curve, found) for curve in curves])
        mean: Array = warped.mean(0, dtype=np.float64).astype(np.float32)
        if np.array_equal(mean, found):
            break
        found = mean
    return found
