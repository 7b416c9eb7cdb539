"""The whole network: gate the joints, run the main LSTM, weigh the frames, add up the class scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from pipeline.model.attention import SpatialAttention, TemporalAttention


@dataclass(frozen=True)
class Config:
    """Sizes and switches. `joints` of one body, `bodies` in x, `classes` C; the others as in `params.yaml`, section `model`."""

    joints: int
    bodies: int
    classes: int
    spatial: bool = True
    temporal: bool = True
    hidden: int = 100
    layers: int = 3
    attention_hidden: int = 100
    dropout: float = 0.5
    alpha_scale: Literal["one", "joints"] = "joints"
    gates: Literal["both_people", "per_person_shared"] = "both_people"
    beta_layers: int = 1
    beta_bias: float = 1.0
    beta_share: float = 1.0
    score_norm: Literal["none", "frames"] = "frames"
    init: Literal["default_orthogonal", "gaussian"] = "default_orthogonal"

    @property
    def K(self) -> int:  # noqa: N802 (the paper's letter)
        """Number of different gates."""
        return self.joints * (self.bodies if self.gates == "both_people" else 1)


class Output(NamedTuple):
    """`logits` o `[B, C]`; `alpha` `[T, B, K]` and `beta` `[T, B]`, or None where that attention is off; beta is 0 in padding."""

    logits: Tensor
    alpha: Tensor | None
    beta: Tensor | None


class MainLSTM(nn.Module):
    """LSTM layers with dropout after each, and a linear map of the top state to class scores z_t."""

    def __init__(self, inputs: int, hidden: int, layers: int, classes: int, dropout: float):
        super().__init__()
        self.lstms = nn.ModuleList(nn.LSTM(inputs if i == 0 else hidden, hidden) for i in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.z = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Float `[T, B, inputs]` -> z, float `[T, B, C]`."""
        for lstm in self.lstms:
            x = self.dropout(lstm(x)[0])  # [T, B, H]
        return self.z(x)  # type: ignore[no-any-return]


class STALSTM(nn.Module):
    """x, mask -> o = sum_t beta_t z_t; with `spatial` and `temporal` off it is the plain LSTM of the comparison.

    Weights are drawn from `generators`, one for each of `main`, `spatial`, `temporal`, so that switching one part on
    changes no other part's start; without them, from torch's global generator.
    """

    def __init__(self, config: Config, generators: dict[str, torch.Generator] | None = None):
        super().__init__()
        self.config = c = config
        inputs = c.bodies * c.joints * 3
        self.main = MainLSTM(inputs, c.hidden, c.layers, c.classes, c.dropout)
        self.spatial = SpatialAttention(inputs, c.attention_hidden, c.K) if c.spatial else None
        beta = (c.beta_layers, c.beta_bias, c.beta_share)
        self.temporal = TemporalAttention(inputs, c.attention_hidden, *beta) if c.temporal else None
        for name, part in self.named_children():
            initialise(part, c.init, (generators or {}).get(name))

    def forward(self, x: Tensor, mask: Tensor) -> Output:
        """`x` float `[T, B, K', 3]` with K' = bodies * joints, `mask` bool `[T, B]`, true on real frames -> `Output`.

        Padding comes last in time and never changes an output: every LSTM runs forward, and beta is 0 there.
        """
        flat = x.flatten(2)  # [T, B, 3K']
        alpha = self.spatial(flat) if self.spatial is not None else None  # [T, B, K]
        beta = self.temporal(flat) * mask if self.temporal is not None else None  # [T, B]
        z = self.main(self.gate(x, alpha).flatten(2))  # [T, B, C]
        weight = mask.to(z.dtype) if beta is None else beta
        o = torch.einsum("tb,tbc->bc", weight, z)  # o = sum_t beta_t z_t
        if self.config.score_norm == "frames":
            o = o / mask.sum(0).unsqueeze(-1)
        return Output(o, alpha, beta)

    def gate(self, x: Tensor, alpha: Tensor | None) -> Tensor:
        """x'_{t,k} = alpha_{t,k} x_{t,k}, times K with `alpha_scale: joints`, so that equal weights change nothing."""
        if alpha is None:
            return x
        scale = self.config.K if self.config.alpha_scale == "joints" else 1
        if self.config.gates == "per_person_shared":
            alpha = alpha.repeat(1, 1, self.config.bodies)  # [T, B, K] -> [T, B, K']
        return x * (scale * alpha).unsqueeze(-1)


@torch.no_grad()
def initialise(part: nn.Module, init: str, generator: torch.Generator | None = None) -> None:
    """Draw the weights of one part of the network.

    `default_orthogonal` is Keras' default, as in the same laboratory's code: Glorot-uniform inputs, orthogonal recurrent
    weights by gate, biases 0 but the forget gate's at 1. `gaussian`: all weights normal with variance 1 / fan-in.
    """
    for module in part.modules():
        if isinstance(module, nn.LSTM):
            _initialise_lstm(module, init, generator)
        elif isinstance(module, nn.Linear):
            _draw(module.weight, init, generator)
            if module.bias is not None:
                module.bias.zero_()
    if isinstance(part, TemporalAttention):
        part.start()


def _initialise_lstm(lstm: nn.LSTM, init: str, generator: torch.Generator | None) -> None:
    weight_ih, weight_hh, bias_ih, bias_hh = lstm.parameters()
    _draw(weight_ih, init, generator)
    for gate in weight_hh.chunk(4):  # [H, H] each
        if init == "gaussian":
            _draw(gate, init, generator)
        else:
            nn.init.orthogonal_(gate, generator=generator)
    bias_ih.zero_()
    bias_hh.zero_()
    bias_ih.chunk(4)[1].fill_(1.0)  # order of the gates: input, forget, cell, output


def _draw(weight: Tensor, init: str, generator: torch.Generator | None) -> None:
    if init == "gaussian":
        nn.init.normal_(weight, std=weight.shape[1] ** -0.5, generator=generator)
    else:
        nn.init.xavier_uniform_(weight, generator=generator)
