"""From the tracks of an NTU RGB+D file to one or two ordered bodies: the repairs, each a parameter, each counted.

The order of the steps and their thresholds are those of the chain that CTR-GCN, SGN and VA-NN share, less two of its faults:
a hole in a track stays where it is (there, the rest of the track slides forward), and a body that finds no place is counted
(there, it vanishes). Holes and absent bodies are zeros; a separate mask says who is present, so a zero decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.datasets.ntu.reader import JOINTS, Recording
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.shared import plausible
from pipeline.datasets.shared.errors import MalformedSkeleton

if TYPE_CHECKING:
    from pipeline.core.skeletons import Frames

Mask = npt.NDArray[np.bool_]
Found = Counter[str]

# Joints, 0-based: the data set's joints 1, 2, 5, 9 and 21.
BASE, SPINE, LEFT_SHOULDER, RIGHT_SHOULDER, NECK_BASE = 0, 1, 4, 8, 20
TWO = 2
SURELY = 1 - 1e-5  # of the square of a step: less is less than the limit in float32, too

SAME_ID = "track id twice in a frame: second left out"
NO_COORDINATES = "body without coordinates: taken as absent"
NOT_A_NUMBER = "coordinate not a number: interpolated"
TOO_FAR = "coordinate out of sight: taken as not a number"
HOLE = "hole in a track: kept in place"
GHOST = "ghost track: dropped"
FURNITURE = "furniture as a body: dropped"
ORDER = "order of bodies: changed"
OTHER_ORDER = "order of bodies: the two variances disagree"
CHANGED_ID = "changed track id: joined to an actor"
NO_PLACE = "body beyond two: dropped"
EMPTY = "frame without a body"
NO_AXES = "body axes undefined: left as the camera's"

# Repair -> the parameter of `normalize.ntu` that rules it; empty where it is always done.
RULES = {
    SAME_ID: "",
    NO_COORDINATES: "",
    TOO_FAR: "largest_coordinate",
    NOT_A_NUMBER: "not_a_number",
    GHOST: "shortest_track",
    FURNITURE: "spread_share",
    HOLE: "",
    ORDER: "order",
    OTHER_ORDER: "",
    CHANGED_ID: "",
    NO_PLACE: "",
    EMPTY: "empty_frames",
    NO_AXES: "centre",
}


class Rank(NamedTuple):
    """Two measures of how much a body moves, in square metres; NaN where they are not known yet. The larger comes first.

    `variance_of_coordinates`: the variance over all joints and frames together, summed over x, y, z, which published code takes
    for what the data set's FAQ says. Most of it is how far the joints of a body are apart: a tall person who stands still has
    more of it than a child who moves. `variance_over_time`: that of each joint over the frames, summed over x, y, z and joints.
    """

    variance_of_coordinates: float
    variance_over_time: float


UNRANKED = Rank(float("nan"), float("nan"))


@dataclass(frozen=True)
class Track:
    """One body: `present` bool `[T]`; `joints` float32 `[T, 25, 3]`, zeros where absent; `rank`: by which bodies are ordered."""

    present: Mask
    joints: Frames
    rank: Rank = UNRANKED

    @cached_property
    def interval(self) -> tuple[int, int]:
        """First and last frame where the body is present."""
        at = np.flatnonzero(self.present)
        return int(at[0]), int(at[-1])

    @cached_property
    def size(self) -> int:
        """Frames in which the body is present."""
        return int(self.present.sum())


def bodies(recording: Recording, section: NtuNormalize, file: str) -> tuple[Frames, Found]:
    """Repair a file: frames float32 `[T, M, 25, 3]` with M = 1 or 2 actors, and for each repair the frames it touched.

    T is 0 where no body is left. Raises `MalformedSkeleton` for a step beyond `section.largest_step` of a body that is kept, and
    where `section.not_a_number` is `reject` for NaN, infinity and a coordinate beyond `section.largest_coordinate`.
    """
    found: Found = Counter()
    tracks = _plain_tracks(recording, section, found)
    if tracks is None:
        as_read, recording = recording, in_sight(recording, section, found)
        if section.not_a_number == "reject":
            _reject_not_finite(recording, as_read, file)
        tracks = [track for raw in tracks_of(recording, found) if (track := interpolated(raw, found))]
    tracks = without_furniture(without_ghosts(tracks, section, found), section, found)
    for track in tracks:
        _check_steps(track, recording, section, file)
    found[HOLE] += sum(track.interval[1] + 1 - track.interval[0] - track.size for track in tracks)
    chosen = actors(ordered(tracks, section, found), found)
    if not chosen:
        return np.zeros((0, 1, JOINTS, 3), np.float32), found
    present = np.stack([track.present for track in chosen], axis=1)
    frames = np.stack([track.joints for track in chosen], axis=1)
    empty = ~present.any(axis=1)
    if empty.any():
        found[EMPTY] += int(empty.sum())
        if section.empty_frames == "cut":
            present, frames = present[~empty], frames[~empty]
    return centred(frames, present, section, found), found


def _plain_tracks(recording: Recording, section: NtuNormalize, found: Found) -> list[Track] | None:
    """What `in_sight`, `tracks_of` and `interpolated` give for a file in which there is nothing to repair, else None."""
    from pipeline.datasets.ntu import loops  # noqa: PLC0415  (compiles; only where files are read)

    if not loops.usual(recording.joints, section.largest_coordinate):
        return None
    tracks, length = [], len(recording.counts)
    for track_id in dict.fromkeys(recording.ids.tolist()):
        present, joints = np.zeros(length, np.bool_), np.zeros((length, JOINTS, 3), np.float32)
        found[SAME_ID] += loops.follow(recording.counts, recording.ids, recording.joints, track_id, present, joints)
        tracks.append(Track(present, joints))
    return tracks


def in_sight(recording: Recording, section: NtuNormalize, found: Found) -> Recording:
    """The recording with NaN for every coordinate beyond `section.largest_coordinate`, counted by frames."""
    if not section.largest_coordinate:
        return recording
    beyond = np.isfinite(recording.joints) & (np.abs(recording.joints) > section.largest_coordinate)
    if not beyond.any():
        return recording
    found[TOO_FAR] += len(np.unique(recording.frames[beyond.any(axis=(1, 2))]))
    return replace(recording, joints=np.where(beyond, np.float32(np.nan), recording.joints))


def _check_steps(track: Track, recording: Recording, section: NtuNormalize, file: str) -> None:
    """Raise `MalformedSkeleton` for a joint that goes farther from one frame to the next than `section.largest_step`."""
    from pipeline.datasets.ntu import loops  # noqa: PLC0415  (compiles; only where files are read)

    if not section.largest_step or loops.longest_step(track.present, track.joints) < section.largest_step**2 * SURELY:
        return
    seen = np.repeat(track.present[:, None, None], JOINTS, axis=2)
    limits = plausible.limits("ntu", section)._replace(coordinate=0.0)  # those are repaired
    if step := plausible.first(track.joints[:, None], limits, seen):
        body = int(np.flatnonzero(recording.frames == step.frame)[0])
        what = f"frame {step.frame + 1}, joint {step.joint + 1}: {step.reason}"
        raise MalformedSkeleton(file, recording.line(body, step.joint), what)


def _reject_not_finite(recording: Recording, as_read: Recording, file: str) -> None:
    for body, joint, axis in np.argwhere(~np.isfinite(recording.joints))[:1]:
        line, value = recording.line(int(body), int(joint)), as_read.joints[body, joint, axis]
        raise MalformedSkeleton(file, line, f"{'xyz'[axis]} is {value}; normalize.ntu.not_a_number: interpolate would repair it")


def tracks_of(recording: Recording, found: Found) -> Iterator[Track]:
    """The tracks of a file in order of appearance, each body at its own frame; two bodies with one id in a frame: the first.

    A body whose numbers are all zero or not finite carries nothing and counts as absent.
    """
    meaningful: Mask = (np.isfinite(recording.joints) & (recording.joints != 0)).any(axis=(1, 2))
    found[NO_COORDINATES] += int((~meaningful).sum())
    rows = np.flatnonzero(meaningful)
    frames, ids = recording.frames[rows], recording.ids[rows]
    for track_id in dict.fromkeys(ids.tolist()):
        mine = np.flatnonzero(ids == track_id)
        at, first = np.unique(frames[mine], return_index=True)
        found[SAME_ID] += len(mine) - len(at)
        present = np.zeros(len(recording.counts), np.bool_)
        joints = np.zeros((len(present), JOINTS, 3), np.float32)
        present[at], joints[at] = True, recording.joints[rows[mine[first]]]
        yield Track(present, joints)


def interpolated(track: Track, found: Found) -> Track | None:
    """The track with every NaN or infinity filled: linearly in time by joint and axis, held at the ends.

    A joint that is never known follows the middle of the spine, or the mean of the known joints where that is unknown too.
    None where an axis is unknown in all joints: then there is no body to speak of.
    """
    at = np.flatnonzero(track.present)
    good = np.isfinite(track.joints[at])
    if good.all():
        return track
    if not good.any(axis=(0, 1)).all():
        found[NO_COORDINATES] += len(at)
        return None
    values = track.joints[at].astype(np.float64)
    for joint, axis in np.argwhere(~good.all(axis=0) & good.any(axis=0)):
        known = good[:, joint, axis]
        values[~known, joint, axis] = np.interp(at[~known], at[known], values[known, joint, axis])
    known_joints: Mask = np.asarray(good.any(axis=0))
    for joint, axis in np.argwhere(~known_joints):
        like = [SPINE] if known_joints[SPINE, axis] else np.flatnonzero(known_joints[:, axis])
        values[:, joint, axis] = values[:, like, axis].mean(axis=1)
    found[NOT_A_NUMBER] += int((~good.all(axis=(1, 2))).sum())
    joints = track.joints.copy()
    joints[at] = values
    return replace(track, joints=joints)


def without_ghosts(tracks: list[Track], section: NtuNormalize, found: Found) -> list[Track]:
    """Drop tracks of fewer than `shortest_track` frames where a longer one remains; if all are that short, all stay."""
    long = [track for track in tracks if track.size >= section.shortest_track]
    if not long:
        return tracks
    found[GHOST] += sum(track.size for track in tracks if track.size < section.shortest_track)
    return long


def rank(joints: Frames) -> Rank:
    """Both measures of `[T, 25, 3]`; 0 for no frames."""
    from pipeline.datasets.ntu import loops  # noqa: PLC0415  (compiles; only where files are read)

    if not len(joints):
        return Rank(0.0, 0.0)
    over_all, over_time = (loops.variances(joints.reshape(rows, -1)) for rows in (len(joints) * JOINTS, len(joints)))
    return Rank(float(over_all.sum()), float(over_time.sum()))


def without_furniture(tracks: list[Track], section: NtuNormalize, found: Found) -> list[Track]:
    """Measure the tracks; drop those too wide for their height in too many frames, but never the last track.

    A frame is noise where a body's extent in x exceeds `spread_ratio` times that in y. A track stays if less than `spread_share`
    of its frames is noise; what ranks it is then the smaller of the values with and without these frames.
    """
    from pipeline.datasets.ntu import loops  # noqa: PLC0415  (compiles; only where files are read)

    if len(tracks) < TWO:  # nothing to be compared with
        return tracks
    kept = [replace(track, rank=rank(track.joints[track.present])) for track in tracks]
    for track in list(kept) if section.spread_ratio else []:
        if len(kept) == 1:
            break
        joints = track.joints[track.present]
        noise = loops.wide(joints, section.spread_ratio)
        place = next(i for i, other in enumerate(kept) if other is track)
        if noise.mean() >= section.spread_share:
            del kept[place]
            found[FURNITURE] += track.size
        elif noise.any():
            kept[place] = replace(track, rank=Rank(*map(min, track.rank, rank(joints[~noise]))))
    return kept


def ordered(tracks: list[Track], section: NtuNormalize, found: Found) -> list[Track]:
    """The track with the largest value of `section.order` first; equal ones, and `order: file`, in order of appearance."""
    if len(tracks) < TWO:
        return tracks
    by = {
        "variance_of_coordinates": sorted(tracks, key=lambda track: -track.rank.variance_of_coordinates),
        "variance_over_time": sorted(tracks, key=lambda track: -track.rank.variance_over_time),
    }
    if any(a is not b for a, b in zip(*by.values(), strict=True)):
        found[OTHER_ORDER] += len(tracks[0].present)
    if section.order == "file":
        return tracks
    result = by[section.order]
    if any(a is not b for a, b in zip(tracks, result, strict=True)):
        found[ORDER] += len(tracks[0].present)
    return result


def actors(tracks: list[Track], found: Found) -> list[Track]:
    """One or two actors. A later track continues the first actor whose interval it does not overlap, else it is the second.

    That is how a changed track id is mended. A track that overlaps both actors is dropped and counted.
    """
    chosen: list[Track] = []
    for track in tracks:
        free = next((i for i, actor in enumerate(chosen) if not _overlap(actor, track)), None)
        if free is not None:
            found[CHANGED_ID] += track.size
            chosen[free] = _joined(chosen[free], track)
        elif len(chosen) < TWO:
            chosen.append(track)
        else:
            found[NO_PLACE] += track.size
    return chosen


def _overlap(a: Track, b: Track) -> bool:
    return a.interval[0] <= b.interval[1] and b.interval[0] <= a.interval[1]


def _joined(a: Track, b: Track) -> Track:
    return replace(a, present=a.present | b.present, joints=a.joints + b.joints)


def centred(frames: Frames, present: Mask, section: NtuNormalize, found: Found) -> Frames:
    """Move the origin of `frames` `[T, M, 25, 3]` by `section.centre`; absent bodies (`present` `[T, M]`) stay zero."""
    if section.centre == "none":
        return frames
    if section.centre == "spine_first_frame":
        from pipeline.datasets.ntu import loops  # noqa: PLC0415  (compiles; only where files are read)

        return loops.moved(frames, present, frames[np.argmax(present[:, 0]), 0, SPINE])
    moved, undefined = body_coordinates(frames)
    found[NO_AXES] += int((undefined & present).any(axis=1).sum())
    return np.where(present[:, :, None, None], moved, np.float32(0))


def body_coordinates(frames: Frames) -> tuple[Frames, Mask]:
    """Each body in each frame in its own axes, after Shahroudy et al. 2016: float32 `[T, M, 25, 3]`, and bool `[T, M]`.

    Origin: the middle of the spine (joint 2). x: along the shoulders, from left (5) to right (9). y: along the spine (1 to 21),
    made orthogonal to x. z: x cross y. Unit: the distance from 1 to 21. The mask is true where a body has no such axes (shoulders
    or spine without length, or parallel); it is then only moved.
    """
    points = frames.astype(np.float64)
    shoulders = points[:, :, RIGHT_SHOULDER] - points[:, :, LEFT_SHOULDER]
    spine = points[:, :, NECK_BASE] - points[:, :, BASE]
    across = np.cross(shoulders, spine)
    undefined = np.linalg.norm(across, axis=-1) < 1e-8  # square metres
    shoulders[undefined], spine[undefined], across[undefined] = np.eye(3)
    x, z = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (shoulders, across))
    axes = np.stack([x, np.cross(z, x), z], axis=-2)
    moved = np.einsum("tmjk,tmak->tmja", points - points[:, :, SPINE, None], axes)
    return (moved / np.linalg.norm(spine, axis=-1)[:, :, None, None]).astype(np.float32), undefined
