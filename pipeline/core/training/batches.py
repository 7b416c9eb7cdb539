"""Batches of clips of nearly equal length, straight from the memory-mapped store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.core.skeletons import Frames, Store

Rows = npt.NDArray[np.intp]
Change = Callable[[Frames], Frames]
Share = Callable[[Rows], tuple[Rows, float]]


class Batch(NamedTuple):
    """`x` float32 `[T, B, K, channels]`, zero in padding; `mask` bool `[T, B]`, true on real frames; `labels` int64 `[B]`.

    `share` is below 1 where these are one process's clips of a batch that several divide, 0 for a stand-in without weight.
    """

    x: Tensor
    mask: Tensor
    labels: Tensor
    share: float = 1.0


class Clips:
    """Some samples of a store as clips of K = bodies * joints gates; an absent body is zeros.

    `rows` are places in the store's index. `frames` 0 leaves clips as they are; N resamples each to N frames. With
    `velocity` above 0 a joint has 6 channels: its position, and its movement since the frame before times `velocity`.
    """

    def __init__(self, store: Store, rows: Rows, frames: int = 0, velocity: float = 0.0):
        self.store, self.rows, self.frames, self.velocity = store, rows, frames, velocity
        self.labels: npt.NDArray[np.int64] = store.index["action"].to_numpy()[rows].astype(np.int64) - 1
        lengths = store.index["length"].to_numpy()[rows]
        self.lengths = np.full_like(lengths, frames) if frames else lengths

    def __len__(self) -> int:
        return len(self.rows)

    def clip(self, i: int, change: Change | None = None) -> Frames:
        """Clip `i` of these, float32 `[T, K, channels]`, as it is or changed."""
        frames = self.store.clip(int(self.rows[i]))  # [T, M, J, 3]
        length, bodies, joints, _ = frames.shape
        whole = np.zeros((length, self.store.meta.bodies, joints, 3), np.float32)
        whole[:, :bodies] = frames
        clip = whole.reshape(length, -1, 3)
        if change is not None:
            clip = change(clip)
        if self.frames:
            clip = resample(clip, self.frames)
        return with_velocity(clip, self.velocity) if self.velocity else clip

    def batch(self, chosen: Rows, change: Change | None = None) -> Batch:
        """The chosen clips, padded at their ends to the longest of them."""
        clips = [self.clip(int(i), change) for i in chosen]
        lengths = np.array([len(clip) for clip in clips])
        x = np.zeros((lengths.max(), len(clips), *clips[0].shape[1:]), np.float32)
        for b, clip in enumerate(clips):
            x[: len(clip), b] = clip
        mask = np.arange(lengths.max())[:, None] < lengths
        return Batch(torch.from_numpy(x), torch.from_numpy(mask), torch.from_numpy(self.labels[chosen]))

    def shuffled(
        self, size: int, pool: int, rng: np.random.Generator, change: Change | None = None, share: Share | None = None
    ) -> Iterator[Batch]:
        """Every clip once, in random batches of `size` (the last may be smaller) whose clips have similar lengths.

        Clips are shuffled, sorted by length inside pools of `pool` batches, cut into batches, and the batches shuffled. Of each
        batch a process of several takes its `share`.
        """
        order = rng.permutation(len(self))
        pools = [order[i : i + size * pool] for i in range(0, len(order), size * pool)]
        by_length = [p[np.argsort(self.lengths[p], kind="stable")] for p in pools]
        batches = [p[i : i + size] for p in by_length for i in range(0, len(p), size)]
        for b in rng.permutation(len(batches)):
            chosen, part = share(batches[b]) if share else (batches[b], 1.0)
            yield self.batch(chosen, change)._replace(share=part)

    def in_order(self, size: int, change: Change | None = None) -> Iterator[tuple[Rows, Batch]]:
        """Every clip once, shortest first, with the clips' places; nothing random, nothing dropped."""
        order = np.argsort(self.lengths, kind="stable")
        for i in range(0, len(order), size):
            yield order[i : i + size], self.batch(order[i : i + size], change)


def resample(clip: Frames, frames: int) -> Frames:
    """Linear in time from the first frame to the last: float32 `[T, ...]` -> `[frames, ...]`."""
    place = np.linspace(0, len(clip) - 1, frames)
    low = np.minimum(place.astype(np.intp), max(len(clip) - 2, 0))
    high = np.minimum(low + 1, len(clip) - 1)
    part = (place - low).astype(np.float32).reshape(-1, *[1] * (clip.ndim - 1))
    result: Frames = clip[low] * (1 - part) + clip[high] * part
    return result


def with_velocity(clip: Frames, scale: float) -> Frames:
    """Position and movement since the frame before (0 in the first) times `scale`: float32 `[T, K, 3]` -> `[T, K, 6]`."""
    moved = np.diff(clip, axis=0, prepend=clip[:1]) * np.float32(scale)
    return np.concatenate([clip, moved], axis=-1)
