"""The rule of `check` on hand-made predictions: limits known in closed form, rates over many honest checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from pipeline.results import regression
from pipeline.results.regression import Pair
from tests.test_statistics import made, shares


@dataclass(frozen=True)
class Rule:
    false_alarms: float = 0.01
    spread: float = 1.0
    seed: int = 1


def judged(pair: Pair, rule: Rule) -> list[regression.Change]:
    return regression.judge({"cell": pair}, rule)["cell"]


def test_equal_predictions_differ_by_nothing() -> None:
    result = made([shares(40, 30), shares(40, 35)])
    (change,) = judged(Pair(result, result), Rule())
    assert (change.points, change.fold, change.fell) == (0.0, None, False)
    assert change.before == change.after == 81.25


def test_interval_with_one_seed_is_that_of_mcnemars_test() -> None:
    # 40 of 200 sequences are right on one side only, 20 each: chance gives 2 B(40, 1/2) - 40 of 200
    before, after = made([True] * 20 + [False] * 20 + [True] * 160), made([False] * 20 + [True] * 20 + [True] * 160)
    (change,) = judged(Pair(before, after), Rule(false_alarms=0.02))
    limit = 100 * (40 - 2 * stats.binom.ppf(0.02, 40, 0.5)) / 200  # 6 points
    widening = stats.t.isf(0.02, regression.PRIOR) / stats.norm.isf(0.02)
    assert (change.low, change.high) == pytest.approx((-limit * widening, limit * widening), abs=1e-6)
    (doubled,) = judged(Pair(before, after), Rule(false_alarms=0.02, spread=4.0))
    assert doubled.high == pytest.approx(2 * change.high, abs=1e-6)


def test_fall_is_found_where_it_is_too_large_for_chance_alone() -> None:
    before = made(shares(200, 180))
    assert [judged(Pair(before, made(shares(200, right))), Rule())[0].fell for right in (200, 175, 150, 100)] == [
        False,
        False,
        True,
        True,
    ]


def test_spread_by_hand() -> None:
    # runs with 4 and 0 right answers: variance 8, of independent answers 4 * 1/2; one more wrong answer adds 1/2 to both
    apart = made([[1, 1, 1, 1], [0, 0, 0, 0]])
    ratio, prior = 8.5 / 2.5, regression.PRIOR
    pooled = (prior * 3 + ratio) / (prior + 1)
    found = regression.spread({"a": Pair(apart, apart)}, 3.0)["a"]
    assert (found.ratio, found.free) == (pytest.approx((prior * pooled + ratio) / (prior + 1)), prior + 1)
    single = made([1, 0, 1, 0])
    assert regression.spread({"a": Pair(single, single)}, 3.0)["a"] == regression.Spread(3.0, prior)


def test_seeds_that_spread_widely_make_the_rule_patient() -> None:
    after = made([shares(100, 70)] * 3)
    close = made([shares(100, 91), shares(100, 90), shares(100, 89)])
    apart = made([shares(100, 100), shares(100, 100), shares(100, 70)])  # the same mean
    assert judged(Pair(close, after), Rule())[0].fell
    assert not judged(Pair(apart, after), Rule())[0].fell


def test_fall_of_one_fold_is_named() -> None:
    folds = [1] * 60 + [2] * 60 + [3] * 60
    right = np.tile(shares(60, 57), 3)
    broken = right.copy()
    broken[60:90] = False
    changes = judged(Pair(made(right, folds), made(broken, folds)), Rule())
    assert [(change.fold, change.fell) for change in changes] == [(None, True), (1, False), (2, True), (3, False)]
    assert (changes[2].before, changes[2].after) == (95.0, 45.0)


def test_more_comparisons_widen_every_interval() -> None:
    pair = Pair(made(shares(200, 180)), made(np.roll(shares(200, 180), 7)))
    alone = regression.judge({"a": pair}, Rule())["a"][0]
    among = regression.judge(dict.fromkeys("abcdefghij", pair), Rule())["a"][0]
    assert among.high > 1.1 * alone.high


def test_other_samples_are_compared_by_their_means() -> None:
    before, fewer = made(shares(200, 180)), made(shares(150, 135))
    assert not Pair(before, fewer).paired
    (change,) = judged(Pair(before, fewer), Rule())
    error = 100 * np.sqrt(0.9 * 0.1 * (1 / 200 + 1 / 150))  # 3.2 points
    widening = stats.t.isf(0.01, regression.PRIOR) / stats.norm.isf(0.01)
    assert change.high == pytest.approx(stats.norm.isf(0.01) * error * widening, rel=0.15)
    assert judged(Pair(before, made(shares(150, 90))), Rule())[0].fell


def runs(
    seeds: int, folds: npt.NDArray[np.int64], hardness: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Right answers of honest runs: sequences differ in hardness, and runs in skill, fold by fold."""
    skill = rng.normal(0, 0.4, (seeds, folds.max() + 1))[:, folds]
    return np.asarray(rng.normal(size=(seeds, len(folds))) + skill < hardness)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (3, 3), (5, 1)])
def test_honest_checks_alarm_no_more_often_than_stated(before: int, after: int) -> None:
    rng, folds, rule = np.random.default_rng(4), np.repeat([1, 2, 3], 40), Rule(false_alarms=0.1, spread=4.0)
    alarms = 0
    for _ in range(200):
        hardness = rng.normal(1.8, 1.2, len(folds))
        one, other = (made(runs(seeds, folds, hardness, rng), folds.tolist()) for seeds in (before, after))
        alarms += any(change.fell for change in judged(Pair(one, other), rule))
    assert alarms <= 33  # P(more | 200, 0.1) < 0.002
