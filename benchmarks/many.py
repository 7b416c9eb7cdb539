"""Many networks of one shape trained at once, each on batches of its own, by grouped products (`torch.bmm`).

A small network cannot keep a GPU busy: the 75 runs of a table (folds x seeds x ...) wait for 75 times as many tiny kernels. Here
weights are stacked, `[N, ...]`, and one product does the work of all networks. (`torch.vmap` cannot: torch 2.13 has no batching
rule for its LSTM.) Nothing but `benchmarks.gpu` uses this; tests hold it to networks trained one by one, within a tolerance.

Dropout draws for all networks together, so it is another draw than theirs. A network whose gradient is not finite stops learning,
as `Trainer.step` skips its step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.model import STALSTM, Penalties
from pipeline.core.settings import Training

Weights = Mapping[str, Tensor]


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    """`nn.Linear` of every network: `[N, R, I]` -> `[N, R, O]`; without a bias where there is none."""
    weight, bias = w[f"{name}.weight"].transpose(1, 2), w.get(f"{name}.bias")
    return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight)


def lstm(w: Weights, name: str, x: Tensor) -> Tensor:
    """`nn.LSTM` of every network, one layer, states from zero: `[N, T, B, I]` -> `[N, T, B, H]`.

    The products with the inputs go over all frames at once, those with the states frame by frame.
    """
    networks, frames, clips, _ = x.shape
    recurrent = w[f"{name}.weight_hh_l0"].transpose(1, 2)  # [N, H, 4H]
    bias = (w[f"{name}.bias_ih_l0"] + w[f"{name}.bias_hh_l0"]).unsqueeze(1)
    inputs = torch.baddbmm(bias, x.reshape(networks, frames * clips, -1), w[f"{name}.weight_ih_l0"].transpose(1, 2))
    h = c = x.new_zeros(networks, clips, recurrent.shape[1])
    states = []
    for gates in inputs.view(networks, frames, clips, -1).unbind(1):
        i, f, g, o = torch.baddbmm(gates, h, recurrent).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return torch.stack(states, dim=1)


class Many(nn.Module):
    """STA-LSTM, or a variant with one attention or none, N times. All `models` have one config and the usual main network."""

    def __init__(self, models: Sequence[STALSTM]):
        super().__init__()
        self.config, self.count = models[0].config, len(models)
        if self.config.beta_layers != 1 or self.config.gates != "both_people" or self.config.dropout_per != "frame":
            raise ValueError(
                "only the settings of the paper are stacked: one layer for beta, gates of both people, dropout by frame"
            )
        together = zip(*(model.named_parameters() for model in models), strict=True)
        self.names = [name for name, _ in models[0].named_parameters()]
        stacked = [torch.stack([weight.detach() for _, weight in same]) for same in together]
        trained = [weight.requires_grad for weight in models[0].parameters()]
        self.stacked = nn.ParameterList(nn.Parameter(w, requires_grad=t) for w, t in zip(stacked, trained, strict=True))

    @property
    def weights(self) -> dict[str, Tensor]:
        """The stacked weights `[N, ...]` by the names that one network has."""
        return dict(zip(self.names, self.stacked, strict=True))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """`x` float `[N, T, B, K, channels]`, `mask` bool `[N, T, B]` -> `[N, B, C]`, alpha and beta."""
        c, w = self.config, self.weights
        flat = x.flatten(3)
        alpha = self._alpha(w, flat) if c.spatial else None
        beta = self._beta(w, flat) * mask if c.temporal else None
        h = flat
        if alpha is not None:
            h = (x * ((c.K if c.alpha_scale == "joints" else 1) * alpha).unsqueeze(-1)).flatten(3)
        for layer in range(c.layers):
            h = lstm(w, f"main.lstms.{layer}", h)
            if c.dropout_after == "each" or layer == c.layers - 1:
                h = functional.dropout(h, c.dropout, self.training)
        z = linear(w, "main.z", h.flatten(1, 2)).view(*h.shape[:3], -1)
        weight = mask.to(z.dtype) if beta is None else beta
        o = torch.einsum("ntb,ntbc->nbc", weight, z)
        if c.score_norm == "frames":
            o = o / mask.sum(1).unsqueeze(-1)
        elif c.score_norm == "beta":
            o = o / weight.sum(1).clamp(min=1e-6).unsqueeze(-1)
        return o, alpha, beta

    def _alpha(self, w: Weights, flat: Tensor) -> Tensor:
        h = _previous(lstm(w, "spatial.lstm", flat)).flatten(1, 2)
        s = linear(w, "spatial.U_s", torch.tanh(linear(w, "spatial.W_xs", flat.flatten(1, 2)) + linear(w, "spatial.W_hs", h)))
        return torch.softmax(s, dim=-1).view(*flat.shape[:3], -1)

    def _beta(self, w: Weights, flat: Tensor) -> Tensor:
        h = _previous(lstm(w, "temporal.lstm", flat)).flatten(1, 2)
        score = linear(w, "temporal.w_x", flat.flatten(1, 2)) + linear(w, "temporal.w_h", h)
        return torch.relu(score).view(flat.shape[:3])

    def losses(self, x: Tensor, mask: Tensor, labels: Tensor, p: Penalties) -> Tensor:
        """The objective of every network on its own clips, `labels` int64 `[N, B]`: float `[N]`."""
        logits, alpha, beta = self(x, mask)
        each = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), reduction="none", label_smoothing=p.label_smoothing
        )
        total = each.view(labels.shape).mean(1)
        if alpha is not None and p.lambda1:
            scale = self.config.K if self.config.alpha_scale == "joints" else 1
            mean = torch.einsum("ntb,ntbk->nbk", mask.to(alpha.dtype), alpha) / mask.sum(1).unsqueeze(-1)
            total = total + p.lambda1 * ((1 - scale * mean) ** 2).sum(-1).mean(1)
        if beta is not None and p.lambda2:
            norm = beta if p.beta_norm == "l2" else beta**2
            total = total + p.lambda2 * (norm.sum(1) / mask.sum(1)).mean(1)
        if p.lambda3:
            total = total + p.lambda3 * self._l1(p)
        return total

    def _l1(self, p: Penalties) -> Tensor:
        part = "" if p.l1_scope == "all" else "main."
        chosen = [w for name, w in self.weights.items() if name.startswith(part) and w.ndim == 3 and w.requires_grad]
        total = torch.stack([w.abs().sum((1, 2)) for w in chosen]).sum(0)
        return total if p.l1_reduce == "sum" else total / sum(w[0].numel() for w in chosen)


def _previous(h: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], dim=1)


class ManyTrainer:
    """A training step of all networks: clipping by each network's own norm, Adam, the temporal attention at its own rate."""

    def __init__(self, many: Many, training: Training, penalties: Penalties):
        self.many, self.training, self.penalties = many, training, penalties
        learning = [(name, w) for name, w in many.weights.items() if w.requires_grad]
        groups: dict[float, list[Tensor]] = {}
        for name, weight in learning:
            groups.setdefault(training.temporal_rate if name.startswith("temporal.") else 1.0, []).append(weight)
        self.learning = [weight for _, weight in learning]
        t = training
        parts = [{"params": weights, "share": share} for share, weights in groups.items()]
        betas = (t.adam_beta1, t.adam_beta2)
        self.optimizer = torch.optim.Adam(parts, betas=betas, eps=t.adam_eps, weight_decay=t.weight_decay, fused=True)

    def step(self, x: Tensor, mask: Tensor, labels: Tensor, rate: float) -> Tensor:
        """One update of each network; the losses before it, float `[N]`."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self.optimizer.zero_grad()
        losses = self.many.losses(x, mask, labels, self.penalties)
        # No network's weights are in another's loss.
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self._clip()
        self.optimizer.step()
        return losses.detach()

    @torch.no_grad()
    def _clip(self) -> None:
        gradients = [weight.grad for weight in self.learning if weight.grad is not None]
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)  # [N]
        factor = (self.training.clip_norm or math.inf) / (norms + 1e-6)
        for g in gradients:
            g.mul_(factor.clamp(max=1.0).view(-1, *[1] * (g.ndim - 1)))
            g.nan_to_num_(0.0, 0.0, 0.0)
