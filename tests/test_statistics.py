"""Intervals and tests against numbers known in closed form or worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb, sqrt

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from pipeline.results import statistics
from pipeline.results.statistics import Outcomes


@dataclass(frozen=True)
class Rule:
    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 1


RULE = Rule()


def made(correct: npt.ArrayLike, folds: list[int] | None = None, seeds: tuple[int, ...] | None = None) -> Outcomes:
    """Outcomes with two classes, right where `correct` `[S, N]` says so."""
    right = np.atleast_2d(np.asarray(correct, bool))
    count = right.shape[1]
    labels = np.arange(count) % 2
    return Outcomes(
        seeds or tuple(range(1, len(right) + 1)),
        np.array(folds or [1] * count),
        tuple(f"s{i:04}" for i in range(count)),
        labels,
        np.where(right, labels, 1 - labels),
    )


def shares(count: int, right: int) -> list[bool]:
    return [i < right for i in range(count)]


def test_outcomes_align_seeds_whatever_the_order_of_the_rows() -> None:
    rows = [(1, 2, "b", 1, 0), (2, 1, "a", 0, 0), (1, 1, "b", 1, 1), (2, 2, "a", 0, 1), (1, 1, "a", 0, 0), (1, 2, "a", 0, 0)]
    found = statistics.outcomes(pd.DataFrame(rows, columns=["fold", "seed", "name", "label", "predicted"]))
    assert found.seeds == (1, 2)
    assert list(zip(found.folds.tolist(), found.names, strict=True)) == [(1, "a"), (1, "b"), (2, "a")]
    assert found.correct.tolist() == [[True, True, True], [True, False, False]]


def test_outcomes_refuse_seeds_with_other_sequences_or_labels() -> None:
    rows = [(1, 1, "a", 0, 0), (1, 2, "b", 0, 0)]
    with pytest.raises(ValueError, match="same sequences"):
        statistics.outcomes(pd.DataFrame(rows, columns=["fold", "seed", "name", "label", "predicted"]))
    rows = [(1, 1, "a", 0, 0), (1, 2, "a", 1, 0)]
    with pytest.raises(ValueError, match="same labels"):
        statistics.outcomes(pd.DataFrame(rows, columns=["fold", "seed", "name", "label", "predicted"]))


def test_accuracy_is_the_mean_of_the_folds_not_of_the_samples() -> None:
    # fold 1: 1 of 2, then 2 of 2; fold 2: 2 of 4, then 4 of 4
    result = made([[1, 0, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]], folds=[1, 1, 2, 2, 2, 2])
    assert statistics.run_accuracies(result).tolist() == [50.0, 100.0]
    found = statistics.summarise(result, RULE)
    assert (found.mean, found.runs, found.samples) == (75.0, 2, 6)
    assert found.sd == pytest.approx(sqrt(1250))  # (25² + 25²) / (2 - 1)
    unequal = made([[1, 0, 0, 0]], folds=[1, 2, 2, 2])
    assert statistics.run_accuracies(unequal).tolist() == [50.0]  # not 25


def test_one_seed_has_no_spread() -> None:
    assert statistics.summarise(made(shares(10, 7)), RULE).sd is None


def test_interval_of_one_seed_is_near_the_binomial_one_and_holds_the_mean() -> None:
    found = statistics.summarise(made(shares(400, 320)), RULE)
    half = 1.96 * sqrt(0.8 * 0.2 / 400) * 100  # 3.92 points
    assert found.low == pytest.approx(80 - half, abs=0.6)
    assert found.high == pytest.approx(80 + half, abs=0.6)
    assert found.standard_error == pytest.approx(2.0)


def test_no_error_among_forty_is_not_certainty() -> None:
    found = statistics.summarise(made(shares(40, 40)), RULE)
    assert found.high == 100.0
    assert found.low == pytest.approx(100 * 40 / (40 + 1.959964**2))  # Wilson's lower end where all are right
    nothing = statistics.summarise(made(shares(40, 0)), RULE)
    assert (nothing.low, nothing.high) == (0.0, pytest.approx(100 - found.low))


def test_seeds_that_differ_widen_the_interval_and_seeds_that_agree_do_not() -> None:
    one = statistics.summarise(made(shares(200, 160)), RULE)
    same = statistics.summarise(made([shares(200, 160)] * 3), RULE)
    apart = statistics.summarise(made([shares(200, 140), shares(200, 160), shares(200, 180)]), RULE)
    assert same.high - same.low == pytest.approx(one.high - one.low, rel=0.1)
    assert apart.high - apart.low > 1.5 * (one.high - one.low)


def test_few_seeds_are_taken_to_spread_more_than_they_do() -> None:
    # 100 and 50 per cent on many sequences: twice the lower seed is drawn in a quarter of the resamples
    found = statistics.summarise(made([shares(2000, 2000), shares(2000, 1000)]), RULE)
    assert found.low == pytest.approx(75 - 25 * sqrt(2), abs=4)
    assert found.high == 100.0


def test_intervals_repeat_and_follow_the_seed_and_confidence() -> None:
    # seeds far apart, so that the ends are those of the bootstrap
    result = made([shares(60, 24), shares(60, 56)])
    first = statistics.summarise(result, RULE)
    assert first == statistics.summarise(result, Rule())
    assert first != statistics.summarise(result, Rule(seed=2))
    narrow = statistics.summarise(result, Rule(confidence=0.5))
    assert first.low < narrow.low < narrow.high < first.high


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, rule = np.random.default_rng(5), Rule(resamples=200)
    hits = [(s := statistics.summarise(made(rng.random(120) < 0.9), rule)).low <= 90 <= s.high for _ in range(200)]
    assert 0.91 <= np.mean(hits) <= 0.995


@pytest.mark.parametrize(("share", "count"), [(0.0, 10), (0.3, 10), (0.95, 20), (1.0, 7)])
def test_wilson_agrees_with_scipy(share: float, count: int) -> None:
    expected = stats.binomtest(round(share * count), count).proportion_ci(0.95, method="wilson")
    assert statistics.wilson(share, count, 0.95) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_bonett_price_by_hand() -> None:
    # 8 and 2 of 98 pairs disagree: 9/100 and 3/100; variance (0.12 - 0.06²) / 100
    half = 1.959964 * sqrt((0.12 - 0.0036) / 100)
    assert statistics.bonett_price(8, 2, 98, 0.95) == pytest.approx((0.06 - half, 0.06 + half), abs=1e-6)


def test_effective_number_of_sequences() -> None:
    agree = np.array([[1.0, 0, 1, 0]] * 3)
    assert statistics.effective(agree) == 4  # the second and third seed tell nothing new
    assert statistics.effective(np.array([[1.0, 0, 1, 0], [1, 1, 0, 0]])) == 8  # variances 1/4 and 1/8: twice as much
    assert statistics.effective(np.ones((3, 4))) == 4  # nothing varies: no claim
    assert statistics.effective(np.array([[1.0, 0], [0, 1]])) == 4  # the mean is flat: at most N * S


@pytest.mark.parametrize(("better", "worse"), [(17, 2), (8, 2), (1, 0), (5, 5), (0, 4), (40, 12)])
def test_sign_flip_with_one_seed_is_mcnemars_exact_test(better: int, worse: int) -> None:
    p = statistics.sign_flip_p([1] * better + [-1] * worse + [0] * 30)
    assert p == pytest.approx(stats.binomtest(better, better + worse).pvalue, rel=1e-12)


def test_sign_flip_known_value() -> None:
    # 17 : 2 -> 2 * (C(19,0) + C(19,1) + C(19,2)) / 2^19
    assert statistics.sign_flip_p([1] * 17 + [-1] * 2) == pytest.approx(2 * (1 + 19 + comb(19, 2)) / 2**19)
    assert statistics.sign_flip_p([0] * 9) == 1.0


def test_sign_flip_with_several_seeds_counts_all_flips() -> None:
    values = [3, 2, 2, 1, -1, 0]
    signs = np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1)
    sums = np.abs(signs.T @ np.array([3, 2, 2, 1, 1]))
    assert statistics.sign_flip_p(values) == pytest.approx((sums >= 7).mean())


def test_difference_counts_pairs_and_is_antisymmetric() -> None:
    one, other = made([[1, 1, 1, 0], [1, 1, 0, 0]]), made([[1, 0, 0, 1], [1, 0, 0, 0]])
    found = statistics.compare(one, other, RULE)
    assert found is not None
    assert (found.points, found.better, found.worse, found.runs) == (25.0, 3, 1, 2)
    assert found.p == statistics.sign_flip_p([0, 2, 1, -1])
    back = statistics.compare(other, one, RULE)
    assert back is not None
    assert (back.points, back.p) == (-25.0, found.p)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low), abs=2.0)
    assert found.reversed().reversed() == found


def test_clear_gain_is_established_and_a_small_one_is_not() -> None:
    worse = made(shares(200, 150))
    clear = statistics.compare(made(shares(200, 175)), worse, RULE)
    small = statistics.compare(made(shares(200, 152)), worse, RULE)
    assert clear is not None and clear.established and 0 < clear.low < 12.5 < clear.high
    assert small is not None and not small.established and small.low < 0 and small.high > 1


def test_established_needs_interval_and_test() -> None:
    found = statistics.Difference(2.0, 0.1, 4.0, p=0.01, better=9, worse=1, runs=3, confidence=0.95)
    assert found.established
    assert not replace(found, p=0.06).established
    assert not replace(found, low=-0.1).established
    assert replace(found, points=-2.0, low=-4.0, high=-0.1).established


def test_methods_that_never_differ_are_not_proved_equal() -> None:
    found = statistics.compare(made(shares(50, 50)), made(shares(50, 50)), RULE)
    assert found is not None
    assert (found.points, found.p, found.established) == (0.0, 1.0, False)
    assert found.low == pytest.approx(-found.high) and found.high > 3


def test_comparison_uses_common_seeds_only() -> None:
    one, other = made([[1, 1], [0, 0]], seeds=(1, 2)), made([[1, 0], [1, 1]], seeds=(1, 3))
    found = statistics.compare(one, other, RULE)
    assert found is not None and (found.points, found.runs) == (50.0, 1)
    assert statistics.compare(one, made([[1, 1]], seeds=(9,)), RULE) is None


def test_comparison_refuses_other_sequences() -> None:
    with pytest.raises(ValueError, match="same sequences"):
        statistics.compare(made([1, 0]), made([1, 0, 1]), RULE)


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.9, 0.5]) == pytest.approx([1.0, 1.0])
    assert statistics.holm([]) == []


def test_confusion_and_classes_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    result = Outcomes((1, 2), np.ones(4, int), ("a", "b", "c", "d"), labels, np.array([[0, 1, 1, 1], [0, 2, 1, 1]]))
    assert statistics.confusion(result, 3).tolist() == [[2, 1, 1], [0, 4, 0], [0, 0, 0]]
    table = statistics.per_class(result, 3)
    assert table["samples"].tolist() == [2, 2, 0]
    assert table["accuracy"].tolist()[:2] == [50.0, 100.0] and np.isnan(table["accuracy"][2])
    assert table["standard_error"][0] == pytest.approx(100 * sqrt(0.25 / 2))
    assert (table["mistaken"].tolist(), table["share"].tolist()) == ([1, -1, -1], [25.0, 0.0, 0.0])


def test_chance_is_what_the_commonest_class_gives() -> None:
    labels = np.array([0] * 6 + [1] * 4)
    assert statistics.at_chance(6, labels, 0.95)
    assert statistics.at_chance(8, labels, 0.95)  # P(X >= 8 | 10, 0.6) = 0.167
    assert not statistics.at_chance(10, labels, 0.95)  # 0.6^10 = 0.006


def history(**last: list[float]) -> pd.DataFrame:
    """Two networks (seeds 1 and 2) of two epochs; keyword arguments are the values at the ends."""
    rows = []
    for i, seed in enumerate((1, 2)):
        for step in (1, 2):
            row: dict[str, float] = {"fold": 1, "seed": seed, "step": step, "loss": 1.0, "beta_dead": 0.0}
            rows.append(row | ({key: values[i] for key, values in last.items()} if step == 2 else {}))
    return pd.DataFrame(rows)


def test_stability_counts_lost_losses_chance_and_dead_gates() -> None:
    good = made([shares(20, 20), shares(20, 18)])
    assert statistics.stability(good, history(), 0.95) == statistics.Stability(2, pytest.approx(sqrt(50)), 0.0, 0.0)
    lost = statistics.stability(good, history(loss=[np.nan, 1.0]), 0.95)
    assert (lost.diverged, lost.dead) == (0.5, 0.0)
    dead = statistics.stability(good, history(beta_dead=[1.0, 0.99]), 0.95)
    assert (dead.diverged, dead.dead) == (0.0, 0.5)
    chance = statistics.stability(made([shares(20, 20), shares(20, 10)]), history(), 0.95)
    assert chance.diverged == 0.5
    without = statistics.stability(good, history().assign(beta_dead=np.nan), 0.95)
    assert without.dead is None
