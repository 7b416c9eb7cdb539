"""What takes the place of attention, as tensors: `[T, B, K]` for alpha, `[T, B]` for beta, of a batch of clips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.core.model import STALSTM, Config
from pipeline.knockout.kinds import BY_TIME, LENT, MEAN, UNIFORM


class Given(nn.Module):
    """An attention network that returns these weights, whatever it sees."""

    def __init__(self, weights: Tensor):
        super().__init__()
        self.weights = weights

    def forward(self, x: Tensor) -> Tensor:
        """Float `[T, B, inputs]` -> the weights."""
        return self.weights


@contextmanager
def given(model: STALSTM, alpha: Tensor | None, beta: Tensor | None) -> Iterator[None]:
    """While it lasts, the network weighs joints and frames as given; None leaves it without that attention."""
    own = model.spatial, model.temporal
    model.spatial, model.temporal = (None if w is None else Given(w) for w in (alpha, beta))  # type: ignore[assignment]
    try:
        yield
    finally:
        model.spatial, model.temporal = own


def there(x: Tensor, c: Config) -> Tensor:
    """Which gates weigh a body that is there: float `[T, B, K', channels]` -> bool `[T, B, K]`.

    A body is absent from a frame in which all its numbers are 0, so padding has none. A single joint at the origin is there.
    """
    bodies = x.ne(0).reshape(*x.shape[:2], c.bodies, -1).any(-1)  # [T, B, bodies]
    if c.gates == "per_person_shared":
        return bodies.any(-1, keepdim=True).repeat_interleave(c.joints, -1)
    return bodies.repeat_interleave(c.joints, -1)


def shares(weights: Tensor, where: Tensor) -> Tensor:
    """Weights along the last axis as shares of their sum over `where`, and 0 elsewhere; equal shares where that sum is 0."""
    inside = weights * where
    total = inside.sum(-1, keepdim=True)
    equal = where / where.sum(-1, keepdim=True).clamp(min=1)
    return torch.where(total > 0, inside / total.clamp(min=torch.finfo(inside.dtype).tiny), equal)


def spread_as(new: Tensor, own: Tensor, where: Tensor) -> Tensor:
    """The sum of `own` over `where` (last axis), distributed as `new` is."""
    return shares(new, where) * (own * where).sum(-1, keepdim=True)


def moved(new: Tensor, own: Tensor, where: Tensor) -> Tensor:
    """Which share of the weight lies elsewhere than before, along the last axis: half the summed difference, 0 to 1."""
    return (shares(new, where) - shares(own, where)).abs().sum(-1) / 2


@dataclass(frozen=True)
class Alphas:
    """Alpha of a batch, `[T, B, K]`: `own`, and what another clip lends to each (the own one where none does)."""

    own: Tensor
    lent: Tensor


@dataclass(frozen=True)
class Betas:
    """Beta of a batch, `[T, B]`: `own`, what another clip lends to each, and the mean course."""

    own: Tensor
    lent: Tensor
    course: Tensor


def alpha_of(by: str, alphas: Alphas, mean: Tensor, where: Tensor) -> Tensor:
    """Alpha `[T, B, K]` in place of the own one: `mean` is `[K]`, `where` from `there`."""
    own = alphas.own
    new = {MEAN: mean.expand_as(own), UNIFORM: torch.ones_like(own), **dict.fromkeys(LENT, alphas.lent)}[by]
    return spread_as(new, own, where)


def beta_of(by: str, betas: Betas, mean: float, mask: Tensor) -> Tensor:
    """Beta `[T, B]` in place of the own one: `mean` is a number, `mask` true on real frames."""
    own = betas.own
    if by == MEAN:
        return mean * mask.to(own.dtype)
    new = {BY_TIME: betas.course, UNIFORM: torch.ones_like(own), **dict.fromkeys(LENT, betas.lent)}[by]
    return spread_as(new.T, own.T, mask.T).T
