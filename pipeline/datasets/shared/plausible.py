"""Numbers that no body has: places out of the sensor's sight, and steps that nobody takes from one frame to the next.

A number in a raw file may be wrong and still be a number. What is well beyond everything that was seen in the real files is an
error, with file, line and joint, so that it never reaches a network in silence. The limits are parameters of
`normalize.<format>`, in the unit of the file; `0` switches one off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.datasets.shared.clips import Coordinates
from pipeline.datasets.shared.errors import MalformedSkeleton
from pipeline.datasets.shared.settings import Plausible

Mask = npt.NDArray[np.bool_]


class Limits(NamedTuple):
    """The largest coordinate and step, 0 for none, and the name of the parameters' section."""

    coordinate: float
    step: float
    section: str


class Lines(NamedTuple):
    """A file that has a frame a line, from line `first` (counted from 1) on."""

    file: str
    first: int = 1


class Found(NamedTuple):
    """The first number that no body has: frame, body and joint (from 0), and what it is in words."""

    frame: int
    body: int
    joint: int
    reason: str


def limits(form: str, section: Plausible) -> Limits:
    """The limits of a raw format."""
    return Limits(section.largest_coordinate, section.largest_step, f"normalize.{form}")


def first(frames: Coordinates | npt.NDArray[np.float32], limits: Limits, seen: Mask | None = None) -> Found | None:
    """The first coordinate, else the first step of `frames` `[T, M, J, 3]` beyond the limits, or None.

    `seen` (bool `[T, M, J]`, default: all) leaves out joints that a sensor did not see, also as ends of steps.
    """
    return _coordinate(frames, limits, seen) or _step(frames, limits, seen)


def check(frames: Coordinates, limits: Limits, lines: Lines, joints: Sequence[str]) -> None:
    """Raise `MalformedSkeleton` for the first such number in a file that has a frame a line."""
    if found := first(frames, limits):
        raise malformed(found, lines.file, lines.first + found.frame, joints, frames.shape[1])


def malformed(found: Found, file: str, line: int, joints: Sequence[str], bodies: int = 1) -> MalformedSkeleton:
    """The failure for people."""
    whose = f" of body {found.body + 1}" if bodies > 1 else ""
    return MalformedSkeleton(file, line, f"frame {found.frame + 1}, {joints[found.joint]}{whose}: {found.reason}")


def _coordinate(frames: npt.NDArray[np.floating], limits: Limits, seen: Mask | None) -> Found | None:
    beyond = np.abs(frames) > (limits.coordinate or np.inf)
    if seen is not None:
        beyond &= seen[..., None]
    if not beyond.any():
        return None
    frame, body, joint, axis = (int(place) for place in np.argwhere(beyond)[0])
    value = f"{'xyz'[axis]} is {frames[frame, body, joint, axis]:g}"
    return Found(frame, body, joint, f"{value}, beyond {limits.section}.largest_coordinate: {limits.coordinate:g}")


def _step(frames: npt.NDArray[np.floating], limits: Limits, seen: Mask | None) -> Found | None:
    steps = np.linalg.norm(np.diff(frames, axis=0), axis=-1)
    if seen is not None:
        steps = np.where(seen[1:] & seen[:-1], steps, 0)
    beyond = steps > (limits.step or np.inf)
    if not beyond.any():
        return None
    frame, body, joint = (int(place) for place in np.argwhere(beyond)[0])
    size = f"a step of {steps[frame, body, joint]:g} since the frame before"
    return Found(frame + 1, body, joint, f"{size}, beyond {limits.section}.largest_step: {limits.step:g}")
