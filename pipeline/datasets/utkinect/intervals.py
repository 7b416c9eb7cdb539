"""`actionLabel.txt`: which frames of each take are which action, and the faults of the published file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from pipeline.datasets.shared.errors import MalformedSkeleton

FILE = "actionLabel.txt"
ACTIONS = ("walk", "sitDown", "standUp", "pickUp", "carry", "throw", "push", "pull", "waveHands", "clapHands")
Bounds = tuple[int, int]
"""First and last frame, both in the interval."""
CORRECTIONS: dict[tuple[str, str], tuple[Bounds, Bounds]] = {
    # As published it begins a thousand frames early and covers the whole throw; the arm is stretched out from 3556 on.
    ("s03_e01", "push"): ((2556, 3622), (3556, 3622)),
}
_TAKE = re.compile(r"(s\d\d_e\d\d)")
_INTERVAL = re.compile(r"(\w+):\s*(\d+|NaN)\s+(\d+|NaN)")


class Interval(NamedTuple):
    """An action of a take as published; `bounds` is None where the file has NaN, `line` counts from 1."""

    take: str
    action: str
    bounds: Bounds | None
    line: int


def parse(text: bytes, where: str = FILE) -> dict[str, list[Interval]]:
    """The intervals of each take, in the order of the file.

    Raises `MalformedSkeleton` for a line that is neither a take nor an interval, an action that there is not or that comes twice
    in a take, a take that comes twice, and for an interval that ends before it begins.
    """
    takes: dict[str, list[Interval]] = {}
    own: list[Interval] = []
    for number, line in enumerate(text.decode(errors="replace").rstrip().splitlines(), start=1):
        stripped = line.strip()
        if match := _TAKE.fullmatch(stripped):
            if match[1] in takes:
                raise MalformedSkeleton(where, number, f"expected each take once, found {match[1]} again")
            own = takes[match[1]] = []
        elif takes and (match := _INTERVAL.fullmatch(stripped)):
            own.append(_interval(list(takes)[-1], match, {i.action for i in own}, where, number))
        else:
            expected = "a take such as s01_e01, or an action with its first and last frame"
            raise MalformedSkeleton(where, number, f"expected {expected}, found {stripped[:40]!r}")
    return takes


def _interval(take: str, match: re.Match[str], seen: set[str], where: str, number: int) -> Interval:
    action, first, last = match.groups()
    if action not in ACTIONS or action in seen:
        raise MalformedSkeleton(where, number, f"expected each of {', '.join(ACTIONS)} once, found {action}")
    bounds = None if "NaN" in (first, last) else (int(first), int(last))
    if bounds and bounds[0] > bounds[1]:
        raise MalformedSkeleton(where, number, f"expected first and last frame, found {first} and {last}")
    return Interval(take, action, bounds, number)


def corrected(interval: Interval) -> Interval:
    """The interval without a known error of typing; one that differs from the published one stays as it is."""
    published, right = CORRECTIONS.get((interval.take, interval.action), (None, None))
    return interval._replace(bounds=right) if published is not None and interval.bounds == published else interval


def cut(intervals: Sequence[Interval]) -> list[Interval]:
    """The intervals of a take, each ending at the latest in the frame in which the next one begins; their order stays."""
    timed = sorted((i for i in intervals if i.bounds), key=lambda i: i.bounds or (0, 0))
    ends = {i.action: j.bounds[0] for i, j in pairwise(timed) if i.bounds and j.bounds and i.bounds[1] > j.bounds[0]}
    return [i._replace(bounds=(i.bounds[0], ends[i.action])) if i.bounds and i.action in ends else i for i in intervals]
