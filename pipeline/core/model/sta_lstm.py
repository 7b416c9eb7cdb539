"""The whole network: gate the joints, run the main LSTM, weigh the frames, add up the class scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from pipeline.core.model.attention import SpatialAttention, TemporalAttention


@dataclass(frozen=True)
class Config:
    """Sizes and switches. `joints` of one body, `bodies` in x, `classes` C; the others as in `params.yaml`, section `model`.

    `channels` are the numbers of a joint: 3 for its position, 6 with its velocity.
    """

    joints: int
    bodies: int
    classes: int
    channels: int = 3
    spatial: bool = True
    temporal: bool = True
    hidden: int = 100
    layers: int = 3
    attention_hidden: int = 100
    dropout: float = 0.5
    dropout_per: Literal["frame", "clip"] = "frame"
    dropout_after: Literal["each", "last"] = "each"
    alpha_scale: Literal["one", "joints"] = "joints"
    gates: Literal["both_people", "per_person_shared"] = "both_people"
    beta_layers: int = 1
    beta_bias: float = 1.0
    beta_share: float = 1.0
    score_norm: Literal["none", "frames", "beta"] = "frames"
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


class Dropout(nn.Module):
    """As `nn.Dropout`, from 15 random bits a number instead of a whole draw: several times faster on a CPU.

    So `p` is rounded to a multiple of 2^-15. `per` "clip" keeps a unit on or off for all frames of a clip (Gal and
    Ghahramani 2016), "frame" draws anew for every frame.
    """

    def __init__(self, p: float, per: Literal["frame", "clip"] = "frame"):
        super().__init__()
        self.p, self.per = p, per

    def forward(self, x: Tensor) -> Tensor:
        """Float `[T, B, H]` -> the same shape; in evaluation the input itself."""
        if not self.training or not self.p:
            return x
        shape = x.shape if self.per == "frame" else (1, *x.shape[1:])
        count = math.prod(shape)
        bits = torch.empty((count + 3) // 4, dtype=torch.int64, device=x.device).random_()  # 63 random bits each
        draws = bits.view(torch.int16)[:count].view(shape) & 0x7FFF  # [T or 1, B, H], uniform on 0 .. 2^15 - 1
        return x * (draws >= round(self.p * 2**15)).to(x.dtype).mul_(1 / (1 - self.p))


class MainLSTM(nn.Module):
    """LSTM layers with dropout after each (or after the last alone), and a linear map of the top state to class scores z_t."""

    def __init__(self, inputs: int, c: Config):
        super().__init__()
        self.first = c.layers - 1 if c.dropout_after == "last" else 0  # the first layer with dropout after it
        self.lstms = nn.ModuleList(nn.LSTM(inputs if i == 0 else c.hidden, c.hidden) for i in range(c.layers))
        self.dropout = Dropout(c.dropout, c.dropout_per)
        self.z = nn.Linear(c.hidden, c.classes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> z, float `[T, B, C]`."""
        for i, lstm in enumerate(self.lstms):
            x = lstm(x)[0]  # [T, B, H]
            x = self.dropout(x) if i >= self.first else x
        return self.z(x)  # type: ignore[no-any-return]


class STALSTM(nn.Module):
    """x, mask -> o = sum_t beta_t z_t; with `spatial` and `temporal` off it is the plain LSTM of the comparison.

    Weights are drawn from `generators`, one for each of `main`, `spatial`, `temporal`, so that switching one part on
    changes no other part's start; without them, from torch's global generator. `main` makes another main network of the
    number of inputs and the config: an earlier method of the paper's tables. It maps the same x and mask to the same z.
    """

    def __init__(
        self,
        config: Config,
        generators: dict[str, torch.Generator] | None = None,
        main: Callable[[int, Config], nn.Module] = MainLSTM,
    ):
        super().__init__()
        self.config = c = config
        inputs = c.bodies * c.joints * c.channels
        self.main = main(inputs, c)
        self.spatial = SpatialAttention(inputs, c.attention_hidden, c.K) if c.spatial else None
        beta = (c.beta_layers, c.beta_bias, c.beta_share)
        self.temporal = TemporalAttention(inputs, c.attention_hidden, *beta) if c.temporal else None
        for name, part in self.named_children():
            initialise(part, c.init, (generators or {}).get(name))

    def forward(self, x: Tensor, mask: Tensor) -> Output:
        """`x` float `[T, B, K', channels]` with K' = bodies * joints, `mask` bool `[T, B]`, true on real frames -> `Output`.

        Padding comes last in time and never changes an output: every LSTM runs forward, and beta is 0 there.
        """
        flat = x.flatten(2)  # [T, B, channels * K']
        alpha = self.spatial(flat) if self.spatial is not None else None  # [T, B, K]
        beta = self.temporal(flat) * mask if self.temporal is not None else None  # [T, B]
        z = self.main(self.gate(x, alpha).flatten(2), mask)  # [T, B, C]
        weight = mask.to(z.dtype) if beta is None else beta
        o = torch.einsum("tb,tbc->bc", weight, z)  # o = sum_t beta_t z_t
        if self.config.score_norm == "frames":
            o = o / mask.sum(0).unsqueeze(-1)
        elif self.config.score_norm == "beta":
            o = o / weight.sum(0).clamp(min=1e-6).unsqueeze(-1)
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
        if isinstance(module, nn.RNNBase):
            _initialise_recurrent(module, init, generator)
        elif isinstance(module, nn.Linear):
            _draw(module.weight, init, generator)
            if module.bias is not None:
                module.bias.zero_()
    if isinstance(part, TemporalAttention):
        part.start()


def _initialise_recurrent(layer: nn.RNNBase, init: str, generator: torch.Generator | None) -> None:
    weight_ih, weight_hh, bias_ih, bias_hh = layer.parameters()
    _draw(weight_ih, init, generator)
    for gate in weight_hh.chunk(len(weight_hh) // layer.hidden_size):  # [H, H] each
        if init == "gaussian":
            _draw(gate, init, generator)
        else:
            nn.init.orthogonal_(gate, generator=generator)
    bias_ih.zero_()
    bias_hh.zero_()
    if isinstance(layer, nn.LSTM):
        bias_ih.chunk(4)[1].fill_(1.0)  # order of the gates: input, forget, cell, output


def _draw(weight: Tensor, init: str, generator: torch.Generator | None) -> None:
    if init == "gaussian":
        nn.init.normal_(weight, std=weight.shape[1] ** -0.5, generator=generator)
    else:
        nn.init.xavier_uniform_(weight, generator=generator)
