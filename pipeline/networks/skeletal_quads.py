"""Kind `skeletal-quads`: Fisher vectors of quads of joints, Evangelidis, Singh, Horaud, ICPR 2014.

Every frame has quads of joints, described so that no similarity changes them; a clip has a Fisher vector of all of them, of those
in each half, and of those in each third; linear machines judge the six together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
import torch
from torch import Tensor

from pipeline.core.model import Config
from pipeline.core.skeletons import Meta
from pipeline.core.training.streams import Streams
from pipeline.networks.body import present
from pipeline.networks.fisher import Mixture, fit, improved, moments, vector
from pipeline.networks.fitted import Array, Fitted, Labels, train
from pipeline.networks.quads import descriptors

__all__ = ["NETWORK", "SkeletalQuads", "train"]

PARTS = tuple((i, n) for n in (1, 2, 3) for i in range(n))  # the whole, halves, thirds


class SkeletalQuads(Fitted):
    """`gaussians` of the mixture, `quads` of joints a frame (all where there are no more), `samples` that the mixture sees.

    Quads are of the joints of all bodies; those with a joint of an absent body are left out.
    """

    chosen: Tensor
    share: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, inputs: int, c: Config, gaussians: int, quads: int, samples: int):
        super().__init__(inputs, c)
        self.gaussians, self.quads, self.samples = gaussians, quads, samples
        self.keep(chosen=torch.zeros(0, 4, dtype=torch.int64), share=torch.zeros(0))
        self.keep(mean=torch.zeros(0, 6), deviation=torch.zeros(0, 6))

    def learn(self, clips: Sequence[Array], labels: Labels, meta: Meta, streams: Streams) -> None:
        """Which quads, and the mixture of their descriptors in frames of all training clips."""
        rng = streams.numpy("quads")
        self.keep(chosen=choose(self.c.bodies * self.c.joints, self.quads, rng))
        each = max(1, -(-self.samples // len(clips)))
        seen = [rng.permutation(found)[:each] for clip in clips if len(found := np.concatenate(self.describe_frames(clip)))]
        points = np.concatenate(seen) if seen else np.zeros((2, 6))  # no quads, or points that coincide
        mixture = fit(points, self.gaussians, streams.integer("mixture") % 2**32)
        self.keep(**{name: value.astype(np.float32) for name, value in mixture._asdict().items()})

    def describe_frames(self, clip: Array) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
        """The descriptors of each frame's quads, float64 `[n, 6]` each."""
        joints = clip.reshape(len(clip), -1, 3).astype(np.float64)
        there = np.repeat(present(clip), clip.shape[2], axis=1)  # [T, K]
        chosen = self.chosen.cpu().numpy()
        return [descriptors(frame[chosen[real[chosen].all(1)]]) for frame, real in zip(joints, there, strict=True)]

    def represent(self, clip: Array) -> Array:
        """The six Fisher vectors of a clip, one after the other: float32 `[6 . 2 K 6]`."""
        mixture = Mixture(*(part.double().cpu().numpy() for part in (self.share, self.mean, self.deviation)))
        sums = np.stack([moments(frame, mixture) for frame in self.describe_frames(clip)])  # [T, K, 13]
        found = [improved(vector(sums[span(len(clip), i, n)].sum(0), mixture)) for i, n in PARTS]
        result: Array = np.concatenate(found).astype(np.float32)
        return result


def choose(joints: int, count: int, rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Quads of different joints, in order, int64 `[count, 4]`: all where there are no more, else drawn without repeats."""
    whole = comb(joints, 4)
    places = range(whole) if whole <= count else sorted(rng.choice(whole, count, replace=False).tolist())
    wanted = set(places)
    found = [quad for i, quad in enumerate(combinations(range(joints), 4)) if i in wanted]
    return np.array(found, np.int64).reshape(-1, 4)


def span(length: int, i: int, n: int) -> slice:
    """Part `i` of `n` of a clip, at least one frame."""
    start = i * length // n
    return slice(start, max(start + 1, (i + 1) * length // n))


NETWORK = SkeletalQuads
