"""Recurrent layers that read a clip in both directions, for the earlier methods of the paper's tables."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def reverse(x: Tensor, mask: Tensor) -> Tensor:
    """The frames of each clip in the opposite order, padding left at the end: `[T, B, H]`, `mask` bool `[T, B]`."""
    t = torch.arange(len(x), device=x.device).unsqueeze(-1)  # [T, 1]
    place = torch.where(mask, mask.sum(0) - 1 - t, t)  # [T, B]
    return x.gather(0, place.unsqueeze(-1).expand_as(x))


class Bidirectional(nn.Module):
    """Two layers of `kind` (`nn.LSTM`, or `nn.RNN` with tanh), one from the first frame on, one from the last frame back."""

    def __init__(self, kind: type[nn.RNN] | type[nn.LSTM], inputs: int, hidden: int):
        super().__init__()
        self.ahead, self.back = kind(inputs, hidden), kind(inputs, hidden)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> both states of every frame, float `[T, B, 2 hidden]`."""
        ahead = self.ahead(x)[0]  # [T, B, H]
        back = reverse(self.back(reverse(x, mask))[0], mask)  # [T, B, H]
        return torch.cat([ahead, back], dim=-1)
