"""Hierarchical co-occurrence network (HCN): Li, Zhong, Xie, Pu, IJCAI 2018. Later than STA-LSTM.

Convolutions first look at each joint by itself, over time; then joints become channels, so that the next convolutions see all of
them at once. Positions and movements have a stream each, bodies share the weights, and the stronger body counts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.model.sta_lstm import Config
from pipeline.networks.sampling import resized


class Convolution(nn.Module):
    """A convolution that keeps the size; its weights are those of a linear layer of the same inputs, and drawn as one."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int]):
        super().__init__()
        self.size = size
        self.linear = nn.Linear(inputs * size[0] * size[1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Float `[N, inputs, rows, columns]` -> float `[N, outputs, rows, columns]`."""
        weight = self.linear.weight.view(len(self.linear.weight), -1, *self.size)
        return functional.conv2d(x, weight, self.linear.bias, padding=(self.size[0] // 2, self.size[1] // 2))


class Stream(nn.Module):
    """Positions or movements of a body: joints one by one, then all together; with `deep` one convolution more."""

    def __init__(self, joints: int, channels: int, dropout: float, deep: bool):
        super().__init__()
        half = channels // 2
        self.point, self.time = Convolution(3, channels, (1, 1)), Convolution(channels, half, (3, 1))
        self.all = Convolution(joints, half, (3, 3))
        self.more = Convolution(half, channels, (3, 3)) if deep else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Float `[N, 3, S, J]` -> `[N, channels / 2, S / 2, channels / 4]`, with `deep` `[N, channels, S / 4, channels / 8]`."""
        h = self.time(torch.relu(self.point(x)))  # [N, channels / 2, S, J]
        h = functional.max_pool2d(self.all(h.transpose(1, 3)), 2)  # joints are channels now
        return h if self.more is None else self.dropout(functional.max_pool2d(self.more(h), 2))


class HCN(nn.Module):
    """A main network for `STALSTM`: `channels` of the first layer, `hidden` units of the last.

    `deep` adds a layer to both streams. A clip is brought to `frames` frames; they and half the channels are multiples of 8, with
    `deep` of 16. Positions alone are read, as the movement between these frames is the network's own.
    """

    def __init__(self, inputs: int, c: Config, *, frames: int, channels: int, hidden: int, deep: bool):
        super().__init__()
        self.c, self.frames = c, frames
        self.position, self.movement = (Stream(c.joints, channels, c.dropout, deep) for _ in range(2))
        width, shrunk = (2 * channels, 16) if deep else (channels, 8)
        self.five, self.six = Convolution(width, width, (3, 3)), Convolution(width, 2 * width, (3, 3))
        self.dropout = nn.Dropout(c.dropout)
        self.hidden = nn.Linear(2 * width * (frames // shrunk) * (channels // 2 // shrunk), hidden)
        self.z = nn.Linear(hidden, c.classes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> z, the same in all frames, float `[T, B, C]`."""
        bodies = x.reshape(*x.shape[:2], self.c.bodies, self.c.joints, self.c.channels)[..., :3]
        seen = resized(bodies, mask, self.frames)  # [S, B, M, J, 3]
        moved = torch.diff(seen, dim=0, prepend=seen[:1])
        streams = (self.position(of_bodies(seen)), self.movement(of_bodies(moved)))
        h = self.dropout(shrink(self.five(torch.cat(streams, 1))))
        h = shrink(self.six(h)).flatten(1).view(x.shape[1], self.c.bodies, -1).amax(1)  # [B, ...], of the stronger body
        h = self.dropout(torch.relu(self.hidden(self.dropout(h))))
        z: Tensor = self.z(h)  # [B, C]
        return z.expand(len(x), -1, -1)


def shrink(x: Tensor) -> Tensor:
    """The largest of each 2 x 2, at least 0."""
    return torch.relu(functional.max_pool2d(x, 2))


def of_bodies(x: Tensor) -> Tensor:
    """Float `[S, B, M, J, 3]` -> each body by itself, float `[B M, 3, S, J]`."""
    return x.permute(1, 2, 4, 0, 3).flatten(0, 1)


NETWORK = HCN
