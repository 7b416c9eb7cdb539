"""The demo's motions: synthetic people whose class is planted in known joints and known frames; all else is noise.

Every joint drifts. A quarter of the other joints make gestures like those of the planted joints, of random classes at random
times; and before their window the planted joints themselves make gestures of a random class. Only inside the window, on the
planted joints, does a gesture tell the class. So a model that weighs joints and frames has an easier task than one that does not.
All gestures go up or down, which every camera sees alike.

In a share of the recordings the evidence is faint, of any height down to none. There even a good network errs, and a fault costs
it some more; without them all networks would be right, and a worse one as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

import numpy as np
import numpy.typing as npt

from pipeline.datasets.demo.settings import DemoDownload

Coordinates = npt.NDArray[np.float64]
Person = tuple[float, float, float]  # size (1 is 1.6 m), place on the x axis in metres, yaw in radians
KNOT_FRAMES = 6  # drift is drawn every so many frames, and runs straight between
OTHERS_SHARE = 4  # one in so many other joints makes a gesture that means nothing


class Stream(StrEnum):
    """Names of the independent streams of randomness."""

    SBU = "sbu"
    NTU = "ntu"
    SENSOR = "sensor"
    QUIRKS = "quirks"
    SIZE = "size"


@dataclass(frozen=True)
class Evidence:
    """Where the class is planted: `gates` (body * J + joint, 0-based, after `normalize`) and `window`, a part of the clip."""

    gates: tuple[int, ...]
    window: tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """A raw format's skeleton: rest `pose` (x, y, z of each joint in metres, y up), lengths of clips in frames, evidence.

    `gestures[label]` has a number for each planted gate: 1 up, -1 down, 0 still.
    """

    pose: tuple[tuple[float, float, float], ...]
    shortest: int
    longest: int
    evidence: Evidence
    gestures: tuple[tuple[int, ...], ...]


SBU = Layout(
    pose=(
        *((0.0, 0.70, 0.0), (0.0, 0.50, 0.0), (0.0, 0.20, 0.0)),
        *((0.18, 0.45, 0.0), (0.24, 0.20, 0.0), (0.26, -0.02, 0.0)),
        *((-0.18, 0.45, 0.0), (-0.24, 0.20, 0.0), (-0.26, -0.02, 0.0)),
        *((0.10, 0.0, 0.0), (0.11, -0.40, 0.0), (0.12, -0.80, 0.0)),
        *((-0.10, 0.0, 0.0), (-0.11, -0.40, 0.0), (-0.12, -0.80, 0.0)),
    ),
    shortest=12,
    longest=20,
    evidence=Evidence((8, 11, 20), (0.4, 0.7)),  # right hand and left foot of the left person, left hand of the right one
    gestures=tuple(product((1, -1), repeat=3)),
)
NTU = Layout(
    pose=(
        *((0.0, 0.0, 0.0), (0.0, 0.25, 0.0), (0.0, 0.52, 0.0), (0.0, 0.66, 0.0)),
        *((0.17, 0.45, 0.0), (0.22, 0.20, 0.0), (0.24, -0.04, 0.0), (0.25, -0.12, 0.0)),
        *((-0.17, 0.45, 0.0), (-0.22, 0.20, 0.0), (-0.24, -0.04, 0.0), (-0.25, -0.12, 0.0)),
        *((0.09, -0.02, 0.0), (0.10, -0.42, 0.0), (0.11, -0.80, 0.0), (0.12, -0.86, -0.08)),
        *((-0.09, -0.02, 0.0), (-0.10, -0.42, 0.0), (-0.11, -0.80, 0.0), (-0.12, -0.86, -0.08)),
        *((0.0, 0.46, 0.0), (0.26, -0.18, 0.0), (0.22, -0.12, -0.03), (-0.26, -0.18, 0.0), (-0.22, -0.12, -0.03)),
    ),
    shortest=18,
    longest=28,
    evidence=Evidence((9, 10, 13, 14), (0.4, 0.7)),  # right elbow and wrist, left knee and ankle of the first body
    gestures=((1, 1, 1, 1), (1, 1, -1, -1), (-1, -1, 1, 1), (-1, -1, -1, -1), (1, -1, 1, -1)),
)


def generator(section: DemoDownload, stream: Stream, *place: int) -> np.random.Generator:
    """The generator of one recording or choice; it depends on the seed, the stream and the place alone."""
    return np.random.default_rng([section.seed, zlib.crc32(stream.encode()), *place])


def size_of(subject: int, section: DemoDownload) -> float:
    """A subject's size, 0.95 to 1.05."""
    return float(generator(section, Stream.SIZE, subject).uniform(0.95, 1.05))


