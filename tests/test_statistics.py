"""Intervals and tests against numbers known in closed form or worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from pipeline.results import effects, statistics
from pipeline.results.components import Term, components
from pipeline.results.statistics import Outcomes


@dataclass(frozen=True)
class Rule:
    confidence: float = 0.95
    margin: float = 1.0
    power: float = 0.8


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


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, rule = np.random.default_rng(5), RULE
    hits = [(s := statistics.summarise(made(rng.random(120) < 0.9), rule)).low <= 90 <= s.high for _ in range(200)]
    assert 0.91 <= np.mean(hits) <= 0.995


@pytest.mark.parametrize(("share", "count"), [(0.0, 10), (0.3, 10), (0.95, 20), (1.0, 7)])
def test_wilson_agrees_with_scipy(share: float, count: int) -> None:
    expected = stats.binomtest(round(share * count), count).proportion_ci(0.95, method="wilson")
    assert statistics.wilson(share, count, float(stats.norm.ppf(0.975))) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_one_seed_is_a_paired_t_test() -> None:
    one, other = shares(60, 50), [i % 3 > 0 for i in range(60)]
    found, expected = statistics.compare(made(one), made(other), RULE), stats.ttest_rel(np.float64(one), np.float64(other))
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((100 * interval.low, 100 * interval.high), rel=1e-9)
    assert found.degrees == pytest.approx(59) and found.runs == (1, 1)


def test_components_by_hand() -> None:
    # one method, one fold, two seeds with (1 1 0 0 1) and (1 0 0 1 1), three times over
    found = components([(1.0, made([[1, 1, 0, 0, 1] * 3, [1, 0, 0, 1, 1] * 3]))])
    # means of the sequences 100 50 0 50 100: sum of squares 3 x 7000; both seeds have 60 %; six sequences differ by 50 either way
    sequences, residual = 21000 / 14 / 15, 30000 / 14 / 2 / 15
    assert found.points == pytest.approx(60)
    assert found.sequences == Term(pytest.approx(sequences), 14)
    assert (found.runs, found.residual) == ((Term(pytest.approx(0.0), 1),), (Term(pytest.approx(residual), 14),))
    assert found.variance == pytest.approx(residual) and found.degrees == pytest.approx(14)  # never below its residual part
    assert found.floor == pytest.approx(sequences - residual)
    apart = components([(1.0, made([[1] * 25 + [0] * 5, [1] * 15 + [0] * 15]))])
    # 15 sequences have 100, 10 have 50 and 5 have 0: mean 66.7; the seeds have 83.3 and 50
    spread, runs = (15 * (100 / 3) ** 2 + 10 * (50 / 3) ** 2 + 5 * (200 / 3) ** 2) / 29 / 30, (100 / 3) ** 2 / 2 / 2
    rest = 2 * (20 * (50 / 3) ** 2 + 10 * (100 / 3) ** 2) / 29 / 2 / 30
    assert apart.variance == pytest.approx(spread + runs - rest)
    assert apart.degrees == pytest.approx((spread + runs - rest) ** 2 / (spread**2 / 29 + runs**2 / 1 + rest**2 / 29))


def test_runs_are_nested_in_folds_and_not_paired_between_methods() -> None:
    # in each fold seed 1 has all right and seed 2 half: whether the methods' seeds agree or not is all the same
    first, second = shares(40, 40) * 2, [i % 2 == 0 for i in range(40)] * 2
    folds = [1] * 40 + [2] * 40
    one = made([first, second], folds)
    same, crossed = (statistics.compare(one, made(rows, folds), RULE) for rows in ([first, second], [second, first]))
    assert same == crossed
    # (2500 variance of two runs / 2 seeds - residual) for each fold and method, over 4
    assert same.standard_error == pytest.approx(sqrt(2 * (1250 / 2 / 2)), rel=0.02)


def test_runs_of_one_seed_are_lent_the_others_spread() -> None:
    rng = np.random.default_rng(8)
    many, alone = made(rng.random((6, 80)) < [[0.5], [0.6], [0.7], [0.8], [0.9], [1.0]]), made(rng.random(80) < 0.7)
    two, one = components([(1.0, many), (-1.0, alone)]), components([(1.0, many)])
    assert two.runs[1].value == pytest.approx(6 * one.runs[0].value) and two.runs[1].degrees == 5
    assert components([(1.0, alone), (-1.0, alone)]).runs == (Term(), Term())


def test_where_subjects_are_left_out_the_unit_is_the_subject() -> None:
    folds = [f for f in range(10) for _ in range(8)]
    rng = np.random.default_rng(4)
    one, other = (replace(made(rng.random((3, 80)) < p, folds), unit="subject") for p in (0.9, 0.7))
    found = statistics.compare(one, other, RULE)
    means = [100 * r.correct.mean(axis=0).reshape(10, 8).mean(axis=1) for r in (one, other)]
    expected = stats.ttest_rel(*means)
    assert (found.p, found.degrees) == (pytest.approx(expected.pvalue), 9)


def test_difference_counts_sequences_and_is_antisymmetric() -> None:
    one, other = made([[1, 1, 1, 0], [1, 1, 0, 0]]), made([[1, 0, 0, 1], [1, 0, 0, 0]])
    found, back = statistics.compare(one, other, RULE), statistics.compare(other, one, RULE)
    assert (found.points, found.better, found.worse, found.runs) == (25.0, 2, 1, (2, 2))
    assert found.reversed() == back and back.reversed() == found


def test_clear_gain_is_better_and_a_small_one_is_undecided() -> None:
    worse = made(shares(200, 150))
    clear = statistics.compare(made(shares(200, 175)), worse, RULE)
    small = statistics.compare(made(shares(200, 152)), worse, RULE)
    assert clear.verdict == "better" and 0 < clear.low < 12.5 < clear.high and clear.reversed().verdict == "worse"
    assert small.verdict == "undecided" and small.low < 0 and small.high > 1


def test_interval_and_test_always_agree() -> None:
    rng = np.random.default_rng(6)
    for _ in range(40):
        one, other = (made(rng.random((2, 30)) < p, [1] * 15 + [2] * 15) for p in (0.9, 0.7))
        found = statistics.compare(one, other, RULE)
        assert (found.low > 0 or found.high < 0) == found.established == (found.p < 0.05)


def test_methods_that_never_differ_are_equal_only_where_there_are_many_sequences() -> None:
    few, many = (statistics.compare(made(shares(n, n)), made(shares(n, n)), RULE) for n in (50, 400))
    assert (few.points, few.p, few.verdict, many.verdict) == (0.0, 1.0, "undecided", "equivalent")
    # two made-up sequences, one answer each way: 2 (100 / 50)²
    assert few.standard_error == pytest.approx(sqrt(8)) and few.low == pytest.approx(-few.high)


def test_equivalence_is_two_one_sided_tests() -> None:
    found = statistics.compare(made([i != 7 for i in range(900)]), made([i not in range(6) for i in range(900)]), RULE)
    expected = stats.t.sf((1 - found.points) / found.standard_error, 899)
    assert found.points == pytest.approx(500 / 900) and found.p_equivalent == pytest.approx(expected)


def test_smallest_difference_and_reach_by_hand() -> None:
    assert statistics.smallest(1.0, np.inf, RULE) == pytest.approx(1.95996 + 0.84162, abs=1e-4)
    assert statistics.can_show_equivalence(0.3417, RULE) and not statistics.can_show_equivalence(0.3418, RULE)  # 1 / 2.9264


def test_comparison_uses_all_seeds_of_both() -> None:
    one, other = made([[1, 1], [0, 0]], seeds=(1, 2)), made([[1, 0], [1, 1], [1, 1]], seeds=(1, 3, 4))
    found = statistics.compare(one, other, RULE)
    assert (found.points, found.runs) == (pytest.approx(50 - 250 / 3), (2, 3))


def test_main_effects_and_interaction_by_hand() -> None:
    right = {"lstm": 10, "sa": 12, "ta": 15, "sta": 19}
    group = {role: made(shares(20, count)) for role, count in right.items()}
    found = {name: effect.points for name, effect in effects.effects([group], RULE).items()}
    expected = {"both": 45, "spatial-alone": 10, "temporal-alone": 25, "spatial": 15, "temporal": 30}
    assert found == pytest.approx(expected | {"spatial-beside": 20, "temporal-beside": 35, "interaction": 10})
    flat = {role: made(shares(20, 10)) for role in right}
    mean = effects.effects([group, flat], RULE)
    assert mean["both"].points == pytest.approx(22.5) and mean["both"].runs == (1, 1, 1, 1)
    assert effects.effects([group, {}], RULE) == {}


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


def test_an_interval_ends_where_accuracies_end() -> None:
    """Two sequences, as of a part of a data set: t with one degree of freedom reaches far beyond."""
    one, other = made([True, False]), made([False, True])
    found = statistics.compare(one, other, RULE)
    assert stats.t.ppf(0.975, found.degrees) * found.standard_error > 1000
    assert (found.points, found.low, found.high, found.possible) == (0.0, -100.0, 100.0, (-100.0, 100.0))
    assert found.p == 1.0 and found.verdict == "undecided"


def test_the_ends_of_a_sum_of_accuracies_follow_from_its_weights() -> None:
    one, other = made([True, False]), made([False, True])
    names = {"sta": one, "sa": other, "ta": other, "lstm": one}
    interaction, main = (effects.effect(name, [names], RULE) for name in ("interaction", "spatial"))
    assert interaction and (interaction.low, interaction.high) == (-200.0, 200.0)
    assert main and (main.low, main.high) == (-100.0, 100.0)
    uneven = statistics.contrast([(2.0, one), (-0.5, other)], RULE)
    assert (uneven.low, uneven.high) == (-50.0, 200.0)
    back = uneven.reversed()
    assert (back.low, back.high, back.possible) == (-200.0, 50.0, (-200.0, 50.0))


def test_an_interval_within_what_is_possible_is_untouched() -> None:
    found = statistics.compare(made([shares(40, 30), shares(40, 26)]), made([shares(40, 20), shares(40, 24)]), RULE)
    half = stats.t.ppf(0.975, found.degrees) * found.standard_error
    assert (found.low, found.high) == (found.points - half, found.points + half)
