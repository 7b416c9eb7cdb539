"""Tracks to ordered bodies: every rule on clips made by hand, with the frames that it should touch counted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.config import params
from pipeline.core.skeletons import Frames
from pipeline.datasets.ntu import bodies as ntu_bodies
from pipeline.datasets.ntu.bodies import bodies, body_coordinates, rank
from pipeline.datasets.ntu.reader import Recording, read
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.shared.errors import MalformedSkeleton
from tests.conftest import ROOT
from tests.skeleton_text import pose, text

Track = tuple[int, Sequence[int], npt.NDArray[np.float64]]  # id, its frames, joints `[25, 3]` or one such a frame
STANDING = pose(0)
CHAIR = pose(1, width=1.0, height=0.5)


@pytest.fixture
def section() -> NtuNormalize:
    """The rules of `params.yaml` with the coordinates left where they are."""
    return params.load(ROOT / "params.yaml").params.normalize.ntu.model_copy(update={"centre": "none"})


def with_rules(section: NtuNormalize, **rules: object) -> NtuNormalize:
    return NtuNormalize.model_validate({**section.model_dump(), **rules})


def recording(length: int, *tracks: Track) -> Recording:
    """A recording in which each track is present in its frames; within a frame in the order given."""
    rows = []
    for order, (track, frames, joints) in enumerate(tracks):
        each = np.broadcast_to(joints, (len(frames), 25, 3))
        rows += [(frame, order, track, each[i]) for i, frame in enumerate(frames)]
    rows.sort(key=lambda row: row[:2])
    counts = np.bincount([row[0] for row in rows], minlength=length)
    joints = np.array([row[3] for row in rows], np.float32).reshape(-1, 25, 3)
    return Recording(counts.astype(np.int64), np.array([row[2] for row in rows], np.int64), joints)


def moving(frames: Sequence[int], step: float, base: npt.NDArray[np.float64] = STANDING) -> npt.NDArray[np.float64]:
    """The base pose, moved along x by `step` metres a frame: `[T, 25, 3]`; frame number t is at `t * step`."""
    return base + np.array([[[frame * step, 0, 0]] for frame in frames])


def found(clip: Recording, section: NtuNormalize) -> tuple[Frames, dict[str, int]]:
    frames, counts = bodies(clip, section, "f.skeleton")
    return frames, {repair: count for repair, count in counts.items() if count}


def f32(values: npt.ArrayLike) -> Frames:
    return np.asarray(values, np.float32)


def test_a_clean_clip_is_not_touched(section: NtuNormalize) -> None:
    frames, repairs = found(recording(20, (7, range(20), moving(range(20), 0.1))), section)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames[:, 0], f32(moving(range(20), 0.1)))
    assert (frames.shape, repairs) == ((20, 1, 25, 3), {})


# --- tracks -----------------------------------------------------------------------------------------------------------------


def test_a_hole_stays_in_its_place(section: NtuNormalize) -> None:
    """The peers' fault: the body would come back three frames early."""
    at = [*range(10), *range(13, 30)]
    clip = recording(30, (1, range(30), moving(range(30), 0.2)), (2, at, moving(at, 0.1)))
    frames, repairs = found(clip, section)
    assert frames.shape == (30, 2, 25, 3)
    np.testing.assert_array_equal(frames[at, 1], f32(moving(at, 0.1)))
    assert not frames[10:13, 1].any()
    assert repairs == {ntu_bodies.HOLE: 3}


def test_ids_that_are_one_float_are_two_tracks(section: NtuNormalize) -> None:
    a, b = 72057594037930243, 72057594037930244
    assert float(a) == float(b)
    joints = [moving(range(20), 0.2), moving(range(20), 0.1, pose(5))]
    file = text([[(track, joints[k][t].tolist()) for k, track in enumerate((a, b))] for t in range(20)])
    frames, repairs = found(read(file, ""), section)
    np.testing.assert_array_equal(frames, f32(np.stack(joints, axis=1)))
    assert repairs == {}


