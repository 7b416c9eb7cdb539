"""The compiled loops of the repairs: NumPy's answers to the last bit, and the way through them that of the careful one."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config import params
from pipeline.core.skeletons import Frames
from pipeline.datasets.ntu import bodies as ntu_bodies
from pipeline.datasets.ntu import loops
from pipeline.datasets.ntu.bodies import bodies
from pipeline.datasets.ntu.reader import Recording
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.shared.errors import MalformedSkeleton
from tests.conftest import ROOT


@pytest.fixture
def section() -> NtuNormalize:
    return params.load(ROOT / "params.yaml").params.normalize.ntu


def cloud(frames: int, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).normal(2, 0.7, (frames, 25, 3)).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 84, 300, 2000])
def test_variances_are_numpys_to_the_last_bit(frames: int) -> None:
    joints = cloud(frames, frames)
    assert loops.variances(joints.reshape(-1, 3)).tolist() == joints.reshape(-1, 3).var(axis=0, dtype=np.float64).tolist()
    assert loops.variances(joints.reshape(frames, -1)).tolist() == joints.var(axis=0, dtype=np.float64).ravel().tolist()
    over_time = joints.var(axis=0, dtype=np.float64).sum()
    assert ntu_bodies.rank(joints) == (joints.reshape(-1, 3).var(axis=0, dtype=np.float64).sum(), over_time)


@pytest.mark.parametrize("ratio", [0.5, 0.8, 1.0, 1.1])
def test_a_frame_is_wide_as_numpy_says(ratio: float) -> None:
    joints = cloud(500)
    extent = np.ptp(joints, axis=1)
    found = loops.wide(joints, ratio)
    np.testing.assert_array_equal(found, extent[:, 0] > ratio * extent[:, 1])
    assert 0 < found.sum() < 500


@pytest.mark.parametrize(
    ("value", "largest", "usual"),
    [
        *((1.0, 10.0, True), (-10.0, 10.0, True), (10.1, 10.0, False), (10.1, 0.0, True)),
        *((np.nan, 10.0, False), (np.nan, 0.0, False), (np.inf, 0.0, False), (-np.inf, 10.0, False)),
    ],
)
def test_a_number_unknown_or_out_of_sight_is_unusual(value: float, largest: float, usual: bool) -> None:
    joints = np.ones((3, 25, 3), np.float32)
    joints[1, 24, 2] = value
    assert loops.usual(joints, largest) is usual


def test_a_body_of_zeros_is_unusual_and_a_joint_at_zero_is_not() -> None:
    joints = np.ones((3, 25, 3), np.float32)
    joints[1, :24], joints[1, 24, :2] = 0, -0.0
    assert loops.usual(joints, 0.0)
    joints[1] = -0.0
    assert not loops.usual(joints, 0.0)
    assert loops.usual(joints[:0], 0.0)


def test_the_longest_step_is_between_frames_that_are_both_there() -> None:
    joints = np.zeros((5, 25, 3), np.float32)
    joints[1, 3], joints[3, 4], joints[4, 4] = (3, 4, 0), (100, 0, 0), (100, 2, 0)
    present = np.array([True, True, False, True, True])
    assert loops.longest_step(present, joints) == 25.0
    assert loops.longest_step(present[:1], joints[:1]) == 0.0


def any_recording(rng: np.random.Generator) -> Recording:
    """A file with changing tracks, ids twice in a frame, holes, standing people and furniture; now and then a number is wrong."""
    length = int(rng.integers(1, 40))
    known = rng.choice([72057594037930243, 72057594037930244, 5, -1], int(rng.integers(1, 4)), replace=False)
    frames = [[track for track in known if rng.random() < 0.7] for _ in range(length)]
    for frame in frames[:: int(rng.integers(3, 30))]:
        frame.append(known[0])
    ids = np.array([track for frame in frames for track in frame], np.int64)
    shape = rng.normal(0, (0.4, 0.6, 0.2), (len(known), 25, 3)) * rng.choice([0.5, 1, 2], (len(known), 1, 3))
    joints = np.array([shape[list(known).index(track)] for track in ids]).reshape(-1, 25, 3)
    joints = (joints + rng.normal(0, 0.02, joints.shape)).astype(np.float32)
    if len(ids) and rng.random() < 0.4:
        wrong = rng.choice([np.nan, np.inf, 0.0, 50.0, 4.0])
        joints[rng.integers(len(ids)), rng.integers(25) if rng.random() < 0.7 else slice(None)] = wrong
    return Recording(np.array([len(frame) for frame in frames], np.int64), ids, joints)


@pytest.mark.parametrize(
    ("rules", "some_fail"),
    [
        ({}, False),
        ({"empty_frames": "keep", "order": "variance_over_time", "largest_step": 0.0}, False),
        ({"order": "file", "largest_coordinate": 0.0, "largest_step": 0.12, "centre": "body_per_frame"}, True),
        ({"not_a_number": "reject", "spread_ratio": 0.0, "shortest_track": 3, "centre": "none"}, True),
    ],
)
def test_the_compiled_way_is_the_careful_way(
    section: NtuNormalize, monkeypatch: pytest.MonkeyPatch, rules: dict[str, object], some_fail: bool
) -> None:
    """Random files: the same frames, counts and errors where `usual` never holds and no step counts as surely short."""
    own = NtuNormalize.model_validate({**section.model_dump(), **rules})
    rng = np.random.default_rng(3)
    files = [any_recording(rng) for _ in range(150)]

    def results() -> list[object]:
        found: list[object] = []
        for file in files:
            try:
                frames, counts = bodies(file, own, "f")
                found.append((frames.shape, frames.tobytes(), {repair: n for repair, n in counts.items() if n}))
            except MalformedSkeleton as error:
                found.append(str(error))
        return found

    fast = results()
    assert sum(loops.usual(file.joints, own.largest_coordinate) for file in files) > 50
    monkeypatch.setattr(loops, "usual", lambda *_: False)
    monkeypatch.setattr(loops, "longest_step", lambda *_: np.inf)
    assert results() == fast
    assert any(isinstance(result, str) for result in fast) == some_fail
