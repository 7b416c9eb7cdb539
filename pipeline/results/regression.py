"""Has accuracy fallen? Predictions now against predictions of a baseline. No torch.

Null hypothesis: the networks now come out of the same training as those of the baseline, with other seeds or on another machine.

Same test samples (the usual case)
    Then every run of a fold may have been any of its runs. The right answers to each sequence are given at random to the
    runs of both sides (`_exchanged`); with one run a side this is McNemar's exact test. No variance between sequences enters: the
    samples are the same.

Other test samples
    Both means are taken for binomial with one common share of right answers, fold by fold (`_redrawn`).

Answers of one run are not independent: some runs are better than others on many sequences at once. `spread` is the variance of
the runs' accuracies over that of independent answers, and the random differences are enlarged by its root. It is measured on
the baseline's seeds: a cell's own, blended with those of all cells, blended with an assumption (`Rule.spread`) that decides
where there is one seed. Student's t in place of the normal distribution makes up for a spread that is known from few runs.

A cell's mean over its folds is tested, and each fold alone, one-sided, all in one family: each at `false_alarms` over the number
of tests (Bonferroni), so that a check of honest results ends in a false alarm in at most that share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Protocol

import numpy as np
from scipy import stats

from pipeline.results.statistics import Bools, Floats, Outcomes

TAIL = 50  # random differences beyond the limit of a test: this many fix the limit well enough
PRIOR = 4  # degrees of freedom that the spread of others counts for


class Rule(Protocol):
    """The settings: section `check` of the parameters has them."""

    @property
    def false_alarms(self) -> float:
        """Largest share of honest checks that may fail, in (0, 1)."""

    @property
    def spread(self) -> float:
        """Assumed variance between runs over that of independent answers, at least 1."""

    @property
    def seed(self) -> int:
        """Seed of the random differences."""


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
    def folds(self) -> list[int]:
        """The folds that both have."""
        return [int(fold) for fold in np.intersect1d(self.before.folds, self.after.folds)]

    def fold(self, fold: int) -> tuple[Bools, Bools]:
        """Right answers in one fold, before and after: bool `[S, n]` each."""
        before, after = (result.correct[:, result.folds == fold] for result in (self.before, self.after))
        return before, after


@dataclass(frozen=True)
class Change:
    """Accuracy `before` and `after` in per cent, of one fold or (`fold` None) of the mean over folds.

    `low` to `high` are the interval of the difference `points`, at the confidence that all tests of the check share.
    """

    fold: int | None
    before: float
    after: float
    low: float
    high: float

    @property
    def points(self) -> float:
        """What was gained; negative where accuracy fell."""
        return self.after - self.before

    @property
    def fell(self) -> bool:
        """Whether the fall is more than chance and seeds explain."""
        return self.high < 0


@dataclass(frozen=True)
class Spread:
    """Variance between runs over that of independent answers, known as well as from `free` degrees of freedom."""

    ratio: float
    free: float

    def widening(self, level: float) -> float:
        """What random differences of independent answers are multiplied by; more than the root where little is known."""
        return sqrt(self.ratio) * float(stats.t.isf(level, self.free) / stats.norm.isf(level))


def tests(pairs: Mapping[str, Pair]) -> int:
    """How many tests a check makes: one a cell, and one a fold where there are several."""
    return sum(1 + (len(pair.folds) if len(pair.folds) > 1 else 0) for pair in pairs.values())


def judge(pairs: Mapping[str, Pair], rule: Rule) -> dict[str, list[Change]]:
    """The changes of every cell, its mean first, then its folds where there are several."""
    level = rule.false_alarms / max(1, tests(pairs))
    spreads = spread(pairs, rule.spread)
    return {name: _changes(pair, spreads[name].widening(level), level, rule.seed) for name, pair in pairs.items()}


def _changes(pair: Pair, widening: float, level: float, seed: int) -> list[Change]:
    rng, draw = np.random.default_rng(seed), _exchanged if pair.paired else _redrawn
    parts = {fold: pair.fold(fold) for fold in pair.folds}
    draws = {fold: widening * draw(before, after, ceil(TAIL / level), rng) for fold, (before, after) in parts.items()}
    means = {fold: (100 * float(before.mean()), 100 * float(after.mean())) for fold, (before, after) in parts.items()}
    whole = (float(np.mean([m[0] for m in means.values()])), float(np.mean([m[1] for m in means.values()])))
    changes = [_change(None, *whole, np.mean(list(draws.values()), axis=0), level)]
    return changes + [_change(fold, *means[fold], draws[fold], level) for fold in means if len(means) > 1]


def _change(fold: int | None, before: float, after: float, draws: Floats, level: float) -> Change:
    """The interval is the difference minus the limits of random differences, so that it ends below 0 where they are passed."""
    rank, ordered = int(level * len(draws)) - 1, np.sort(draws)
    points, tiny = after - before, 1e-9  # equal differences are summed in different orders
    return Change(fold, before, after, points - float(ordered[-1 - rank]), points - float(ordered[rank]) + tiny)


def _exchanged(before: Bools, after: Bools, size: int, rng: np.random.Generator) -> Floats:
    """Random differences in points, right answers to each sequence given at random to the runs of both sides: `[size]`."""
    b, a, count = len(before), len(after), before.shape[1]
    total = np.zeros(size)
    for right, sequences in zip(*np.unique(before.sum(0) + after.sum(0), return_counts=True), strict=True):
        taken = np.arange(max(0, right - b), min(a, right) + 1)
        if len(taken) > 1:
            chances = stats.hypergeom.pmf(taken, a + b, right, a)
            total += rng.multinomial(sequences, chances / chances.sum(), size) @ (taken / a - (right - taken) / b)
    return np.asarray(100 * total / count, dtype=np.float64)


def _redrawn(before: Bools, after: Bools, size: int, rng: np.random.Generator) -> Floats:
    """Random differences in points between shares of right answers among as many other sequences: `[size]`."""
    share = (before.mean() + after.mean()) / 2
    one, other = (rng.binomial(part.shape[1], share, size) / part.shape[1] for part in (after, before))
    return np.asarray(100 * (one - other), dtype=np.float64)


def spread(pairs: Mapping[str, Pair], assumed: float) -> dict[str, Spread]:
    """The spread of every cell: its own seeds' in the baseline, blended with all cells' seeds', blended with `assumed`."""
    each = {name: _variances(pair.before) for name, pair in pairs.items()}
    pooled = _blended(sum(each.values(), np.zeros(3)), assumed)
    return {name: Spread(max(1.0, _blended(own, pooled)), PRIOR + float(own[2])) for name, own in each.items()}


def _variances(result: Outcomes) -> Floats:
    """Summed over folds: variance of a run's right answers, the same if they were independent, degrees of freedom.

    One answer more that one run gets wrong is counted in every fold: folds without any error tell something, too.
    """
    found, runs = np.zeros(3), len(result.seeds)
    for fold in np.unique(result.folds) if runs > 1 else []:
        right = result.correct[:, result.folds == fold].astype(np.float64)
        seen, independent = float(right.sum(axis=1).var(ddof=1)), float(right.var(axis=0, ddof=1).sum())
        found += (seen + 1 / runs, independent + 1 / runs, runs - 1)
    return found


def _blended(variances: Floats, other: float) -> float:
    seen, independent, free = variances
    return float((PRIOR * other + free * seen / independent) / (PRIOR + free)) if free else other