def test_the_second_of_two_bodies_with_one_id_is_left_out(section: NtuNormalize) -> None:
    clip = recording(15, (1, range(15), moving(range(15), 0.1)), (1, [3, 4], pose(9)))
    frames, repairs = found(clip, section)
    np.testing.assert_array_equal(frames[:, 0], f32(moving(range(15), 0.1)))
    assert repairs == {ntu_bodies.SAME_ID: 2}


@pytest.mark.parametrize("nothing", [0.0, np.nan, np.inf])
def test_a_body_of_zeros_or_nan_is_absent(section: NtuNormalize, nothing: float) -> None:
    joints = moving(range(20), 0.1)
    joints[[0, 1, 5]] = nothing
    frames, repairs = found(recording(20, (1, range(20), joints)), section)
    np.testing.assert_array_equal(frames[:, 0], f32(joints[[2, 3, 4, *range(6, 20)]]))
    assert repairs == {ntu_bodies.NO_COORDINATES: 3, ntu_bodies.EMPTY: 3, ntu_bodies.HOLE: 1}


@pytest.mark.parametrize(("size", "kept"), [(11, 1), (12, 2)])
def test_a_ghost_has_fewer_than_twelve_frames(section: NtuNormalize, size: int, kept: int) -> None:
    frames, repairs = found(recording(30, (1, range(30), STANDING), (2, range(5, 5 + size), pose(3))), section)
    assert frames.shape[1] == kept
    assert repairs.get(ntu_bodies.GHOST, 0) == (size if kept == 1 else 0)


def test_short_tracks_stay_where_there_is_no_longer_one(section: NtuNormalize) -> None:
    clip = recording(8, (1, range(8), moving(range(8), 0.1)), (2, range(6), pose(3)))
    frames, repairs = found(clip, section)
    assert (frames.shape[:2], repairs) == ((8, 2), {})


def test_ghosts_stay_where_the_rule_is_off(section: NtuNormalize) -> None:
    clip = recording(30, (1, range(30), STANDING), (2, range(5), pose(3)))
    assert found(clip, with_rules(section, shortest_track=0))[0].shape[1] == 2


# --- furniture --------------------------------------------------------------------------------------------------------------


def partly(noisy: int, total: int = 20) -> npt.NDArray[np.float64]:
    """A body that is as wide as a chair in the first `noisy` of its frames."""
    return np.array([CHAIR] * noisy + [STANDING] * (total - noisy))


@pytest.mark.parametrize(("noisy", "kept"), [(13, 2), (14, 1), (20, 1)])  # 0.65 and 0.70 of the frames; the limit is 0.69754
def test_furniture_is_wide_in_most_frames(section: NtuNormalize, noisy: int, kept: int) -> None:
    clip = recording(20, (1, range(20), moving(range(20), 0.5)), (2, range(20), partly(noisy)))
    frames, repairs = found(clip, section)
    np.testing.assert_array_equal(frames[:, 0], f32(moving(range(20), 0.5)))
    assert frames.shape[1] == kept
    assert repairs.get(ntu_bodies.FURNITURE, 0) == (20 if kept == 1 else 0)


@pytest.mark.parametrize(("width", "kept"), [(0.79, 2), (0.81, 1)])
def test_wide_is_more_than_a_share_of_the_height(section: NtuNormalize, width: float, kept: int) -> None:
    other = pose(4, width=width, height=1.0)
    assert found(recording(20, (1, range(20), STANDING), (2, range(20), other)), section)[0].shape[1] == kept


def test_the_last_body_is_never_furniture(section: NtuNormalize) -> None:
    assert found(recording(20, (1, range(20), CHAIR)), section)[1] == {}
    frames, repairs = found(recording(20, (1, range(20), CHAIR), (2, range(20), CHAIR + 1)), section)
    np.testing.assert_array_equal(frames[:, 0], np.broadcast_to(f32(CHAIR + 1), (20, 25, 3)))
    assert repairs == {ntu_bodies.FURNITURE: 20}


def test_furniture_stays_where_the_rule_is_off(section: NtuNormalize) -> None:
    clip = recording(20, (1, range(20), STANDING), (2, range(20), CHAIR))
    assert found(clip, with_rules(section, spread_ratio=0.0))[0].shape[1] == 2


