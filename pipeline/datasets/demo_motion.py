"""The demo's motions: synthetic people whose class is planted in known joints and known frames; all else is noise.

Every joint drifts. Joints that carry nothing make the same gestures as those that do, of random classes at random times; the
planted joints make gestures of random classes before their window. Only inside the window, on the planted joints, does a
gesture tell the class. So a model that weighs joints and frames has an easier task than one that does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Direction = tuple[float, float, float]

# Rest poses, metres, x to the right of a person who faces the camera mirrored (left joints at +x), y up, z away.
SBU_POSE = (
    *((0.0, 0.70, 0.0), (0.0, 0.50, 0.0), (0.0, 0.20, 0.0)),
    *((0.18, 0.45, 0.0), (0.24, 0.20, 0.0), (0.26, -0.02, 0.0)),
    *((-0.18, 0.45, 0.0), (-0.24, 0.20, 0.0), (-0.26, -0.02, 0.0)),
    *((0.10, 0.0, 0.0), (0.11, -0.40, 0.0), (0.12, -0.80, 0.0)),
    *((-0.10, 0.0, 0.0), (-0.11, -0.40, 0.0), (-0.12, -0.80, 0.0)),
)
NTU_POSE = (
    *((0.0, 0.0, 0.0), (0.0, 0.25, 0.0), (0.0, 0.52, 0.0), (0.0, 0.66, 0.0)),
    *((0.17, 0.45, 0.0), (0.22, 0.20, 0.0), (0.24, -0.04, 0.0), (0.25, -0.12, 0.0)),
    *((-0.17, 0.45, 0.0), (-0.22, 0.20, 0.0), (-0.24, -0.04, 0.0), (-0.25, -0.12, 0.0)),
    *((0.09, -0.02, 0.0), (0.10, -0.42, 0.0), (0.11, -0.80, 0.0), (0.12, -0.86, 0.08)),
    *((-0.09, -0.02, 0.0), (-0.10, -0.42, 0.0), (-0.11, -0.80, 0.0), (-0.12, -0.86, 0.08)),
    *((0.0, 0.46, 0.0), (0.26, -0.18, 0.0), (0.22, -0.12, 0.03), (-0.26, -0.18, 0.0), (-0.22, -0.12, 0.03)),
)
UP, DOWN, STILL = (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Evidence:
    """Where the class is planted: `gates` (body * J + joint, 0-based, after `normalize`) and `window`, a part of the clip.

    `gestures[action]` are the directions in which a class (from 0) moves the gates.
    """

    gates: tuple[int, ...]
    window: tuple[float, float]
    gestures: tuple[tuple[Direction, ...], ...]


@dataclass(frozen=True)
class Scale:
    """How far things move, metres: drift of every joint, and gestures."""

    noise: float
    evidence: float


def drift(rng: np.random.Generator, length: int, joints: int, scale: float) -> Points:
    """Smooth noise `[length, joints, 3]` of this standard deviation: values drawn every six frames, linear between."""
    knots = rng.normal(0, scale, (length // 6 + 2, joints, 3))
    at = np.arange(length) / 6
    low = at.astype(int)
    part = (at - low)[:, None, None]
    smooth: Points = knots[low] * (1 - part) + knots[low + 1] * part
    return smooth


def gesture(motion: Points, joint: int, span: tuple[int, int], direction: Sequence[float], scale: float) -> None:
    """Add to one joint of `motion` `[T, J, 3]` a move out and back along a direction, over the frames of `span`."""
    start, stop = span
    there_and_back = np.sin(np.pi * (np.arange(start, stop) - start + 0.5) / (stop - start))
    motion[start:stop, joint] += scale * there_and_back[:, None] * np.asarray(direction)


def perform(rng: np.random.Generator, shape: tuple[int, int], action: int, evidence: Evidence, scale: Scale) -> Points:
    """Displacements `[T, K, 3]` of all joints for `shape` (T, K): drift, gestures that mean nothing, and those of the class."""
    length, gates = shape
    motion = drift(rng, length, gates, scale.noise)
    start, stop = (round(part * length) for part in evidence.window)
    others = [gate for gate in range(gates) if gate not in evidence.gates]
    for gate in rng.choice(others, len(others) // 4, replace=False):
        fake = evidence.gestures[rng.integers(len(evidence.gestures))]
        place = int(rng.integers(0, length - (stop - start) + 1))
        gesture(motion, int(gate), (place, place + stop - start), fake[rng.integers(len(fake))], scale.evidence)
    fake = evidence.gestures[rng.integers(len(evidence.gestures))]
    for gate, true, false in zip(evidence.gates, evidence.gestures[action], fake, strict=True):
        gesture(motion, gate, (start, stop), true, scale.evidence)
        gesture(motion, gate, (0, start), false, scale.evidence)
    return motion


def turned(points: Points, angle: float) -> Points:
    """Points `[..., 3]` turned about the vertical axis by an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    result: Points = points @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    return result
