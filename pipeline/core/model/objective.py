"""The objective: cross-entropy and three penalties.

L = - sum_i y_i log yhat_i + lambda1 sum_k (1 - (1/T) sum_t alpha_{t,k})^2 + (lambda2 / T) sum_t ||beta_t|| + lambda3 ||W||_1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.core.model.sta_lstm import STALSTM, Output


@dataclass(frozen=True)
class Penalties:
    """Weights and readings of the three penalties, and smoothing of the labels; `params.yaml`, section `objective`."""

    lambda1: float = 0.001
    lambda2: float = 0.0001
    lambda3: float = 0.0
    beta_norm: Literal["l2", "squared"] = "l2"
    l1_scope: Literal["all", "main"] = "all"
    l1_reduce: Literal["sum", "mean"] = "sum"
    label_smoothing: float = 0.0


class Terms(NamedTuple):
    """Scalars: `total` is what training minimises; the others are its parts, already multiplied by their lambdas."""

    total: Tensor
    cross_entropy: Tensor
    spatial: Tensor
    temporal: Tensor
    l1: Tensor


def objective(model: STALSTM, output: Output, labels: Tensor, mask: Tensor, p: Penalties) -> Terms:
    """`labels` int64 `[B]`, `mask` bool `[T, B]`; averages over the clips of the batch. A lambda of 0 costs no time."""
    cross_entropy = functional.cross_entropy(output.logits, labels, label_smoothing=p.label_smoothing)
    zero = cross_entropy.new_zeros(())
    spatial = p.lambda1 * _spatial(model, output.alpha, mask) if output.alpha is not None and p.lambda1 else zero
    temporal = p.lambda2 * _temporal(output.beta, mask, p) if output.beta is not None and p.lambda2 else zero
    l1 = p.lambda3 * _l1(model, p) if p.lambda3 else zero
    if (own := getattr(model.main, "penalty", None)) is not None:  # an earlier method's, already multiplied by its weights
        l1 = l1 + own()
    return Terms(cross_entropy + spatial + temporal + l1, cross_entropy, spatial, temporal, l1)


def _spatial(model: STALSTM, alpha: Tensor, mask: Tensor) -> Tensor:
    """sum_k (1 - (1/T) sum_t alpha)^2, with alpha as it gates: times K with `alpha_scale: joints`."""
    scale = model.config.K if model.config.alpha_scale == "joints" else 1
    mean = torch.einsum("tb,tbk->bk", mask.to(alpha.dtype), alpha) / mask.sum(0).unsqueeze(-1)  # [B, K]
    return ((1 - scale * mean) ** 2).sum(-1).mean()


def _temporal(beta: Tensor, mask: Tensor, p: Penalties) -> Tensor:
    """(1/T) sum_t ||beta_t||: beta_t is one number, at least 0, so its norm is itself."""
    norm = beta if p.beta_norm == "l2" else beta**2  # [T, B]; 0 in padding
    return (norm.sum(0) / mask.sum(0)).mean()


def _l1(model: STALSTM, p: Penalties) -> Tensor:
    """||W||_1 over connection matrices, without biases."""
    part = model if p.l1_scope == "all" else model.main
    weights = [w for w in part.parameters() if w.ndim == 2 and w.requires_grad]
    total = torch.stack([w.norm(1) for w in weights]).sum()
    return total if p.l1_reduce == "sum" else total / sum(w.numel() for w in weights)