# --- order and actors -------------------------------------------------------------------------------------------------------


def test_both_variances_of_known_points() -> None:
    """x is 0, then 2 (variance 1, also of each joint over time), y is 0 or 4 by turns (variance 4, the same), z is constant."""
    joints = np.zeros((4, 25, 3), np.float32)
    joints[2:, :, 0], joints[::2, :, 1], joints[:, :, 2] = 2, 4, 9
    assert rank(joints) == (5.0, 25 * 5.0)
    assert rank(joints[:0]) == (0.0, 0.0)


def test_a_tall_body_that_stands_still_has_variance_of_coordinates_alone() -> None:
    """12 joints at a height of 1.9, 13 at 0, in all frames alike."""
    still = np.zeros((6, 25, 3), np.float32)
    still[:, :12, 1] = 1.9
    assert rank(still) == (pytest.approx(1.9**2 * 12 * 13 / 25**2), 0.0)


def people_and_a_child() -> Recording:
    """Two people of 1.9 m who stand still, and a child of 1 m who moves by 40 cm, last in the file."""
    tall, child = pose(0, height=1.9), moving(range(21), 0.02, pose(2, height=1.0))
    return recording(21, (1, range(21), tall), (2, range(21), np.add(tall, (1, 0, 0))), (3, range(21), child))


def test_a_child_who_moves_comes_after_two_tall_people_who_stand_still_by_the_published_rule(section: NtuNormalize) -> None:
    frames, repairs = found(people_and_a_child(), with_rules(section, order="variance_of_coordinates"))
    assert np.ptp(frames, axis=0).max() == 0.0  # nobody of the two who are kept moves
    assert repairs == {ntu_bodies.OTHER_ORDER: 21, ntu_bodies.NO_PLACE: 21}


def test_the_child_comes_first_by_the_variance_over_time(section: NtuNormalize) -> None:
    frames, repairs = found(people_and_a_child(), with_rules(section, order="variance_over_time"))
    assert np.ptp(frames[:, 0], axis=0).max() == pytest.approx(0.4, abs=1e-6)
    assert np.ptp(frames[:, 1], axis=0).max() == 0.0
    assert repairs == {ntu_bodies.ORDER: 21, ntu_bodies.OTHER_ORDER: 21, ntu_bodies.NO_PLACE: 21}


@pytest.mark.parametrize("value", [10.5, -1e3, 1e9])
def test_a_coordinate_out_of_sight_is_taken_as_not_a_number(section: NtuNormalize, value: float) -> None:
    walking = moving(range(20), 0.1)
    wild = walking.copy()
    wild[7, 8, 0] = value
    frames, repairs = found(recording(20, (1, range(20), wild)), section)
    np.testing.assert_allclose(frames[:, 0], walking, atol=1e-6)  # between frames 6 and 8 lies what was there
    assert repairs == {ntu_bodies.TOO_FAR: 1, ntu_bodies.NOT_A_NUMBER: 1}
    said = re.escape(f"f.skeleton, line {1 + 7 * 28 + 3 + 9}: x is {np.float32(value)}; normalize.ntu.not_a_number")
    with pytest.raises(MalformedSkeleton, match=said):
        bodies(recording(20, (1, range(20), wild)), with_rules(section, not_a_number="reject"), "f.skeleton")


def test_a_step_that_nobody_takes_is_refused_by_line(section: NtuNormalize) -> None:
    wild = np.array([STANDING] * 20)
    wild[12:, 4, 2] += 8.5
    said = r"line \d+: frame 13, joint 5: a step of 8\.5 since the frame before, beyond normalize\.ntu\.largest_step: 8"
    with pytest.raises(MalformedSkeleton, match=said) as caught:
        bodies(recording(20, (1, range(20), np.subtract(wild, (0, 0, 4)))), section, "f.skeleton")
    assert caught.value.line == 1 + 12 * 28 + 3 + 5
    off = with_rules(section, largest_step=0.0, largest_coordinate=0.0)
    assert found(recording(20, (1, range(20), wild)), off)[1] == {}


