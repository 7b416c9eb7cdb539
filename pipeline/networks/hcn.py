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

    def __init__(self, joints: int, frames: int, channels: int, dropout: float, deep: bool):
        super().__init__()
        self.point = Convolution(3, channels, (1, 1))
        self.time = Convolution(channels, frames, (3, 1))
        self.all = Convolution(joints, channels // 2, (3, 3))
        self.more = Convolution(channels // 2, channels, (3, 3)) if deep else None
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Float `[N, 3, S, J]` -> float `[N, channels / 2, S / 2, S / 2]`, with `deep` `[N, channels, S / 4, S / 4]`."""
        h = self.time(torch.relu(self.point(x)))  # [N, S, S, J]
        h = functional.max_pool2d(self.all(h.transpose(1, 3)), 2)  # joints are channels now
        return h if self.more is None else functional.max_pool2d(self.dropout(self.more(h)), 2)


class HCN(nn.Module):
    """A main network for `STALSTM`: `channels` of the first layer, `hidden` units of the last.

    `deep` adds a layer to both streams. A clip is brought to `frames` frames, a multiple of 16. Positions alone are read, as the
    movement between these frames is the network's own.
    """

    def __init__(self, inputs: int, c: Config, *, frames: int, channels: int, hidden: int, deep: bool):
        super().__init__()
        self.c, self.frames = c, frames
        self.position, self.movement = (Stream(c.joints, frames, channels, c.dropout, deep) for _ in range(2))
        width = 2 * channels if deep else channels
        self.five, self.six = Convolution(width, width, (3, 3)), Convolution(width, 2 * width, (3, 3))
        self.channel_dropout, self.dropout = nn.Dropout2d(c.dropout), nn.Dropout(c.dropout)
        side = frames // (16 if deep else 8)
        self.hidden = nn.Linear(2 * width * side * side, hidden)
        self.z = nn.Linear(hidden, c.classes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> z, the same in all frames, float `[T, B, C]`."""
        bodies = x.reshape(*x.shape[:2], self.c.bodies, self.c.joints, self.c.channels)[..., :3]
        seen = resized(bodies, mask, self.frames)  # [S, B, M, J, 3]
        moved = resized(torch.diff(seen, dim=0), mask.new_ones(self.frames - 1, x.shape[1]), self.frames)
        streams = (self.position(of_bodies(seen)), self.movement(of_bodies(moved)))
        h = self.shrink(self.six, self.shrink(self.five, torch.cat(streams, 1)))
        h = h.flatten(1).view(x.shape[1], self.c.bodies, -1).amax(1)  # [B, 2 width side side]
        z: Tensor = self.z(self.dropout(torch.relu(self.hidden(h))))  # [B, C]
        return z.expand(len(x), -1, -1)

    def shrink(self, layer: Convolution, x: Tensor) -> Tensor:
        """A convolution, ReLU, whole channels dropped, and the larger of each 2 x 2."""
        return functional.max_pool2d(self.channel_dropout(torch.relu(layer(x))), 2)


def of_bodies(x: Tensor) -> Tensor:
    """Float `[S, B, M, J, 3]` -> each body by itself, float `[B M, 3, S, J]`."""
    return x.permute(1, 2, 4, 0, 3).flatten(0, 1)


NETWORK = HCN
