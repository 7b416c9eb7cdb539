"""Part-aware LSTM: Shahroudy, Liu, Ng, Wang, CVPR 2016. A memory for each part of the body, one output gate for all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.core.model.sta_lstm import Config, Dropout
from pipeline.networks.parts import Parts, by_part


class PartAwareLSTM(nn.Module):
    """One layer: input, forget and cell gates of a part read that part and the whole state; the output gate reads everything."""

    def __init__(self, sizes: Sequence[int], hidden: int):
        super().__init__()
        self.hidden = hidden
        each = hidden // len(sizes)
        self.gates = nn.ModuleList(nn.Linear(size + hidden, 3 * each) for size in sizes)
        self.output = nn.Linear(sum(sizes) + hidden, hidden)

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """Float `[T, B, size]` a part -> float `[T, B, H]`."""
        h = c = parts[0].new_zeros(parts[0].shape[1], self.hidden)
        states = []
        for frame in zip(*parts, strict=True):
            gates = [gate(torch.cat([x, h], -1)).chunk(3, -1) for gate, x in zip(self.gates, frame, strict=True)]
            i, f, g = (torch.cat(each, -1) for each in zip(*gates, strict=True))  # [B, H] each, parts one after the other
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(self.output(torch.cat([*frame, h], -1))) * torch.tanh(c)
            states.append(h)
        return torch.stack(states)


class PLSTM(nn.Module):
    """A main network for `STALSTM`: two layers, the second on the first one's memories by part; `parts` as for `HBRNN`."""

    def __init__(self, inputs: int, c: Config, parts: Parts, hidden: int):
        super().__init__()
        self.c, self.parts = c, parts
        self.first = PartAwareLSTM([c.bodies * c.channels * len(part) for part in parts], hidden)
        self.second = PartAwareLSTM([hidden // len(parts)] * len(parts), hidden)
        self.dropout = Dropout(c.dropout, c.dropout_per)
        self.z = nn.Linear(hidden, c.classes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> z, float `[T, B, C]`."""
        h = self.dropout(self.first(by_part(x, self.c, self.parts)))  # [T, B, H]
        return self.z(self.dropout(self.second(h.chunk(len(self.parts), -1))))  # type: ignore[no-any-return]


NETWORK = PLSTM
