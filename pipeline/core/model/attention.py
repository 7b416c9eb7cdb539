"""The two attention sub-networks: which joints (`alpha`), which frames (`beta`).

Both read the raw skeleton x_t and their own LSTM's state one frame back, and nothing else. So whole clips run through
`nn.LSTM` and the states are shifted by one frame: no Python loop over frames, and the same numbers as the loop.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def previous(h: Tensor) -> Tensor:
    """h_{t-1} for every t: `[T, B, H]` shifted by one frame, zeros first."""
    return torch.cat([torch.zeros_like(h[:1]), h[:-1]])


class SpatialAttention(nn.Module):
    """alpha_t = softmax(U_s tanh(W_xs x_t + W_hs h^s_{t-1} + b_s) + b_us), over the K gates of a frame."""

    def __init__(self, inputs: int, hidden: int, gates: int):
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden)
        self.W_xs = nn.Linear(inputs, hidden)  # with b_s
        self.W_hs = nn.Linear(hidden, hidden, bias=False)
        self.U_s = nn.Linear(hidden, gates)  # with b_us

    def forward(self, x: Tensor) -> Tensor:
        """Float `[T, B, inputs]` -> alpha, float `[T, B, K]`, positive, sum 1 over K."""
        h, _ = self.lstm(x)  # [T, B, H]
        s = self.U_s(torch.tanh(self.W_xs(x) + self.W_hs(previous(h))))  # [T, B, K]
        return torch.softmax(s, dim=-1)


class TemporalAttention(nn.Module):
    """beta_t = ReLU(w_x~ x_t + w_h~ h~_{t-1} + b~), one number a frame.

    `layers` 2 puts a tanh layer of `hidden` units before it (one note on the paper counts two fully connected layers).
    `bias` is where b~ starts and `share` how large the weights before the ReLU start, against the usual size: a ReLU that
    starts at 0 in every frame of every clip gives no gradient and never learns, and constant parts of a pose can do that.
    """

    def __init__(self, inputs: int, hidden: int, layers: int = 1, bias: float = 1.0, share: float = 1.0):
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden)
        width = 1 if layers == 1 else hidden
        self.w_x = nn.Linear(inputs, width)  # with b~
        self.w_h = nn.Linear(hidden, width, bias=False)
        self.w_out = nn.Linear(width, 1) if layers == 2 else None
        self.bias, self.share = bias, share

    def forward(self, x: Tensor) -> Tensor:
        """Float `[T, B, inputs]` -> beta, float `[T, B]`, at least 0."""
        h, _ = self.lstm(x)  # [T, B, H]
        score = self.w_x(x) + self.w_h(previous(h))  # [T, B, 1], or [T, B, H] with two layers
        if self.w_out is not None:
            score = self.w_out(torch.tanh(score))
        return torch.relu(score).squeeze(-1)

    @torch.no_grad()
    def start(self) -> None:
        """After the weights are drawn: make beta start near `bias` in every frame."""
        last = [self.w_x, self.w_h] if self.w_out is None else [self.w_out]
        for linear in last:
            linear.weight.mul_(self.share)
        last[0].bias.fill_(self.bias)
