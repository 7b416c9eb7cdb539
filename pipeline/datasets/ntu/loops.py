"""The compiled loops of the repairs: one pass over a file's bodies instead of dozens of small NumPy calls.

They do what is usual (every number known and in sight, every body somewhere, steps that people take) and say where a file is not:
`bodies` then does the same with NumPy. Sums go in NumPy's order, so that both ways give the same bits.

Importing this compiles, or loads what numba has kept: `kernel` says when.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from pipeline.datasets.ntu.kernel import KEEP

Integers = npt.NDArray[np.int64]
Joints = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@njit("boolean(float32[:,:,::1], float64)", cache=KEEP)
def usual(joints: Joints, largest: float) -> bool:
    """Whether all of `[N, J, 3]` is finite and at most `largest` (0: any size), and no body is zero in every number."""
    limit = np.float32(largest) if largest else np.float32(np.inf)
    odd = False
    for body in range(joints.shape[0]):
        zero = True
        for joint in range(joints.shape[1]):
            for axis in range(3):
                value = joints[body, joint, axis]
                odd |= not (abs(value) <= limit) or abs(value) == np.inf
                zero &= value == 0
        odd |= zero
    return not odd


@njit("int64(int64[::1], int64[::1], float32[:,:,::1], int64, boolean[::1], float32[:,:,::1])", cache=KEEP)
def follow(counts: Integers, ids: Integers, joints: Joints, track: int, present: Mask, placed: Joints) -> int:  # noqa: PLR0917
    """Put the bodies `[N]` with an id into the zeros `present` `[T]` and `placed` `[T, J, 3]`; how many came twice in a frame.

    Of two in one frame it is the first.
    """
    body, twice = 0, 0
    for frame in range(counts.shape[0]):
        for _ in range(counts[frame]):
            if ids[body] == track and present[frame]:
                twice += 1
            elif ids[body] == track:
                present[frame] = True
                placed[frame] = joints[body]
            body += 1
    return twice


@njit("float64(boolean[::1], float32[:,:,::1])", cache=KEEP)
def longest_step(present: Mask, joints: Joints) -> float:
    """The square of the longest way of a joint of `[T, J, 3]` from one frame to the next, where both are present."""
    longest = 0.0
    for frame in range(1, joints.shape[0]):
        if present[frame] and present[frame - 1]:
            for joint in range(joints.shape[1]):
                square = 0.0
                for axis in range(3):
                    way = np.float64(joints[frame, joint, axis]) - np.float64(joints[frame - 1, joint, axis])
                    square += way * way
                longest = max(longest, square)
    return longest


@njit("boolean[::1](float32[:,:,::1], float64)", cache=KEEP)
def wide(joints: Joints, ratio: float) -> Mask:
    """In which frames of `[T, J, 3]` the extent in x is more than `ratio` times that in y, in float32: bool `[T]`."""
    found = np.zeros(joints.shape[0], np.bool_)
    for frame in range(joints.shape[0]):
        low, high = joints[frame, 0].copy(), joints[frame, 0].copy()
        for joint in range(joints.shape[1]):
            for axis in range(2):
                low[axis] = min(low[axis], joints[frame, joint, axis])
                high[axis] = max(high[axis], joints[frame, joint, axis])
        found[frame] = high[0] - low[0] > np.float32(ratio) * (high[1] - low[1])
    return found


@njit("float64[::1](float32[:,::1])", cache=KEEP)
def variances(joints: Joints) -> npt.NDArray[np.float64]:
    """The variance of each column of `[N, C]` in float64, as NumPy's `var(axis=0)`: float64 `[C]`."""
    rows, columns = joints.shape
    mean, found = np.zeros(columns), np.zeros(columns)
    for row in range(rows):
        for column in range(columns):
            mean[column] += np.float64(joints[row, column])
    mean /= rows
    for row in range(rows):
        for column in range(columns):
            off = np.float64(joints[row, column]) - mean[column]
            found[column] += off * off
    found /= rows
    return found


@njit("float32[:,:,:,::1](float32[:,:,:,::1], boolean[:,:], float32[::1])", cache=KEEP)
def moved(frames: Joints, present: Mask, origin: Joints) -> Joints:
    """`[T, M, J, 3]` less `origin` `[3]` where a body is present (`[T, M]`), else zeros."""
    result = np.zeros_like(frames)
    for frame in range(frames.shape[0]):
        for body in range(frames.shape[1]):
            if present[frame, body]:
                for joint in range(frames.shape[2]):
                    for axis in range(3):
                        result[frame, body, joint, axis] = frames[frame, body, joint, axis] - origin[axis]
    return result
