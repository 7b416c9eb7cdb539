"""Rigid motions, SE(3): how one bone lies to another, motions between two of them, and their logarithms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.spatial.transform import RigidTransform

Floats = npt.NDArray[np.float64]


def from_x(direction: Floats) -> Floats:
    """The smallest rotation that takes the x axis to each unit vector: float64 `[..., 3]` -> `[..., 3, 3]`.

    For -x, where every half turn is as small, the half turn about z.
    """
    x, y, z = np.moveaxis(direction, -1, 0)
    behind = x < -1 + 1e-9
    share = np.where(behind, 0, 1 / np.where(behind, 1, 1 + x))
    rows = [[x, -y, -z], [y, np.where(behind, -1, 1 - share * y * y), -share * y * z], [z, -share * y * z, 1 - share * z * z]]
    return np.moveaxis(np.array([np.stack(row) for row in rows]), (0, 1), (-2, -1))


def relative(starts: Floats, directions: Floats, one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]) -> RigidTransform:
    """How bone `other` lies to bone `one`, for pairs of bones: starts and unit directions float64 `[T, P, 3]` -> `[T, pairs]`.

    Bone `one` is moved to the origin and, by the smallest rotation, onto the x axis. There the motion that takes the x axis to
    bone `other` has the smallest rotation as well: Vemulapalli, Arrate, Chellappa, CVPR 2014.
    """
    from scipy.spatial.transform import RigidTransform, Rotation  # noqa: PLC0415 (slow to import)

    back = np.swapaxes(from_x(directions), -1, -2)[:, one]  # [T, pairs, 3, 3]
    place = np.einsum("...ij,...j->...i", back, starts[:, other] - starts[:, one])
    towards = np.einsum("...ij,...j->...i", back, directions[:, other])
    return RigidTransform.from_components(place, Rotation.from_matrix(from_x(towards)))


def logarithm(motion: RigidTransform) -> Floats:
    """Six numbers a motion, rotation vector and translation: float64 `[..., 6]`."""
    return np.asarray(motion.as_exp_coords())


def resample(motion: RigidTransform, frames: int) -> RigidTransform:
    """Screw motions between neighbours in time, from the first to the last: motions `[T, N]` -> `[frames, N]`."""
    from scipy.spatial.transform import RigidTransform  # noqa: PLC0415

    length = motion.shape[0]
    place = np.linspace(0, length - 1, frames)
    low = np.minimum(place.astype(np.intp), max(length - 2, 0))
    if length == 1:
        return motion[low]
    steps = logarithm(motion[:-1].inv() * motion[1:])  # [T - 1, N, 6]
    return motion[low] * RigidTransform.from_exp_coords(steps[low] * (place - low)[:, None, None])
