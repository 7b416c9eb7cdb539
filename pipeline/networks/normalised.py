"""Batch normalisation whose running moments are plain float buffers and nothing else.

The project's weight files have floats alone, and torch's own count of batches, an integer, may be absent from a plain state dict
without a word (findings/torch-strict-plain-dict.sh).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Normalised(nn.Module):
    """Each of `features` at mean 0 and deviation 1 over a batch, in evaluation by running moments; then scaled and moved."""

    mean: Tensor
    variance: Tensor

    def __init__(self, features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Float `[..., features]` -> the same shape."""
        flat = x.reshape(-1, x.shape[-1])
        found = functional.batch_norm(flat, self.mean, self.variance, self.weight, self.bias, self.training)
        return found.view_as(x)
