"""The skeleton as a tree: its order, its hips, and a clip with the bones of another person, turned to face one way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.core.skeletons import Meta

Array = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
TINY = 1e-6  # a bone shorter than this has no direction


def parents(meta: Meta) -> Ints:
    """The parent of each joint, -1 where it has none: int64 `[J]`."""
    found = np.full(len(meta.joints), -1, np.int64)
    for child, parent in meta.bones:
        found[child] = parent
    return found


def depths(parent: Ints) -> Ints:
    """How many bones lie between each joint and its root: int64 `[J]`."""
    depth, above = np.zeros(len(parent), np.int64), parent.copy()
    while (there := above >= 0).any():
        depth += there
        above = np.where(there, parent[above], -1)
    return depth


def hips(meta: Meta) -> Ints:
    """The two sides of the body nearest to the root, lower joint first: int64 `[2]`; twice joint 0 where there are no sides."""
    depth = depths(parents(meta))
    sides = [(int(depth[j] + depth[other]), j, other) for j, other in enumerate(meta.mirror) if j < other]
    return np.array(min(sides)[1:] if sides else (0, 0), np.int64)


def bones(clip: Array, parent: Ints) -> Array:
    """From parent to joint, 0 for a root: float32 `[..., J, 3]` of positions `[..., J, 3]`."""
    vectors = clip - clip[..., parent, :]
    vectors[..., parent < 0, :] = 0
    return vectors


def lengths(clips: list[Array], parent: Ints) -> Array:
    """Mean length of each bone over all frames and bodies where it has one: float32 `[J]`."""
    total, count = np.zeros(len(parent)), np.zeros(len(parent))
    for clip in clips:
        found = np.linalg.norm(bones(clip, parent), axis=-1).reshape(-1, len(parent))
        total, count = total + found.sum(0, dtype=np.float64), count + (found > TINY).sum(0)
    return (total / np.maximum(count, 1)).astype(np.float32)


def with_bones(clip: Array, parent: Ints, length: Array) -> Array:
    """The clip with bones of these lengths and the directions that they have; roots stay, as does a bone without direction."""
    vectors = bones(clip, parent)
    size = np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors = vectors / np.maximum(size, TINY) * np.where(size > TINY, length[:, None], 0)
    result = clip.copy()
    for joint in np.argsort(depths(parent), kind="stable"):
        if parent[joint] >= 0:
            result[..., joint, :] = result[..., parent[joint], :] + vectors[..., joint, :]
    return result


def facing(clip: Array, sides: Ints) -> Array:
    """Every frame of `[T, M, J, 3]` turned about the vertical, y, so that the hips of the first body lie along x."""
    across = clip[:, 0, sides[1]] - clip[:, 0, sides[0]]  # [T, 3]
    flat = np.hypot(across[:, 0], across[:, 2])
    known = flat > TINY
    cos = np.where(known, across[:, 0] / np.maximum(flat, TINY), 1)[:, None, None]
    sin = np.where(known, across[:, 2] / np.maximum(flat, TINY), 0)[:, None, None]
    x, y, z = np.moveaxis(clip, -1, 0)
    turned: Array = np.stack([cos * x + sin * z, y, cos * z - sin * x], -1).astype(np.float32)
    return turned


def present(clip: Array) -> npt.NDArray[np.bool_]:
    """Whether a body is there, bool `[T, M]`: the store has zeros in place of an absent one."""
    return np.asarray(clip.any((-1, -2)))
