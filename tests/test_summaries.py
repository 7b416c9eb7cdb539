"""Summaries of histories and attention, worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.results import summaries


def histories() -> pd.DataFrame:
    rows = [
        # fold, seed, phase, step, loss, train, validation
        (1, 1, "main", 1, 4.0, 0.2, 0.9),
        (1, 1, "joint", 2, 2.0, 0.4, 0.5),
        (1, 1, "joint", 3, 1.0, 0.6, 0.3),
        (2, 1, "main", 1, 2.0, 0.4, 0.8),
        (2, 1, "joint", 2, 1.0, 0.6, 0.1),
        (2, 1, "joint", 3, 0.5, 1.0, 0.7),
    ]
    return pd.DataFrame(rows, columns=["fold", "seed", "phase", "step", "loss", "train_accuracy", "validation_accuracy"])


def test_training_ends_at_the_last_step_and_best_is_within_the_last_phase() -> None:
    found = summaries.training_summary(histories())
    assert found == {
        "steps": 3.0,
        "loss": pytest.approx(0.75),
        "train_accuracy": pytest.approx(80.0),
        "validation_accuracy": pytest.approx(50.0),
        "best_validation_accuracy": pytest.approx(60.0),  # 0.5 and 0.7; the 0.9 of the first phase does not count
    }


def test_training_without_validation_says_none() -> None:
    found = summaries.training_summary(histories().assign(validation_accuracy=np.nan))
    assert found["validation_accuracy"] is None and found["best_validation_accuracy"] is None


def test_learning_curves_are_means_with_least_and_greatest() -> None:
    table = summaries.learning_curves(histories())
    assert table["step"].tolist() == [1, 2, 3]
    assert table["phase"].tolist() == ["main", "joint", "joint"]
    assert table["runs"].tolist() == [2, 2, 2]
    assert table["loss"].tolist() == [3.0, 1.5, 0.75]
    assert (table["loss_low"].tolist(), table["loss_high"].tolist()) == ([2.0, 1.0, 0.5], [4.0, 2.0, 1.0])


def alpha() -> pd.DataFrame:
    # two classes with 1 and 3 clips, two bins, two gates
    rows = [(0, 0, 0, 0.9, 1), (0, 0, 1, 0.1, 1), (0, 1, 0, 0.5, 1), (0, 1, 1, 0.5, 1)]
    rows += [(1, b, g, w, 3) for b in (0, 1) for g, w in ((0, 0.2), (1, 0.8))]
    return pd.DataFrame(rows, columns=["label", "bin", "joint", "weight", "clips"])


def test_what_each_phase_reaches_in_its_last_epoch() -> None:
    table = summaries.phase_ends(histories().assign(cross_entropy=[4.0, 3.0, 1.0, 2.0, 5.0, 2.0], gradient_norm=1.0))
    assert table["phase"].tolist() == ["main", "joint"] and table["epochs"].tolist() == [1, 2]
    assert table["cross_entropy"].tolist() == [3.0, 1.5]
    assert table["train_accuracy"].tolist() == pytest.approx([30.0, 80.0])


def test_alpha_is_spread_over_one_gate_or_all() -> None:
    rows = [(0, 0, 0, 1.0, 1), (0, 0, 1, 0.0, 1), (1, 0, 0, 0.5, 3), (1, 0, 1, 0.5, 3)]
    table = pd.DataFrame(rows, columns=["label", "bin", "joint", "weight", "clips"])
    assert summaries.effective_gates(table) == pytest.approx((1 * 1 + 3 * 2) / 4)
    assert summaries.effective_gates(table.iloc[:0]) is None


def test_unevenness_of_beta() -> None:
    rows = [(0, 0, 1.0, 1), (0, 1, 3.0, 1), (1, 0, 2.0, 3), (1, 1, 2.0, 3), (2, 0, 0.0, 5), (2, 1, 0.0, 5)]
    table = pd.DataFrame(rows, columns=["label", "bin", "weight", "clips"])
    assert summaries.unevenness(table) == pytest.approx((1 * 0.5 + 3 * 0.0) / 4)  # a class whose beta is dead has none
    assert summaries.unevenness(table[table["label"] == 2]) is None and summaries.unevenness(table.iloc[:0]) is None


def test_mean_alpha_by_class() -> None:
    found = summaries.mean_alpha(alpha(), 2)
    assert {label: weights.tolist() for label, weights in found.items()} == {
        0: pytest.approx([0.7, 0.3]),
        1: pytest.approx([0.2, 0.8]),
    }


def test_mean_alpha_weighs_bins_by_their_clips() -> None:
    table = alpha().iloc[:4].assign(clips=[3, 3, 1, 1])
    assert summaries.mean_alpha(table, 2)[0].tolist() == pytest.approx([(3 * 0.9 + 0.5) / 4, (3 * 0.1 + 0.5) / 4])


def test_concentration_of_alpha_weighs_classes_by_clips() -> None:
    found = summaries.spatial_concentration(alpha(), [0], of=2)
    assert found is not None
    assert found.share == pytest.approx((0.9 + 0.5 + 3 * 0.4) / 8)  # 0.325
    assert (found.uniform, found.ratio) == (0.5, pytest.approx(0.65))
    first_half = summaries.spatial_concentration(alpha(), [0], 2, (0.0, 0.5), bins=2)
    assert first_half is not None and first_half.share == pytest.approx((0.9 + 3 * 0.2) / 4)


def test_concentration_of_beta_counts_the_part_of_a_bin_inside_the_window() -> None:
    rows = [(0, b, w, 1) for b, w in enumerate((1.0, 3.0, 1.0, 1.0))]
    beta = pd.DataFrame(rows, columns=["label", "bin", "weight", "clips"])
    found = summaries.temporal_concentration(beta, (0.25, 0.5), 4)
    assert found is not None and (found.share, found.uniform, found.ratio) == (0.5, 0.25, 2.0)
    partly = summaries.temporal_concentration(beta, (0.125, 0.5), 4)
    assert partly is not None and partly.share == pytest.approx((0.5 + 3.0) / 6)


def test_no_attention_has_no_concentration() -> None:
    assert summaries.spatial_concentration(alpha().iloc[:0], [0], 2) is None
    dead = pd.DataFrame([(0, 0, 0.0, 1)], columns=["label", "bin", "weight", "clips"])
    assert summaries.temporal_concentration(dead, (0.0, 0.5), 1) is None
    assert summaries.mean_beta(dead.iloc[:0], 4) == {}


def test_overlap_of_bins_with_a_window() -> None:
    assert summaries.overlap(4, (0.25, 0.625)).tolist() == [0.0, 1.0, 0.5, 0.0]
    assert summaries.overlap(5, (0.0, 1.0)).tolist() == pytest.approx([1.0] * 5)
