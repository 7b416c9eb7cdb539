"""Kind `dynamic-skeletons`: differences of all pairs of joints over time, the closest public reading of Hu et al., CVPR 2015.

The features of the skeleton alone: where every joint is from every other, a Fourier temporal pyramid of that, a linear machine.
The colour and depth features of that paper, and what it learns over all of them together, have no place on skeletons.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.model import Config
from pipeline.core.training.batches import resample
from pipeline.networks.body import present
from pipeline.networks.fitted import Array, Fitted, train
from pipeline.networks.pyramid import pyramid

__all__ = ["NETWORK", "DynamicSkeletons", "train"]


class DynamicSkeletons(Fitted):
    """Clips are brought to `frames` frames; the pyramid has `levels` levels. A pair with a joint of an absent body is at 0."""

    def __init__(self, inputs: int, c: Config, frames: int, levels: int):
        super().__init__(inputs, c)
        self.frames, self.levels = frames, levels

    def represent(self, clip: Array) -> Array:
        """The pyramid of all differences, joint by later joint of all bodies: float32 `[G 3 pairs]`."""
        joints = clip.reshape(len(clip), -1, 3)
        one, other = np.triu_indices(joints.shape[1], 1)
        there = np.repeat(present(clip), clip.shape[2], axis=1)  # [T, K]
        vectors = (joints[:, other] - joints[:, one]) * (there[:, one] & there[:, other])[..., None]
        return pyramid(resample(vectors.reshape(len(clip), -1), self.frames), self.levels)


NETWORK = DynamicSkeletons
