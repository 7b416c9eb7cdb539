"""Kind `lie-group`: curves of the relative geometry of body parts, Vemulapalli, Arrate, Chellappa, CVPR 2014.

How every bone lies to every other, as motions in SE(3); curves of one length, by logarithm a vector a frame; warped to the
nominal curve of a class, described by a Fourier temporal pyramid, judged by the linear machine of that class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.core.model import Config
from pipeline.core.skeletons import Meta
from pipeline.core.training.streams import Streams
from pipeline.networks.body import TINY, bones, facing, hips, lengths, parents, with_bones
from pipeline.networks.fitted import Array, Fitted, Labels, train
from pipeline.networks.pyramid import pyramid
from pipeline.networks.se3 import logarithm, relative, resample
from pipeline.networks.warping import nominal, warp

__all__ = ["NETWORK", "LieGroup", "train"]


class LieGroup(Fitted):
    """`frames` of a curve, `rounds` of averaging for a nominal curve, `levels` of the pyramid.

    The bones of all bodies are its body parts, so it sees how two people stand to each other. A bone without length (its body is
    absent) lies like every other: at 0.
    """

    parent: Tensor
    sides: Tensor
    length: Tensor
    curves: Tensor
    by_class = True
    balanced = True

    def __init__(self, inputs: int, c: Config, frames: int, rounds: int, levels: int):
        super().__init__(inputs, c)
        self.frames, self.rounds, self.levels = frames, rounds, levels
        self.keep(parent=torch.full((c.joints,), -1), sides=torch.zeros(2, dtype=torch.int64))
        self.keep(length=torch.zeros(c.joints), curves=torch.zeros(c.classes, frames, 0))

    def learn(self, clips: Sequence[Array], labels: Labels, meta: Meta, streams: Streams) -> None:
        """The tree, the lengths of its bones, a nominal curve for each class."""
        parent = parents(meta)
        self.keep(parent=parent, sides=hips(meta), length=lengths(list(clips), parent))
        found = np.stack([self.represent(clip) for clip in clips])  # [n, frames, F]
        curves = np.zeros((self.c.classes, *found.shape[1:]), np.float32)
        for label in np.unique(labels):
            curves[label] = nominal(found[labels == label], self.rounds)
        self.keep(curves=curves)

    def represent(self, clip: Array) -> Array:
        """The curve of a clip: float32 `[frames, 6 P (P - 1)]` for P bones."""
        parent = self.parent.cpu().numpy()
        clip = facing(with_bones(clip, parent, self.length.float().cpu().numpy()), self.sides.cpu().numpy())
        child = np.flatnonzero(parent >= 0)
        vectors = bones(clip, parent)[:, :, child].reshape(len(clip), -1, 3).astype(np.float64)  # [T, P, 3]
        starts = clip[:, :, parent[child]].reshape(vectors.shape).astype(np.float64)
        size = np.linalg.norm(vectors, axis=-1, keepdims=True)
        directions = np.where(size > TINY, vectors / np.maximum(size, TINY), [1.0, 0, 0])
        one, other = np.nonzero(~np.eye(vectors.shape[1], dtype=bool))
        there = (size[..., 0] > TINY).all(0)  # [P]
        curve = logarithm(resample(relative(starts, directions, one, other), self.frames))  # [frames, pairs, 6]
        curve[:, ~(there[one] & there[other])] = 0
        result: Array = curve.reshape(self.frames, -1).astype(np.float32)
        return result

    def describe(self, found: Array, label: int) -> Array:
        """The pyramid of a curve in the time of a class."""
        return pyramid(warp(found, self.curves[label].float().cpu().numpy()), self.levels)


NETWORK = LieGroup
