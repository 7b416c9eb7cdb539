"""The rule of `check` on hand-made predictions: limits known in closed form, rates over many honest checks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from pipeline.results import regression
from pipeline.results.regression import Change, Pair
from pipeline.results.statistics import Outcomes
from tests.test_statistics import made, shares


@dataclass(frozen=True)
class Rule:
    false_alarms: float = 0.01
    power: float = 0.95


def runs_of(rights: list[int], count: int = 200) -> Outcomes:
    """A run for each number of right answers among as many sequences."""
    return made([shares(count, right) for right in rights])


def judged(before: Outcomes, after: Outcomes, rule: Rule | None = None, cells: int = 1) -> Change:
    return regression.judge(Pair(before, after), cells, rule or Rule())


def test_equal_predictions_differ_by_nothing_and_are_identical() -> None:
    result = runs_of([180, 184])
    change = judged(result, result)
    assert (change.points, change.fell, change.rose) == (0.0, False, False)
    assert change.before == change.after == 91.0
    assert Pair(result, result).others == 0 and Pair(result, result).identical


def test_limits_are_those_of_the_prediction_interval() -> None:
    # 90, 92, 94 %: standard deviation 2 points, two degrees of freedom
    before, after = runs_of([180, 184, 188]), runs_of([184])
    reach = stats.t.isf(0.005, 2) * 2 * np.sqrt(1 + 1 / 3)
    change = judged(before, after)
    assert (change.sd, change.low) == (pytest.approx(2.0), pytest.approx(-reach))
    assert change.high == 8.0  # not 22.9: accuracy ends at 100 %
    two = judged(before, runs_of([184, 184]))
    assert two.low == pytest.approx(-stats.t.isf(0.005, 2) * 2 * np.sqrt(1 / 2 + 1 / 3))
    assert judged(before, after, cells=4).low == pytest.approx(-stats.t.isf(0.005 / 4, 2) * 2 * np.sqrt(4 / 3))


@pytest.mark.parametrize(
    ("right", "fell", "rose"), [(184, False, False), (174, False, False), (172, True, False), (196, False, True)]
)
def test_falls_and_gains_beyond_the_limits_are_found(right: int, fell: bool, rose: bool) -> None:
    change = judged(runs_of([184 + step for step in (-6, -4, -2, 0, 0, 0, 2, 4, 6)] * 2), runs_of([right]))
    assert change.sd == pytest.approx(np.sqrt(2 * 28 / 17))  # so the limits are 5.4 points away
    assert (change.fell, change.rose, change.alarm) == (fell, rose, fell or rose)


def test_no_interval_beyond_what_accuracies_allow() -> None:
    change = judged(runs_of([200, 20]), runs_of([190]))
    assert (change.low, change.high) == (-change.before, 100 - change.before)


def test_one_seed_in_the_baseline_tells_no_spread() -> None:
    change = judged(runs_of([180]), runs_of([20]))
    assert (change.points, change.sd, change.low, change.high) == (-80.0, None, None, None)
    assert not change.alarm
    assert regression.smallest(Pair(runs_of([180]), runs_of([20])), 1, Rule()) is None


def test_seeds_that_agree_are_taken_to_spread_by_an_answer() -> None:
    change = judged(runs_of([200] * 5), runs_of([200]))
    assert change.sd == 0.5 and change.low is not None and change.low < -0.5
    assert judged(runs_of([200] * 5), runs_of([150])).fell


def test_what_a_fall_adds_by_hand() -> None:
    pair = Pair(runs_of([180, 184, 188]), runs_of([184]))  # 92 %, so 8 % wrong, which differs by a quarter from run to run
    assert regression.added(pair, 10.0) == pytest.approx(10 * 90 / 200 + (10 / 4) ** 2)


@pytest.mark.parametrize("now", [1, 3])
def test_smallest_fall_is_noticed_with_the_stated_power(now: int) -> None:
    rights, rng, rule = [184 + step for step in (-6, -4, -2, 0, 0, 0, 2, 4, 6)] * 2, np.random.default_rng(1), Rule(power=0.8)
    pair = Pair(runs_of(rights), runs_of([184] * now))
    fall = regression.smallest(pair, 3, rule)
    assert fall is not None
    sd, free, draws = regression.spread(pair), len(rights) - 1, 100_000
    own = np.sqrt((sd**2 + regression.added(pair, fall)) / now + sd**2 / len(rights))
    limits = stats.t.isf(0.01 / 6, free) * regression.error(pair) * np.sqrt(rng.chisquare(free, draws) / free)
    assert np.mean(fall + own * rng.normal(size=draws) > limits) == pytest.approx(0.8, abs=0.01)


def test_smallest_fall_does_not_hang_on_what_is_compared() -> None:
    before = runs_of([184 + step for step in (-2, -1, 0, 1, 2)])
    assert len({regression.smallest(Pair(before, runs_of([right])), 1, Rule()) for right in (184, 100)}) == 1


def test_two_seeds_notice_no_fall() -> None:
    assert regression.smallest(Pair(runs_of([180, 188]), runs_of([184])), 1, Rule()) == np.inf


def test_folds_count_alike_and_tell_where_it_fell() -> None:
    folds = [1] * 60 + [2] * 60 + [3] * 120
    right = np.concatenate([shares(60, 57), shares(60, 57), shares(120, 114)])
    broken = right.copy()
    broken[60:90] = False
    pair = Pair(made([right, right], folds), made(broken, folds))
    assert pair.folds == {1: 0.0, 2: pytest.approx(-50.0), 3: 0.0}
    assert regression.judge(pair, 1, Rule()).points == pytest.approx(-50 / 3)


def test_other_samples_add_the_chance_of_drawing_them() -> None:
    before, fewer = runs_of([180, 182, 184]), made(shares(150, 138))
    assert not Pair(before, fewer).paired and Pair(before, fewer).others is None
    change = judged(before, fewer)
    binomial = 100 * np.sqrt(0.91 * 0.09 / 200 + 0.92 * 0.08 / 150)
    assert change.low == pytest.approx(1 - stats.t.isf(0.005, 2) * np.hypot(np.sqrt(4 / 3), binomial))


def test_other_predictions_are_counted_over_the_seeds_that_both_have() -> None:
    before = runs_of([180, 184, 188])
    after = runs_of([170])  # seed of the first run: ten answers are wrong that were right
    pair = Pair(before, after)
    assert set(after.seeds) < set(before.seeds)
    assert (pair.others, pair.identical) == (10, False)
    later = replace(before, seeds=tuple(seed + 50 for seed in before.seeds))
    assert Pair(before, later).others is None and not Pair(before, later).identical


def runs(
    seeds: int, folds: npt.NDArray[np.int64], hardness: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Right answers of honest runs: sequences differ in hardness, and runs in skill, fold by fold."""
    skill = rng.normal(0, 0.4, (seeds, folds.max() + 1))[:, folds]
    return np.asarray(rng.normal(size=(seeds, len(folds))) + skill < hardness)


@pytest.mark.parametrize(("before", "after"), [(3, 3), (5, 1), (20, 1)])
def test_honest_checks_alarm_no_more_often_than_stated(before: int, after: int) -> None:
    rng, folds, rule = np.random.default_rng(4), np.repeat([1, 2, 3], 40), Rule(false_alarms=0.1)
    alarms = 0
    for _ in range(300):
        hardness = rng.normal(1.8, 1.2, len(folds))
        one, other = (made(runs(seeds, folds, hardness, rng), folds.tolist()) for seeds in (before, after))
        alarms += judged(one, other, rule).alarm
    assert alarms <= 46  # P(more | 300, 0.1) < 0.002
