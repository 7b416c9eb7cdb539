"""Hierarchical bidirectional RNN: Du, Wang, Wang, CVPR 2015. Limbs and trunk first, then halves of the body, then all of it.

Recurrent tanh layers at the five parts, at four pairs of trunk and limb, at upper and lower body; one LSTM at the whole body;
the class scores of the frames are added up. Each layer joins the bodies of a clip: a part is that of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.core.model.sta_lstm import Config
from pipeline.networks.bidirectional import Bidirectional
from pipeline.networks.parts import Parts, by_part


class HBRNN(nn.Module):
    """A main network for `STALSTM`.

    `parts` are the joints of the trunk and of four limbs (two arms, two legs), each of one body; `hidden` the units a direction
    of the four recurrent levels.
    """

    def __init__(self, inputs: int, c: Config, parts: Parts, hidden: Sequence[int]):
        super().__init__()
        self.c, self.parts = c, parts
        each = c.bodies * c.channels
        first, second, third, fourth = hidden
        self.limbs = nn.ModuleList(Bidirectional(nn.RNN, each * len(part), first) for part in parts)
        self.pairs = nn.ModuleList(Bidirectional(nn.RNN, 4 * first, second) for _ in parts[1:])
        self.halves = nn.ModuleList(Bidirectional(nn.RNN, 4 * second, third) for _ in range(2))
        self.body = Bidirectional(nn.LSTM, 4 * third, fourth)
        self.z = nn.Linear(2 * fourth, c.classes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> z, float `[T, B, C]`."""
        inputs = by_part(x, self.c, self.parts)
        trunk, *limbs = [layer(part, mask) for layer, part in zip(self.limbs, inputs, strict=True)]  # [T, B, 2 H1] each
        pairs = [layer(torch.cat([trunk, limb], -1), mask) for layer, limb in zip(self.pairs, limbs, strict=True)]
        upper, lower = torch.cat(pairs[:2], -1), torch.cat(pairs[2:], -1)  # [T, B, 4 H2]
        halves = [layer(half, mask) for layer, half in zip(self.halves, (upper, lower), strict=True)]  # [T, B, 2 H3] each
        return self.z(self.body(torch.cat(halves, -1), mask))  # type: ignore[no-any-return]


NETWORK = HBRNN