def test_the_body_that_moves_more_comes_first(section: NtuNormalize) -> None:
    still, walking = moving(range(20), 0.0), moving(range(20), 0.1, pose(2))
    clip = recording(20, (1, range(20), still), (2, range(20), walking))
    frames, repairs = found(clip, section)
    np.testing.assert_array_equal(frames, f32(np.stack([walking, still], axis=1)))
    assert repairs == {ntu_bodies.ORDER: 20}
    frames, repairs = found(clip, with_rules(section, order="file"))
    np.testing.assert_array_equal(frames, f32(np.stack([still, walking], axis=1)))
    assert repairs == {}


def test_noisy_frames_do_not_make_motion(section: NtuNormalize) -> None:
    """The second body moves only by turning into a chair far away for a few frames, which the spread rule calls noise."""
    jumping = np.array([STANDING] * 15 + [np.add(CHAIR, (5, 0, 0))] * 5)
    walking = moving(range(20), 0.05)
    clip = recording(20, (1, range(20), jumping), (2, range(20), walking))
    np.testing.assert_array_equal(found(clip, section)[0][:, 0], f32(walking))
    np.testing.assert_array_equal(found(clip, with_rules(section, spread_ratio=0.0))[0][:, 0], f32(jumping))


def test_a_changed_track_id_is_one_actor(section: NtuNormalize) -> None:
    first, second = moving(range(20), 0.1), moving(range(20, 35), 0.05)
    frames, repairs = found(recording(35, (1, range(20), first), (2, range(20, 35), second)), section)
    np.testing.assert_array_equal(frames[:, 0], f32(np.concatenate([first, second])))
    assert (frames.shape[1], repairs) == (1, {ntu_bodies.CHANGED_ID: 15})


def test_a_shared_frame_makes_two_actors(section: NtuNormalize) -> None:
    clip = recording(35, (1, range(21), moving(range(21), 0.1)), (2, range(20, 35), STANDING))
    assert found(clip, section)[0].shape == (35, 2, 25, 3)


def test_the_interval_counts_not_the_holes(section: NtuNormalize) -> None:
    """A track inside the hole of another is a second person."""
    at = [*range(15), *range(30, 45)]
    clip = recording(45, (1, at, moving(at, 0.1)), (2, range(15, 30), STANDING))
    frames, repairs = found(clip, section)
    assert (frames.shape[:2], repairs) == ((45, 2), {ntu_bodies.HOLE: 15})


def test_a_later_track_continues_the_second_actor(section: NtuNormalize) -> None:
    clip = recording(40, (1, range(40), moving(range(40), 0.2)), (2, range(15), STANDING), (3, range(15, 40), pose(3)))
    frames, repairs = found(clip, with_rules(section, order="file"))
    np.testing.assert_array_equal(frames[:15, 1], np.broadcast_to(f32(STANDING), (15, 25, 3)))
    np.testing.assert_array_equal(frames[15:, 1], np.broadcast_to(f32(pose(3)), (25, 25, 3)))
    assert repairs == {ntu_bodies.CHANGED_ID: 25}


def test_a_third_body_is_dropped_and_counted(section: NtuNormalize) -> None:
    clip = recording(20, *((k, range(20), moving(range(20), step)) for k, step in enumerate((0.3, 0.2, 0.1))))
    frames, repairs = found(clip, section)
    np.testing.assert_array_equal(frames, f32(np.stack([moving(range(20), 0.3), moving(range(20), 0.2)], axis=1)))
    assert repairs == {ntu_bodies.NO_PLACE: 20}


# --- empty frames and numbers that are none -----------------------------------------------------------------------------------


def test_empty_frames_are_cut_or_kept(section: NtuNormalize) -> None:
    at = [*range(4, 18), *range(20, 25)]
    clip = recording(30, (1, at, moving(at, 0.1)))
    frames, repairs = found(clip, section)
    np.testing.assert_array_equal(frames[:, 0], f32(moving(at, 0.1)))
    assert repairs == {ntu_bodies.EMPTY: 11, ntu_bodies.HOLE: 2}
    kept = found(clip, with_rules(section, empty_frames="keep"))[0]
    assert kept.shape[0] == 30
    np.testing.assert_array_equal(kept[at, 0], f32(moving(at, 0.1)))
    assert not np.delete(kept, at, axis=0).any()


