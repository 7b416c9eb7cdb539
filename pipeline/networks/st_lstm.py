"""Spatio-temporal LSTM with trust gates: Liu, Shahroudy, Xu, Wang, ECCV 2016.

A unit for every joint and time step. It reads the joint in all bodies, the state of the joint before it on a walk through the
skeleton, and the state of the same joint one time step before. The trust gate compares what a unit would write with what its
two neighbours predict, and lets less in where they disagree.

Units (j, t) of the same j + t do not read one another, so they are computed together: W + T - 1 waves in place of W T units.
For this the first joint of a time step does not read the last one of the step before, as it does in the authors' code.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.model.sta_lstm import Config, Dropout
from pipeline.networks.parts import Parts
from pipeline.networks.sampling import frames_at, places
from pipeline.networks.walk import bones_of, walk


class Grid(NamedTuple):
    """`joints` W on the walk times `steps` T; wave d is the units with j + t = d, those of a smaller t first."""

    joints: int
    steps: int

    def rows(self, wave: int) -> tuple[int, int]:
        """The time steps of a wave: the first, and the one after the last."""
        return max(0, wave - self.joints + 1), min(self.steps, wave + 1)

    def waves(self) -> list[tuple[int, int]]:
        """`rows` of all waves."""
        return [self.rows(wave) for wave in range(self.joints + self.steps - 1)]

    def units(self) -> list[tuple[int, int]]:
        """(t, j) of all units, wave by wave."""
        return [(t, wave - t) for wave, rows in enumerate(self.waves()) for t in range(*rows)]


class STLayer(nn.Module):
    """One layer: gates i, f of the joint before, f of the step before, o, the new content u, and with `trust` the prediction p.

    All gates of a wave are one product and one sigmoid, for which u and p are scaled: tanh x = 2 sigmoid(2 x) - 1.
    """

    scale: Tensor

    def __init__(self, inputs: int, hidden: int, trust: bool):
        super().__init__()
        self.hidden, self.trust = hidden, trust
        self.read = nn.Linear(inputs, 5 * hidden, bias=False)
        self.carry = nn.Linear(2 * hidden, 5 * hidden, bias=False)  # reads h of the joint before, h of the step before
        self.bias = nn.Parameter(torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0]).repeat_interleave(hidden))
        self.predict = nn.Linear(2 * hidden, hidden) if trust else None
        scale = torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0, 2.0])[: 6 if trust else 5]
        self.register_buffer("scale", scale.repeat_interleave(hidden), persistent=False)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Float `[W T, B, inputs]`, the units wave by wave -> h, float `[W T, B, H]`, in the same order."""
        carry, bias = self.weights()
        read = functional.pad(self.read(x), (0, len(bias) - 5 * self.hidden)) + bias  # p does not read x
        carry, read = (carry * self.scale.unsqueeze(-1)).T, read * self.scale
        rows = grid.waves()
        states, before = [], (0, 0)
        h = c = x.new_zeros(0, x.shape[1], self.hidden)
        for now, new in zip(rows, torch.split(read, [high - low for low, high in rows]), strict=True):
            joined = torch.cat(neighbours(h, before, now), -1)  # [n, B, 2 H]
            gates = torch.addmm(new.flatten(0, 1), joined.flatten(0, 1), carry).view_as(new)
            h, c = self.unit(torch.sigmoid(gates), neighbours(c, before, now))
            states.append(h)
            before = now
        return torch.cat(states)

    def weights(self) -> tuple[Tensor, Tensor]:
        """What reads both states, `[G, 2 H]` with G = 5 H or 6 H, and the biases `[G]`."""
        if self.predict is None:
            return self.carry.weight, self.bias
        return torch.cat([self.carry.weight, self.predict.weight]), torch.cat([self.bias, self.predict.bias])

    def unit(self, gates: Tensor, c: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """h and c, float `[n, B, H]`, from gates after the sigmoid `[n, B, G]` and c of the joint and of the step before."""
        i, f_joint, f_step, o, u, *p = gates.chunk(6 if self.trust else 5, -1)
        new, kept = i * (2 * u - 1), f_joint * c[0] + f_step * c[1]
        if p:
            trust = torch.exp(-2 * (u - p[0]) ** 2)  # exp(-(tanh - tanh)^2 / 2)
            cell = kept + trust * (new - kept)
        else:
            cell = kept + new
        return o * (2 * torch.sigmoid(2 * cell) - 1), cell


def neighbours(state: Tensor, before: tuple[int, int], now: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A wave's states `[n, B, H]` as its successor reads them: of the joint before and of the step before, zeros at the edges.

    `before` and `now` are `Grid.rows` of the two. A unit in row t reads row t for the joint and row t - 1 for the step.
    """
    padded = functional.pad(state, (0, 0, 0, 0, 1, 1))  # rows before[0] - 1 .. before[1]
    first, size = now[0] - before[0], now[1] - now[0]
    return padded[first + 1 : first + 1 + size], padded[first : first + size]


class STLSTM(nn.Module):
    """A main network for `STALSTM`: `layers` of `hidden` units, with trust gates or without.

    A clip is `steps` time steps of `frames` frames each: one of every equal part of it, in training any, else the middle one.
    Every unit of the top layer has class scores of its own; the clip has the mean of their logarithms, in all of its frames.
    """

    lacking: Tensor

    def __init__(self, inputs: int, c: Config, parts: Parts, *, hidden: int, layers: int, steps: int, frames: int, trust: bool):
        super().__init__()
        self.c, self.frames = c, frames
        self.walk = walk(bones_of(c.joints, parts))
        self.grid = Grid(len(self.walk), steps)
        each = frames * c.bodies * c.channels
        self.layers = nn.ModuleList(STLayer(hidden if i else each, hidden, trust) for i in range(layers))
        self.dropout = Dropout(c.dropout, c.dropout_per)
        self.z = nn.Linear(hidden, c.classes)
        self.lacking = torch.zeros(())

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> z, the same in all frames, float `[T, B, C]`."""
        h = self.units(frames_at(x, places(mask, self.grid.steps * self.frames, self.training)))
        for layer in self.layers:
            h = self.dropout(layer(h, self.grid))  # [W T, B, H]
        z = torch.log_softmax(self.z(h), -1).mean(0)  # [B, C]
        self.lacking = -z.logsumexp(-1).mean()
        return z.expand(len(x), -1, -1)

    def units(self, x: Tensor) -> Tensor:
        """What every unit reads, wave by wave: frames `[steps frames, B, inputs]` -> `[W steps, B, frames bodies channels]`."""
        shape = (self.grid.steps, self.frames, x.shape[1], self.c.bodies, self.c.joints, self.c.channels)
        by_joint = x.reshape(shape).permute(0, 4, 2, 1, 3, 5).flatten(3)  # [steps, J, B, frames bodies channels]
        t, j = torch.tensor(self.grid.units(), device=x.device).unbind(1)
        return by_joint[t, torch.tensor(self.walk, device=x.device)[j]]

    def penalty(self) -> Tensor:
        """What the cross-entropy of the clip's scores lacks of the mean cross-entropy of all units, which the authors minimise.

        The former is -z_y + log sum exp z, the latter -z_y: z is a mean of logarithms, so its exponentials add up to less than 1.
        """
        return self.lacking


NETWORK = STLSTM
