"""Kind `poselets`: pairs of parts of two bodies, in the spirit of Ji, Ye, Cheng, ICME workshops 2014. Our reading.

No description with parameters is public. Here: what a frame shows of each pair of parts is one of some words, found by k-means in
training frames; words are kept that are in many clips of a class and in few of the others; linear machines judge how often each
kept word is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, combinations_with_replacement, product
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.core.model import Config
from pipeline.core.skeletons import Meta
from pipeline.core.training.streams import Streams
from pipeline.networks.fitted import Array, Fitted, Labels, train
from pipeline.networks.parts import Parts

__all__ = ["NETWORK", "Poselets", "train"]

Floats = npt.NDArray[np.float64]
Pair = tuple[list[int], list[int]]
FAR = 1e4  # where a word is that is not there: never the nearest


class Poselets(Fitted):
    """`features` of a pair of parts: `raw`, the positions of their joints, or `joint`, the distances from one to the other.

    `words` a pair; `kept` words a class, of those that at least a share `support` of the clips of the class have; `samples` are
    the frames that k-means sees.
    """

    centres: Tensor
    chosen: Tensor

    def __init__(
        self,
        inputs: int,
        c: Config,
        *,
        parts: Parts,
        features: Literal["raw", "joint"],
        words: int,
        kept: int,
        support: float,
        samples: int,
    ):
        super().__init__(inputs, c)
        self.features, self.words, self.kept, self.support, self.samples = features, words, kept, support, samples
        self.pairs = pairs(parts, c.bodies, c.joints)
        self.keep(centres=torch.zeros(len(self.pairs), words, 0), chosen=torch.zeros(0, dtype=torch.int64))

    def learn(self, clips: Sequence[Array], labels: Labels, meta: Meta, streams: Streams) -> None:
        """The words of each pair of parts, then those that tell the classes apart."""
        frames = np.concatenate(list(clips))
        frames = frames[streams.numpy("frames").permutation(len(frames))[: self.samples]]
        found = [cluster(x, self.words, streams.integer("words", i) % 2**32) for i, x in enumerate(self.measure(frames))]
        widest = max(centres.shape[1] for centres in found)
        centres = np.full((len(found), self.words, widest), FAR, np.float32)
        for i, own in enumerate(found):
            centres[i, : len(own)] = 0
            centres[i, : len(own), : own.shape[1]] = own
        self.keep(centres=centres)
        there = np.stack([self.count(clip) > 0 for clip in clips])  # [n, pairs words]
        self.keep(chosen=contrast(there, labels, self.kept, self.support))

    def measure(self, clip: Array) -> list[Floats]:
        """What each pair of parts shows in each frame: float64 `[T, F]`, a pair after the other."""
        joints = clip.reshape(len(clip), -1, 3).astype(np.float64)
        if self.features == "raw":
            return [joints[:, one + other].reshape(len(clip), -1) for one, other in self.pairs]
        apart = np.linalg.norm(joints[:, :, None] - joints[:, None], axis=-1)  # [T, K, K]
        return [apart[:, one][:, :, other].reshape(len(clip), -1) for one, other in self.pairs]

    def count(self, clip: Array) -> npt.NDArray[np.int64]:
        """How many frames show each word: int64 `[pairs words]`."""
        centres = self.centres.double().cpu().numpy()
        counts = np.zeros(centres.shape[:2], np.int64)
        for i, (x, own) in enumerate(zip(self.measure(clip), centres, strict=True)):
            apart = ((x[:, None] - own[None, :, : x.shape[1]]) ** 2).sum(-1)  # [T, words]
            counts[i] = np.bincount(apart.argmin(1), minlength=len(own))
        return counts.reshape(-1)

    def represent(self, clip: Array) -> Array:
        """The share of frames that show each kept word: float32 `[kept]`."""
        shares: Array = (self.count(clip)[self.chosen.cpu().numpy()] / len(clip)).astype(np.float32)
        return shares


def pairs(parts: Parts, bodies: int, joints: int) -> list[Pair]:
    """Each part of a body with each part of another; of one body alone each with each, itself too. Joints of all bodies."""
    own = [[[body * joints + j for j in part] for part in parts if part] for body in range(bodies)]
    if bodies == 1:
        return list(combinations_with_replacement(own[0], 2))
    return [pair for one, other in combinations(own, 2) for pair in product(one, other)]


def cluster(x: Floats, count: int, seed: int) -> Floats:
    """Means of k-means, `[at most count, F]`: no more than there are different rows."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 (slow to import)

    different = np.unique(x, axis=0)
    if len(different) <= count:
        return different
    centres: Floats = KMeans(count, n_init=1, random_state=seed).fit(x).cluster_centers_
    return centres


def contrast(there: npt.NDArray[np.bool_], labels: Labels, kept: int, support: float) -> Labels:
    """Words that tell classes apart, from which clip has which, bool `[n, W]`: their places in order, int64.

    For each class the `kept` words that grow most from the other classes to it, of those that a share `support` of its clips
    have. A word grows by the share of the clips of the class that have it, over the share of the others; of equals the
    more frequent one, then the first.
    """
    found: set[int] = set()
    for label in np.unique(labels):
        inside, outside = there[labels == label].mean(0), there[labels != label]
        others = outside.mean(0) if len(outside) else np.zeros_like(inside)
        growth = np.where(inside >= support, inside / np.maximum(others, 1e-9), -1)
        order = np.lexsort((-inside, -growth))[:kept]
        found |= set(order[growth[order] >= 0].tolist())
    return np.array(sorted(found) or [0], np.int64)


NETWORK = Poselets
