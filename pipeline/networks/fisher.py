"""Fisher vectors: how a mixture of Gaussians would change to fit some points better. Perronnin, Sanchez, Mensink, ECCV 2010."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Mixture(NamedTuple):
    """K Gaussians with diagonal covariances: float64 shares `[K]`, means and deviations `[K, D]`."""

    share: Floats
    mean: Floats
    deviation: Floats


def fit(points: Floats, count: int, seed: int) -> Mixture:
    """A mixture of `count` Gaussians (fewer where there are fewer different points) by expectation maximisation."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 (slow to import)
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415

    count = min(count, len(np.unique(points, axis=0)))
    mixture = GaussianMixture(count, covariance_type="diag", reg_covar=1e-4, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that still moves a little serves as well
        found = mixture.fit(points)
    return Mixture(found.weights_, found.means_, np.sqrt(found.covariances_))


def responsibilities(points: Floats, mixture: Mixture) -> Floats:
    """The share of each Gaussian in each point: float64 `[N, D]` -> `[N, K]`, sum 1 over K."""
    share, mean, deviation = mixture
    precise = 1 / deviation**2
    squares = points**2 @ precise.T - 2 * points @ (mean * precise).T + (mean**2 * precise).sum(1)  # [N, K]
    log = np.log(share) - np.log(deviation).sum(1) - squares / 2
    log -= log.max(1, keepdims=True)
    found = np.exp(log)
    result: Floats = found / found.sum(1, keepdims=True)
    return result


def moments(points: Floats, mixture: Mixture) -> Floats:
    """For each Gaussian the sums over points of its share, of share times point, and times point squared: `[K, 1 + 2 D]`."""
    found = responsibilities(points, mixture)
    return np.hstack([found.sum(0)[:, None], found.T @ points, found.T @ points**2])


def vector(sums: Floats, mixture: Mixture) -> Floats:
    """The Fisher vector from `moments` (of several frames: their sum): gradients by means, then by deviations, float64 `[2 K D]`.

    Of the mean log-likelihood of the points, in units of the square root of the Fisher information of a point. No points: zeros.
    """
    share, mean, deviation = mixture
    count, dimensions = max(float(sums[:, 0].sum()), 1e-12), mean.shape[1]
    zeroth, first, second = sums[:, :1], sums[:, 1 : 1 + dimensions], sums[:, 1 + dimensions :]
    by_mean = (first - zeroth * mean) / deviation / (count * np.sqrt(share)[:, None])
    spread = (second - 2 * mean * first + zeroth * mean**2) / deviation**2 - zeroth
    by_deviation = spread / (count * np.sqrt(2 * share)[:, None])
    return np.concatenate([by_mean.reshape(-1), by_deviation.reshape(-1)])


def improved(found: Floats) -> Floats:
    """Square roots that keep the sign, then length 1 (zeros stay)."""
    rooted = np.sign(found) * np.sqrt(np.abs(found))
    return rooted / max(float(np.linalg.norm(rooted)), 1e-12)
