"""The benchmark of temperatures: known answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.temperature import fitted, log_probabilities, loss


def test_loss_of_one_clip() -> None:
    found = np.array([[0.0, np.log(3.0)]]), np.array([1])
    assert loss(found, 1.0) == pytest.approx(-np.log(0.75))
    assert np.exp(log_probabilities(found[0], 1.0)).sum() == pytest.approx(1.0)


def test_temperature_that_makes_scores_honest() -> None:
    """Two classes, scores +-4 before a temperature, right three times of four: the softmax is 0.75 at 8 / ln 3."""
    logits = np.array([[4.0, -4.0]] * 4)
    assert fitted((logits, np.array([0, 0, 0, 1]))) == pytest.approx(8 / np.log(3.0), rel=0.01)
