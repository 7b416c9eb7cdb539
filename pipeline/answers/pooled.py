"""One estimate over all data sets: the equal-weight mean, about these data sets, and random effects, about others like them.

Random effects: the variance between data sets by Paule and Mandel (1982), the interval by Hartung and Knapp with k - 1 degrees of
freedom, its standard error never below the one that takes the variances for known (Jackson et al. 2017); both from statsmodels.
With so few data sets they are weak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.results.components import Components, Term
from pipeline.results.statistics import Difference, Rule, judge


@dataclass(frozen=True)
class RandomEffects:
    """Mean over data sets like these with its interval, the interval of one more data set, and the spread between them."""

    points: float
    low: float
    high: float
    predicted_low: float
    predicted_high: float
    spread: float


def mean(found: Sequence[Difference], rule: Rule) -> Difference:
    """The mean of the data sets' effects, each with the same weight; degrees of freedom by Satterthwaite."""
    count, variances = len(found), np.array([one.standard_error**2 for one in found])
    degrees = float(variances.sum() ** 2 / sum(variances**2 / [one.degrees for one in found]))
    points = float(np.mean([one.points for one in found]))
    spread = Term(float(variances.sum()) / count**2, degrees)
    return judge(Components(points, spread, possible=possible(found)), rule, (0,))


def possible(found: Sequence[Difference]) -> tuple[float, float]:
    """The least and the greatest value of an effect."""
    return min(one.possible[0] for one in found), max(one.possible[1] for one in found)


def random_effects(found: Sequence[Difference], rule: Rule) -> RandomEffects | None:
    """None for fewer than three data sets: there is nothing to know a spread from."""
    if len(found) < 3:
        return None
    from statsmodels.stats.meta_analysis import combine_effects  # noqa: PLC0415 (slow to import)

    effects, variances = np.array([one.points for one in found]), np.array([one.standard_error**2 for one in found])
    with np.errstate(divide="ignore"):  # a share of variance that is not shown, where effects are equal
        result = combine_effects(effects, variances, method_re="iterated", use_t=True)
    error = max(float(result.sd_eff_w_re_hksj), float(result.sd_eff_w_re))
    half = float(stats.t.ppf((1 + rule.confidence) / 2, len(found) - 1)) * error
    points, spread = float(result.mean_effect_re), float(np.sqrt(result.tau2))
    beyond = float(stats.t.ppf((1 + rule.confidence) / 2, max(1, len(found) - 2)) * np.sqrt(spread**2 + error**2))
    ends = np.clip([points - half, points + half, points - beyond, points + beyond], *possible(found))
    low, high, predicted_low, predicted_high = map(float, ends)
    return RandomEffects(points, low, high, predicted_low, predicted_high, spread)
