"""Co-occurrence LSTM: Zhu, Lan, Xing, Zeng, Li, Shen, Xie, AAAI 2016.

Three bidirectional LSTM layers with fully connected layers between them. Groups of units are drawn to the same few joints by a
penalty on the weights that read the joints, and the last LSTM drops out inside: at its gates and its output, but only on the
way up, never along time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.model.attention import previous
from pipeline.core.model.sta_lstm import Config
from pipeline.networks.bidirectional import Bidirectional, reverse


class InDepthDropout(nn.Module):
    """An LSTM layer whose states run on in time untouched, while what it passes up is made of dropped-out gates."""

    def __init__(self, inputs: int, hidden: int, p: float):
        super().__init__()
        self.lstm, self.p = nn.LSTM(inputs, hidden), p

    def forward(self, x: Tensor) -> Tensor:
        """Float `[T, B, inputs]` -> float `[T, B, H]`; in evaluation the layer's own states."""
        h, _ = self.lstm(x)  # [T, B, H]
        if not self.training:
            return h  # type: ignore[no-any-return]
        W_x, W_h, b_x, b_h = self.lstm.parameters()
        gates = functional.linear(x, W_x, b_x) + functional.linear(previous(h), W_h, b_h)  # [T, B, 4 H]
        i, f, g, o = gates.chunk(4, -1)  # [T, B, H] each
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        before = previous(cells(f, i * g))  # c_{t-1}
        c = self.drop(f) * before + self.drop(i) * self.drop(g)
        return self.drop(o) * torch.tanh(c)

    def drop(self, gate: Tensor) -> Tensor:
        """A gate with some of its units at 0 in some frames."""
        return functional.dropout(gate, self.p, self.training)


def cells(forget: Tensor, new: Tensor) -> Tensor:
    """c_t = f_t c_{t-1} + (i g)_t, frame by frame: float `[T, B, H]`."""
    c, found = torch.zeros_like(new[0]), []
    for f, n in zip(forget, new, strict=True):
        c = torch.addcmul(n, f, c)
        found.append(c)
    return torch.stack(found)


class CoOccurrence(nn.Module):
    """A main network for `STALSTM`. `hidden` are the units of the three LSTM layers, a direction.

    `groups` are those of the units that share joints; `sparse` and `group_sparse` weigh the two parts of the penalty.
    """

    def __init__(self, inputs: int, c: Config, *, hidden: Sequence[int], groups: int, sparse: float, group_sparse: float):
        super().__init__()
        first, second, third = hidden
        self.groups, self.sparse, self.group_sparse = groups, sparse, group_sparse
        self.first = Bidirectional(nn.LSTM, inputs, first)
        self.between = nn.Linear(2 * first, first)
        self.second = Bidirectional(nn.LSTM, first, second)
        self.above = nn.Linear(2 * second, second)
        self.ahead, self.back = (InDepthDropout(second, third, c.dropout) for _ in range(2))
        self.z = nn.Linear(2 * third, c.classes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> z, float `[T, B, C]`."""
        h = torch.tanh(self.between(self.first(x, mask)))  # [T, B, H1]
        h = torch.tanh(self.above(self.second(h, mask)))  # [T, B, H2]
        ahead = self.ahead(h)  # [T, B, H3]
        back = reverse(self.back(reverse(h, mask)), mask)
        return self.z(torch.cat([ahead, back], -1))  # type: ignore[no-any-return]

    def penalty(self) -> Tensor:
        """sparse ||W||_1 + group_sparse sum_k ||W_k^T||_{2,1} over what reads the joints and what reads the first layer.

        W_k are the rows of the units of group k: a column of it is one input, whose weights live or die together.
        """
        layers = [next(lstm.parameters()) for lstm in (self.first.ahead, self.first.back)]  # [4 H, inputs] each
        weights = [gate for layer in layers for gate in layer.chunk(4)] + [self.between.weight]
        ones = torch.stack([w.norm(1) for w in weights]).sum()
        pairs = torch.stack([part.norm(dim=0).sum() for w in weights for part in w.chunk(self.groups)]).sum()
        return self.sparse * ones + self.group_sparse * pairs


NETWORK = CoOccurrence