def length_of(rng: np.random.Generator, layout: Layout) -> int:
    """Frames of a recording; the first thing drawn from its generator."""
    return int(rng.integers(layout.shortest, layout.longest + 1))


def clip(rng: np.random.Generator, layout: Layout, label: int, people: Sequence[Person], section: DemoDownload) -> Coordinates:
    """A recording `[T, M, J, 3]` in metres about the scene's middle, y up; the first person is the first body."""
    length = length_of(rng, layout)
    gates = len(people) * len(layout.pose)
    motion = drift(rng, length, gates, section.noise_m)
    add_distractors(rng, motion, layout, section.distractor_m)
    add_evidence(rng, motion, layout, label, section)
    standing = np.stack([turned(np.array(layout.pose) * size, yaw) + np.array((place, 0, 0)) for size, place, yaw in people])
    jitter = rng.normal(0, 0.03, (len(people), 1, 3))
    scene: Coordinates = standing + jitter + motion.reshape(length, *standing.shape)
    return scene


def drift(rng: np.random.Generator, length: int, gates: int, scale: float) -> Coordinates:
    """Smooth noise of this standard deviation at its knots: `[T, K, 3]`."""
    knots = rng.normal(0, scale, (length // KNOT_FRAMES + 2, gates, 3))
    at = np.arange(length) / KNOT_FRAMES
    low = at.astype(int)
    part = (at - low)[:, None, None]
    smooth: Coordinates = knots[low] * (1 - part) + knots[low + 1] * part
    return smooth


def add_distractors(rng: np.random.Generator, motion: Coordinates, layout: Layout, scale: float) -> None:
    """Gestures on joints that carry no class: as long as the evidence, at any time, up or down."""
    length, gates, _ = motion.shape
    start, stop = frames_of(layout.evidence, length)
    others = [gate for gate in range(gates) if gate not in layout.evidence.gates]
    for gate in rng.choice(others, len(others) // OTHERS_SHARE, replace=False):
        first = int(rng.integers(0, length - (stop - start) + 1))
        add_gesture(motion[first : first + stop - start, gate], scale * rng.choice((1, -1)))


def add_evidence(rng: np.random.Generator, motion: Coordinates, layout: Layout, label: int, section: DemoDownload) -> None:
    """The gestures of the class inside the window, all of one height; before it, on the same joints, those of a random class."""
    start, stop = frames_of(layout.evidence, len(motion))
    pretended = layout.gestures[rng.integers(len(layout.gestures))]
    faint = rng.random() < section.faint_share
    height = rng.uniform(0, section.faint_m) if faint else section.evidence_m
    for gate, true, false in zip(layout.evidence.gates, layout.gestures[label], pretended, strict=True):
        add_gesture(motion[start:stop, gate], height * true)
        add_gesture(motion[:start, gate], section.distractor_m * false)


def frames_of(evidence: Evidence, length: int) -> tuple[int, int]:
    """First frame of the window, and the first after it."""
    return round(evidence.window[0] * length), round(evidence.window[1] * length)


def add_gesture(path: Coordinates, height: float) -> None:
    """Add to a joint's `path` `[T, 3]` a smooth move to this height and back over its frames, in place."""
    path[:, 1] += height * np.sin(np.pi * (np.arange(len(path)) + 0.5) / len(path))


def turned(points: Coordinates, yaw: float) -> Coordinates:
    """Points `[..., 3]` turned about the vertical axis by an angle in radians."""
    c, s = np.cos(yaw), np.sin(yaw)
    result: Coordinates = points @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    return result
