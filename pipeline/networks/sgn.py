"""Semantics-guided network (SGN): Zhang, Lan, Zeng, Xing, Xue, Zheng, CVPR 2020. Later than STA-LSTM.

Position and movement of each joint, with a code of which joint it is, go through three graph convolutions whose graph the network
makes itself, for each frame; the strongest joint of a frame, with a code of when it is, through two convolutions over time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.model.sta_lstm import Config
from pipeline.networks.normalised import Normalised
from pipeline.networks.sampling import frames_at, places


class Embedding(nn.Module):
    """Two linear layers, each with a ReLU, 64 units between them."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first, self.second = nn.Linear(inputs, 64), nn.Linear(64, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Float `[..., inputs]` -> float `[..., outputs]`."""
        return torch.relu(self.second(torch.relu(self.first(x))))


class Graph(nn.Module):
    """How much each joint takes from each other one: softmax over j of (W1 x_i + b1) . (W2 x_j + b2).

    The softmax cancels what is the same for all j, so b2 does nothing and is left out, and W1^T W2 is one small matrix.
    """

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.one, self.two = nn.Linear(inputs, hidden), nn.Linear(inputs, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Float `[B, S, K, inputs]` -> float `[B, S, K, K]`, rows of sum 1."""
        both = self.one.weight.T @ self.two.weight  # [inputs, inputs]
        moved = self.one.bias @ self.two.weight  # [inputs]
        return torch.softmax((x @ both + moved) @ x.transpose(-1, -2), -1)


class GraphConvolution(nn.Module):
    """ReLU(norm(W G x + W' x + b))."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.others, self.own = nn.Linear(inputs, outputs, bias=False), nn.Linear(inputs, outputs)
        self.norm = Normalised(outputs)

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        """Float `[B, S, K, inputs]`, graph `[B, S, K, K]` -> float `[B, S, K, outputs]`."""
        return torch.relu(self.norm(self.others(graph @ x) + self.own(x)))


class OverTime(nn.Module):
    """A convolution over three frames and one over single frames, each with norm and ReLU; dropout of channels between them."""

    def __init__(self, inputs: int, outputs: int, dropout: float):
        super().__init__()
        self.three, self.one = nn.Linear(3 * inputs, inputs), nn.Linear(inputs, outputs)
        self.norm_three, self.norm_one = Normalised(inputs), Normalised(outputs)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Float `[B, S, inputs]` -> float `[B, S, outputs]`."""
        padded = functional.pad(x, (0, 0, 1, 1))
        h = torch.relu(self.norm_three(self.three(torch.cat([padded[:, :-2], x, padded[:, 2:]], -1))))
        h = self.dropout(h.transpose(1, 2)).transpose(1, 2)  # a channel in all frames of a clip
        return torch.relu(self.norm_one(self.one(h)))


class SGN(nn.Module):
    """A main network for `STALSTM`: the joints of all bodies are one graph.

    A clip is `frames` frames, one of each equal part, in training any, else the middle one. Positions alone are read, as the
    movement between these frames is the network's own. `dropout` is that between the convolutions over time.
    """

    def __init__(self, inputs: int, c: Config, *, frames: int, dropout: float):
        super().__init__()
        self.c, self.frames, joints = c, frames, c.bodies * c.joints
        self.norms = nn.ModuleList(Normalised(3 * joints) for _ in range(2))
        self.position, self.movement = Embedding(3, 64), Embedding(3, 64)
        self.which, self.when = Embedding(joints, 64), Embedding(frames, 256)
        self.graph = Graph(128, 256)
        self.layers = nn.ModuleList(GraphConvolution(*sizes) for sizes in ((128, 128), (128, 256), (256, 256)))
        self.time = OverTime(256, 512, dropout)
        self.z = nn.Linear(512, c.classes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> z, the same in all frames, float `[T, B, C]`."""
        seen = frames_at(x, places(mask, self.frames, self.training)).transpose(0, 1)  # [B, S, inputs]
        x_t = seen.reshape(*seen.shape[:2], -1, self.c.channels)[..., :3]  # [B, S, K, 3]
        moved = torch.diff(x_t, dim=1, prepend=x_t[:, :1])
        x_t, moved = (norm(v.flatten(2)).view_as(v) for norm, v in zip(self.norms, (x_t, moved), strict=True))
        h = self.position(x_t) + self.movement(moved)  # [B, S, K, 64]
        which = self.which(torch.eye(x_t.shape[2], device=x.device, dtype=x.dtype))  # [K, 64]
        h = torch.cat([h, which.expand(*h.shape[:2], -1, -1)], -1)
        graph = self.graph(h)
        for layer in self.layers:
            h = layer(h, graph)  # [B, S, K, 256] in the end
        when = self.when(torch.eye(self.frames, device=x.device, dtype=x.dtype))  # [S, 256]
        h = self.time(h.amax(2) + when)  # adding what all joints share before or after the maximum is the same
        z: Tensor = self.z(h.amax(1))  # [B, C]
        return z.expand(len(x), -1, -1)


NETWORK = SGN
