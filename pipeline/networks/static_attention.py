"""Attention that does not look: weights of joints and of frames that are learned, and then the same for every clip.

The fair counterpart of the attention networks: the same LSTM layers, with a weight for each joint before them and a weight for
each part of the clip after them, which no input changes. What STA-LSTM gains over it is gained by looking.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.core.model import Config, MainLSTM


class StaticAttention(MainLSTM):
    """A main network for `STALSTM`: K joint weights (with `joints`), `bins` weights over the relative time of a clip (0: none).

    Both are softmax times their number, so they average 1, and all are 1 before training: the network then equals `MainLSTM`.
    `spatial_penalty` is the weight of the term that STA-LSTM has on its alpha, lambda1.
    """

    def __init__(self, inputs: int, c: Config, joints: bool, bins: int, spatial_penalty: float):
        super().__init__(inputs, c)
        self.c, self.spatial_penalty = c, spatial_penalty
        self.joints = nn.Parameter(torch.zeros(c.bodies * c.joints)) if joints else None
        self.bins = nn.Parameter(torch.zeros(bins)) if bins else None

    def alpha(self) -> Tensor:
        """The weights of the joints of all bodies, float `[K]`; 1 each without `joints`."""
        scores = self.z.weight.new_zeros(self.c.bodies * self.c.joints) if self.joints is None else self.joints
        return len(scores) * torch.softmax(scores, -1)

    def beta(self, mask: Tensor) -> Tensor:
        """The weights of the frames of each clip, float `[T, B]` for a mask `[T, B]`: linear between the middles of the bins."""
        if self.bins is None:
            return torch.ones_like(mask, dtype=self.z.weight.dtype)
        weights = len(self.bins) * torch.softmax(self.bins, -1)
        frames = torch.arange(len(mask), device=mask.device).unsqueeze(-1)  # [T, 1]
        place = (frames + 0.5) / mask.sum(0) * len(weights) - 0.5  # [T, B], 0 in the middle of the first bin
        place = place.clamp(0, len(weights) - 1)
        low = place.floor().long()
        high = (low + 1).clamp(max=len(weights) - 1)
        return torch.lerp(weights[low], weights[high], (place - low).to(weights.dtype))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> z times the weight of its frame, float `[T, B, C]`."""
        gates = self.alpha().repeat_interleave(self.c.channels)  # [inputs], in the order of x: joint by joint
        return super().forward(x * gates, mask) * self.beta(mask).unsqueeze(-1)

    def penalty(self) -> Tensor:
        """spatial_penalty sum_k (1 - alpha_k)^2, as the objective has it for an alpha that is the same in all frames."""
        return self.spatial_penalty * ((1 - self.alpha()) ** 2).sum()


NETWORK = StaticAttention
