"""Which axis of the file is which, and its unit, found by looking at the bodies: copies of this data set differ in both.

In all of them people stand or sit upright, some metres before one sensor, and face it. So the axis along which heads are above
ankles is the vertical one; of the other two, the one along which nobody comes near 0, where the sensor is, is the depth; the sign
of the third follows from left and right shoulders. The distance of heads from ankles tells metres from millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.shared.clips import Coordinates

HEAD, TORSO, SHOULDERS, ANKLES = 0, 2, (3, 6), (11, 14)
UNITS = {"metres": 1.0, "millimetres": 1000.0}
TALL = (1.0, 2.0)  # metres from ankles to head, median over all frames: some sit, none is a child
CLEAR = 2.0  # times as far along the vertical as along any other axis
NEAR = 0.8  # metres: no sensor of the kind sees anybody who is nearer
BROAD = 0.1  # metres between shoulders, seen from the front, median


@dataclass(frozen=True)
class Axes:
    """Places in the file of x (to the right shoulder's side), y (up), z (away from the sensor), their signs, and the unit."""

    order: tuple[int, int, int]
    signs: tuple[int, int, int]
    unit: str

    def __str__(self) -> str:
        """Such as `+1 +3 +2 of the file, metres`."""
        places = " ".join(f"{'-' if sign < 0 else '+'}{axis + 1}" for axis, sign in zip(self.order, self.signs, strict=True))
        return f"{places} of the file, {self.unit}"

    def apply(self, raw: Coordinates) -> Coordinates:
        """`[T, 15, 3]` as in the file -> x, y, z in metres."""
        result: Coordinates = raw[..., list(self.order)] * np.array(self.signs) / UNITS[self.unit]
        return result


def find(frames: Coordinates) -> Axes | str:
    """The axes of all frames `[N, 15, 3]`, or why they cannot be told."""
    height = np.median(frames[:, HEAD] - frames[:, ANKLES].mean(axis=1), axis=0)
    up = int(np.abs(height).argmax())
    others = [axis for axis in range(3) if axis != up]
    if abs(height[up]) < CLEAR * np.abs(height[others]).max():
        return f"heads are above ankles along no single axis (medians {_numbers(height)})"
    unit = [name for name, scale in UNITS.items() if TALL[0] <= abs(height[up]) / scale <= TALL[1]]
    if not unit:
        return (
            f"heads are {abs(height[up]):.4g} above ankles, which is {TALL[0]:g} to {TALL[1]:g} in neither metres nor millimetres"
        )
    scale = UNITS[unit[0]]
    torso = frames[:, TORSO] / scale
    nearest = [
        float(np.abs(torso[:, axis]).min()) if abs(np.sign(torso[:, axis]).sum()) == len(torso) else 0.0 for axis in others
    ]
    if max(nearest) < NEAR:
        return f"along no axis but the vertical everybody is {NEAR:g} metres or more from the sensor"
    depth = others[int(np.argmax(nearest))]
    side = next(axis for axis in others if axis != depth)
    left, right = (frames[:, shoulder, side] for shoulder in SHOULDERS)
    apart = float(np.median(right - left))
    if abs(apart) < BROAD * scale:
        return f"shoulders are {apart:.4g} apart along axis {side + 1}, less than {BROAD:g} metres: people do not face the sensor"
    signs = (int(np.sign(apart)), int(np.sign(height[up])), int(np.sign(np.median(frames[:, TORSO, depth]))))
    return Axes((side, up, depth), signs, unit[0])


def _nearest(values: Coordinates) -> float:
    """How near to 0 the values come; 0 where they are on both sides of it."""
    return float(max(values.min(), -values.max(), 0.0))


def _numbers(values: Coordinates) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