@pytest.mark.parametrize("clip", [recording(0), recording(9)], ids=["no frames", "no bodies"])
def test_nothing_left(section: NtuNormalize, clip: Recording) -> None:
    assert found(clip, section)[0].shape == (0, 1, 25, 3)


def spoilt(*changes: tuple[tuple[Any, ...], float]) -> npt.NDArray[np.float64]:
    """Twenty frames in which every number grows by 1/4 a frame, with some of them changed."""
    joints = STANDING + np.arange(20.0)[:, None, None] / 4
    for place, value in changes:
        joints[place] = value
    return joints


def test_nan_is_interpolated_by_joint_and_axis(section: NtuNormalize) -> None:
    joints = spoilt(((slice(5, 8), 3, 0), np.nan), ((7, 4, 2), np.inf), ((9, 4), -np.inf))
    frames, repairs = found(recording(20, (1, range(20), joints)), section)
    np.testing.assert_allclose(frames[:, 0], spoilt(), rtol=1e-6)
    assert repairs == {ntu_bodies.NOT_A_NUMBER: 4}


def test_nan_at_the_ends_takes_the_nearest_frame(section: NtuNormalize) -> None:
    joints = spoilt(((slice(0, 2), 3, 1), np.nan), ((slice(18, 20), 3, 1), np.nan))
    frames = found(recording(20, (1, range(20), joints)), section)[0]
    np.testing.assert_allclose(frames[[0, 1, 18, 19], 0, 3, 1], STANDING[3, 1] + [0.5, 0.5, 4.25, 4.25], rtol=1e-6)


def test_nan_is_interpolated_in_time_not_in_rows(section: NtuNormalize) -> None:
    """Frames 0, 1 and 4 of a track: frame 1, between them, is at a quarter of the way."""
    at = [0, 1, *range(4, 20)]
    joints = spoilt(((1, 3, 0), np.nan))[at]
    frames = found(recording(20, (1, at, joints)), section)[0]
    assert frames[1, 0, 3, 0] == pytest.approx(STANDING[3, 0] + 0.25)


def test_a_joint_never_known_follows_the_spine(section: NtuNormalize) -> None:
    frames = found(recording(20, (1, range(20), spoilt(((slice(None), 8), np.nan)))), section)[0]
    np.testing.assert_array_equal(frames[:, 0, 8], frames[:, 0, 1])


def test_joints_never_known_nor_the_spine_take_the_mean(section: NtuNormalize) -> None:
    joints = spoilt(((slice(None), [1, 8]), np.nan))
    frames = found(recording(20, (1, range(20), joints)), section)[0]
    mean = np.delete(joints, [1, 8], axis=1).mean(axis=1)
    np.testing.assert_allclose(frames[:, 0, [1, 8]], np.stack([mean, mean], axis=1), rtol=1e-6)


def test_a_track_without_an_axis_is_no_body(section: NtuNormalize) -> None:
    clip = recording(20, (1, range(20), spoilt(((slice(None), slice(None), 2), np.nan))), (2, range(20), STANDING))
    frames, repairs = found(clip, section)
    assert (frames.shape[1], repairs) == (1, {ntu_bodies.NO_COORDINATES: 20})


def test_nan_is_refused_by_line_where_the_rule_says_so(section: NtuNormalize) -> None:
    """Frame 3 of 20, one body a frame: line 1, then 28 lines a frame, then count, track, joints, and joint 9."""
    clip = recording(20, (1, range(20), spoilt(((3, 8, 1), np.nan))))
    with pytest.raises(MalformedSkeleton, match="y is nan") as caught:
        bodies(clip, with_rules(section, not_a_number="reject"), "f.skeleton")
    assert caught.value.line == 1 + 3 * 28 + 3 + 9
    clean = recording(20, (1, range(20), STANDING))
    assert len(bodies(clean, with_rules(section, not_a_number="reject"), "f.skeleton")[0]) == 20


