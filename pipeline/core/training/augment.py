"""Random changes of training clips that keep their class: the world seen from elsewhere, later, by other sensors.

The y axis points up, as in both Kinect data sets, and the origin is near the people. Evaluation never calls this.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from pipeline.core.settings import Augment
from pipeline.core.skeletons import Frames, Meta
from pipeline.core.training.batches import Change


def augment(clip: Frames, meta: Meta, params: Augment, rng: np.random.Generator) -> Frames:
    """A changed copy of a clip, float32 `[T, K, 3]` -> `[T', K, 3]`, T' <= T; gates that are zero (no body) stay zero."""
    draws = rng.random(6)
    clip = window(clip, params.window + (1 - params.window) * draws[0], draws[1])
    if draws[2] < params.mirror:
        clip = mirror(clip, meta)
    if draws[3] < params.turn:
        clip = turn(clip, meta)
    clip = yaw(clip, params.yaw * (2 * draws[4] - 1)) * np.float32(1 + params.scale * (2 * draws[5] - 1))
    if not params.noise:
        return clip
    noise = rng.normal(0, params.noise, clip.shape).astype(np.float32)
    return clip + noise * clip.any(-1, keepdims=True)


def views(meta: Meta, count: int) -> list[Change | None]:
    """The clip as it is; with 2 its mirror image too; with 4 both from behind as well."""
    seen = partial(mirror, meta=meta), partial(turn, meta=meta), lambda clip: turn(mirror(clip, meta), meta)
    return [None, *seen][:count]


def window(clip: Frames, share: float, place: float) -> Frames:
    """A run of frames: this share of the clip (at least one frame), beginning at `place` (0 .. 1) of what is left over."""
    length = max(1, round(share * len(clip)))
    start = int(place * (len(clip) - length + 1))
    return clip[start : start + length]


def mirror(clip: Frames, meta: Meta) -> Frames:
    """Left becomes right: x changes sign and left joints change place with right ones."""
    bodies = clip.reshape(len(clip), meta.bodies, -1, 3)[:, :, list(meta.mirror)]
    return _swap(bodies * np.array([-1, 1, 1], np.float32), meta)


def turn(clip: Frames, meta: Meta) -> Frames:
    """Half a turn about the vertical axis: seen from behind."""
    bodies = clip.reshape(len(clip), meta.bodies, -1, 3)
    return _swap(bodies * np.array([-1, 1, -1], np.float32), meta)


def _swap(bodies: Frames, meta: Meta) -> Frames:
    """Where the left body comes first, left and right bodies changed places with the sign of x."""
    if meta.left_first:
        bodies = bodies[:, ::-1]
    return bodies.reshape(len(bodies), -1, 3)


def yaw(clip: Frames, angle: float) -> Frames:
    """Turn about the vertical axis by an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
    turned: Frames = clip @ rotation.T
    return turned
