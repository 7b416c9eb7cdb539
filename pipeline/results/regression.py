"""Has the expected accuracy of a cell changed? Predictions now against predictions of a baseline. No torch.

Null hypothesis: the runs now come out of the same training as those of the baseline, with other seeds or on another machine.
A run is one seed, its accuracy the mean over the folds. Runs of one training differ, and how far the baseline's seeds show: with
m of them, of mean b and standard deviation s, the mean of n further runs lies outside of

    b -+ t s sqrt(1/n + 1/m),   t the quantile of Student's distribution with m - 1 degrees of freedom,

in the chosen share of honest checks: the prediction interval of a normal sample. That is all that enters on the same test
samples, since what is hard in them is hard for every run. On other test samples the binomial variances of both sides are added.

Both sides are tested: accuracy also rises by a fault, where test data reach training.

`false_alarms` holds for all tests of a check together, each at its share of it (Bonferroni). One cell is tested by its mean, not
by its folds: a fold that breaks takes its part of the mean along, and five times as many tests would notice less.

`smallest` is the fall that is noticed with the probability `power`. Runs that fell spread more than honest ones: which answers
are lost is chance, binomial over the samples, and how many differs from run to run as the baseline's numbers of wrong answers do.
It follows from the baseline alone, so whether a cell can be guarded is known before anything is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, sqrt
from typing import Protocol

import numpy as np
from scipy import optimize, stats

from pipeline.results.statistics import Floats, Outcomes, run_accuracies, standard_error


class Rule(Protocol):
    """The settings: section `check` of the parameters has them."""

    @property
    def false_alarms(self) -> float:
        """Largest share of honest checks that may fail, in (0, 1)."""

    @property
    def power(self) -> float:
        """Share of checks that notice the smallest fall which is said to be noticed, in (0, 1)."""


@dataclass(frozen=True)
class Pair:
    """Predictions of one cell: those of the baseline and those of now."""

    before: Outcomes
    after: Outcomes

    @property
    def paired(self) -> bool:
        """Whether both were tested on the same samples of the same folds."""
        return self.before.names == self.after.names and np.array_equal(self.before.folds, self.after.folds)

    @property
    def others(self) -> int | None:
        """How many predictions differ over the seeds that both have; None where they cannot be laid side by side."""
        seeds = [seed for seed in self.after.seeds if seed in self.before.seeds]
        if not (seeds and self.paired):
            return None
        before, after = (side.predicted[[side.seeds.index(seed) for seed in seeds]] for side in (self.before, self.after))
        return int((before != after).sum())

    @property
    def identical(self) -> bool:
        """Whether every run now is one of the baseline's, and predicts the same of every sample."""
        return set(self.after.seeds) <= set(self.before.seeds) and self.others == 0

    @cached_property
    def runs(self) -> tuple[Floats, Floats]:
        """Accuracy of each seed in per cent, mean of the folds: before `[m]` and after `[n]`."""
        return run_accuracies(self.before), run_accuracies(self.after)

    @property
    def folds(self) -> dict[int, float]:
        """What was gained in each fold that both have, in points."""
        common = np.intersect1d(self.before.folds, self.after.folds)
        return {int(fold): _in_fold(self.after, fold) - _in_fold(self.before, fold) for fold in common}


def _in_fold(result: Outcomes, fold: int) -> float:
    return 100 * float(result.correct[:, result.folds == fold].mean())


@dataclass(frozen=True)
class Change:
    """Accuracy `before` and `after` in per cent, and what can be said of the difference `points`.

    `sd` is that of the baseline's seeds; `low` to `high` the interval of the difference, no wider than accuracies allow. None of
    them with one seed in the baseline.
    """

    before: float
    after: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def points(self) -> float:
        """What was gained; negative where accuracy fell."""
        return self.after - self.before

    @property
    def fell(self) -> bool:
        """Whether the fall is more than other seeds explain."""
        return self.high is not None and self.high < 0

    @property
    def rose(self) -> bool:
        """Whether the gain is more than other seeds explain."""
        return self.low is not None and self.low > 0

    @property
    def alarm(self) -> bool:
        """Either."""
        return self.fell or self.rose


def judge(pair: Pair, cells: int, rule: Rule) -> Change:
    """What happened to a cell that is one of `cells` guarded in a check."""
    before, after = (float(runs.mean()) for runs in pair.runs)
    free = len(pair.runs[0]) - 1
    if free < 1:
        return Change(before, after)
    reach, points = _limit(free, cells, rule) * error(pair), after - before
    low, high = max(-before, points - reach), min(100 - before, points + reach)
    return Change(before, after, spread(pair), low, high)


def _limit(free: int, cells: int, rule: Rule) -> float:
    """How many standard errors the difference must have; the cells share the false alarms, and so do the sides."""
    return float(stats.t.isf(rule.false_alarms / (2 * max(1, cells)), free))


def spread(pair: Pair) -> float:
    """Standard deviation over the baseline's seeds in points; at least one answer, since seeds that agree may do so by chance."""
    return max(float(pair.runs[0].std(ddof=1)), 100 / len(pair.before.names))


def error(pair: Pair) -> float:
    """Standard error of the difference of the means in points, where nothing changed."""
    runs = spread(pair) * sqrt(sum(1 / len(side) for side in pair.runs))
    if pair.paired:
        return runs
    sides = zip(pair.runs, (pair.before, pair.after), strict=True)
    return float(np.linalg.norm([runs, *(standard_error(float(side.mean()), len(result.names)) for side, result in sides)]))


def smallest(pair: Pair, cells: int, rule: Rule) -> float | None:
    """The fall in points that is noticed with the rule's power, infinite where there is none; None with one seed before."""
    free, mean = len(pair.runs[0]) - 1, float(pair.runs[0].mean())
    if free < 1:
        return None
    limit, honest = _limit(free, cells, rule), error(pair)

    def missing(fall: float) -> float:
        own = sqrt(honest**2 + added(pair, fall) / len(pair.runs[1]))
        return float(stats.nct.sf(limit * honest / own, free, fall / own)) - rule.power

    return float(optimize.brentq(missing, 0, mean)) if missing(mean) > 0 else inf


def added(pair: Pair, fall: float) -> float:
    """Variance that a fall by so many points adds to that of one run, in points squared."""
    count, wrong = len(pair.before.names), 100 - float(pair.runs[0].mean())
    differs = spread(pair) / max(wrong, 100 / count)
    return fall * (100 - fall) / count + (fall * differs) ** 2