# --- origin -----------------------------------------------------------------------------------------------------------------


def test_origin_is_the_spine_of_actor_one_in_the_first_frame(section: NtuNormalize) -> None:
    walking, still = moving(range(20), 0.1), pose(3)
    clip = recording(20, (1, range(20), walking), (2, range(2, 20), still))
    frames = found(clip, with_rules(section, centre="spine_first_frame"))[0]
    np.testing.assert_array_equal(frames[0, 0, 1], np.zeros(3))
    np.testing.assert_array_equal(frames[:, 0], f32(walking) - f32(walking[0, 1]))
    np.testing.assert_array_equal(frames[2:, 1], np.broadcast_to(f32(still) - f32(walking[0, 1]), (18, 25, 3)))
    assert not frames[:2, 1].any()


def test_origin_waits_for_actor_one(section: NtuNormalize) -> None:
    walking = moving(range(5, 25), 0.1)
    clip = recording(25, (1, range(20), pose(3)), (2, range(5, 25), walking))
    frames = found(clip, with_rules(section, centre="spine_first_frame"))[0]
    assert not frames[:5, 0].any()
    np.testing.assert_array_equal(frames[5, 0, 1], np.zeros(3))
    np.testing.assert_array_equal(frames[0, 1], f32(pose(3)) - f32(walking[0, 1]))


def known_axes() -> npt.NDArray[np.float64]:
    """Spine from (0, -1, 0) to (0, 1, 0), its middle at 0, the shoulders at x = -1 (left) and 1 (right), height 0.5."""
    joints = pose(6) - (0, 0, 3)
    joints[[0, 1, 20, 4, 8]] = (0, -1, 0), (0, 0, 0), (0, 1, 0), (-1, 0.5, 0), (1, 0.5, 0)
    return joints


def rotation(angles: Sequence[float]) -> npt.NDArray[np.float64]:
    result = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[[i, j, i, j], [i, j, j, i]] = np.cos(angle), np.cos(angle), -np.sin(angle), np.sin(angle)
        result = result @ turn
    return result


def test_body_axes_undo_any_turn_move_and_size() -> None:
    joints = known_axes()
    turned = 1.7 * joints @ rotation((0.3, 2.0, -1.1)).T + (0.5, -2, 3)
    frames, undefined = body_coordinates(f32([[joints, turned]]))
    np.testing.assert_allclose(frames[0, 0], joints / 2, atol=1e-6)  # the spine is 2 long
    np.testing.assert_allclose(frames[0, 1], joints / 2, atol=1e-5)
    assert not undefined.any()


def test_shoulders_are_parallel_to_x_and_the_spine_has_no_z() -> None:
    frames = body_coordinates(f32(pose(8)[None, None]))[0][0, 0].astype(float)
    np.testing.assert_allclose((frames[8] - frames[4])[1:], 0, atol=1e-6)
    assert frames[8, 0] > frames[4, 0]
    spine = frames[20] - frames[0]
    assert spine[1] > 0
    np.testing.assert_allclose([spine[2], np.linalg.norm(spine)], [0, 1], atol=1e-6)


def test_a_body_without_axes_is_only_moved_and_counted(section: NtuNormalize) -> None:
    flat = moving(range(20), 0.1)
    flat[3, 8] = flat[3, 4]
    frames, repairs = found(recording(20, (1, range(20), flat)), with_rules(section, centre="body_per_frame"))
    np.testing.assert_allclose(frames[3, 0], flat[3] - flat[3, 1], atol=1e-6)
    assert repairs == {ntu_bodies.NO_AXES: 1}


def test_absent_bodies_have_no_axes_to_count(section: NtuNormalize) -> None:
    clip = recording(20, (1, range(20), moving(range(20), 0.1)), (2, range(3, 20), pose(3)))
    frames, repairs = found(clip, with_rules(section, centre="body_per_frame"))
    assert not frames[:3, 1].any()
    assert np.isfinite(frames).all()
    assert repairs == {}
