"""Augmentation: known answers for each change, nothing for a body that is not there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.core.settings import Augment
from pipeline.core.training.augment import augment, mirror, turn, window, yaw
from tests.conftest import META

OFF = Augment(mirror=0.0, turn=0.0, yaw=0.0, scale=0.0, window=1.0, noise=0.0)
ON = Augment(mirror=0.5, turn=0.5, yaw=0.3, scale=0.1, window=0.8, noise=0.02)


@pytest.fixture
def clip() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 8, 3)).astype(np.float32)


def test_switched_off_it_changes_nothing(clip: np.ndarray) -> None:
    assert np.array_equal(augment(clip, META, OFF, np.random.default_rng(1)), clip)


def test_mirror_moves_the_left_hand_to_the_right(clip: np.ndarray) -> None:
    seen = mirror(clip, META)
    assert np.array_equal(seen[:, 2], clip[:, 1] * [-1, 1, 1])  # joints 1 and 2 are the hands of the first body
    assert np.array_equal(seen[:, 4], clip[:, 4] * [-1, 1, 1])  # and 4 the head of the second
    assert np.array_equal(mirror(seen, META), clip)


def test_bodies_in_order_of_place_swap_with_the_view(clip: np.ndarray) -> None:
    ordered = dataclasses.replace(META, left_first=True)
    assert np.array_equal(mirror(clip, ordered)[:, 4], clip[:, 0] * [-1, 1, 1])
    assert np.array_equal(turn(clip, ordered)[:, 4:], clip[:, :4] * [-1, 1, -1])
    assert np.array_equal(turn(clip, META), clip * np.float32([-1, 1, -1]))


def test_yaw_turns_about_the_vertical() -> None:
    point = np.array([[[1.0, 2.0, 0.0]]], np.float32)
    np.testing.assert_allclose(yaw(point, np.pi / 2)[0, 0], [0, 2, -1], atol=1e-6)


@pytest.mark.parametrize(
    ("share", "place", "kept"), [(1.0, 0.5, [0, 1, 2, 3]), (0.5, 0.0, [0, 1]), (0.5, 0.99, [2, 3]), (0.01, 0, [0])]
)
def test_window(share: float, place: float, kept: list[int]) -> None:
    frames = np.arange(4, dtype=np.float32).reshape(4, 1, 1)
    assert window(frames, share, place).ravel().tolist() == kept


def test_an_absent_body_stays_absent_and_draws_are_counted(clip: np.ndarray) -> None:
    clip[:, 4:] = 0
    seen = augment(clip, META, ON, np.random.default_rng(3))
    assert not seen[:, 4:].any() and seen[:, :4].any(-1).all() and not np.array_equal(seen[:, :4], clip[: len(seen), :4])
    assert np.array_equal(seen, augment(clip, META, ON, np.random.default_rng(3)))
