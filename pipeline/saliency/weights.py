"""Weights over the joints and frames of a clip: attention, saliency, and two references that know no network.

Saliency is integrated gradients (Sundararajan, Taly, Yan, ICML 2017) by captum: of the predicted class's logit, along the
straight line from the clip that stands still in its mean pose to the clip itself; absolute values, summed over the numbers of a
joint.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from pipeline.core.model import STALSTM
from pipeline.core.training.batches import Batch, Clips
from pipeline.saliency.shares import ALPHA, BETA, BOTH, MOVEMENT, SALIENCY, UNIFORM

SIZE = 64  # clips at once
Maps = dict[str, list[npt.NDArray[np.float64]]]


def of_clips(model: STALSTM, clips: Clips, steps: int, device: torch.device) -> Maps:
    """By kind of weight a `[T, K']` of each clip, K' the joints of all bodies; what the network lacks is left out."""
    model.eval()
    found: Maps = {}
    for places, batch in clips.in_order(SIZE):
        for kind, weights in of_batch(model, batch, steps, device).items():
            maps = found.setdefault(kind, [np.empty(0)] * len(clips))
            for b, (i, length) in enumerate(zip(places, batch.mask.sum(0).tolist(), strict=True)):
                maps[i] = weights[:length, b].double().cpu().numpy()
    return found


def of_batch(model: STALSTM, batch: Batch, steps: int, device: torch.device) -> dict[str, Tensor]:
    """By kind of weight `[T, B, K']`, at least 0; an absent body has none."""
    x, mask = batch.x.to(device), batch.mask.to(device)
    c = model.config
    bodies = x.ne(0).reshape(*x.shape[:2], c.bodies, -1).any(-1)  # [T, B, bodies]
    there = bodies.repeat_interleave(c.joints, -1).float()  # [T, B, K']
    still = mean_pose(x, mask)
    with torch.no_grad():
        logits, alpha, beta = model(x, mask)
    found = {UNIFORM: there, MOVEMENT: (x - still)[..., :3].norm(dim=-1) * there}
    if alpha is not None:
        found[ALPHA] = (alpha.repeat(1, 1, c.bodies) if c.gates == "per_person_shared" else alpha) * there
    if beta is not None:
        found[BETA] = beta.unsqueeze(-1) * there
    if alpha is not None and beta is not None:
        found[BOTH] = found[ALPHA] * beta.unsqueeze(-1)
    saliency = integrated_gradients(model, (x, still, mask), logits.argmax(1), steps)
    return {**found, SALIENCY: saliency.abs().sum(-1) * there}


def mean_pose(x: Tensor, mask: Tensor) -> Tensor:
    """Each clip standing still in its mean pose: `[T, B, K', channels]`; velocities, where there are any, are 0."""
    where = mask[..., None, None]
    mean = (x * where).sum(0) / where.sum(0)
    still = mean.expand_as(x) * where
    still = still.clone()
    still[..., 3:] = 0
    return still


def integrated_gradients(model: STALSTM, clip: tuple[Tensor, Tensor, Tensor], target: Tensor, steps: int) -> Tensor:
    """Attribution `[T, B, K', channels]` of the target logits `[B]`; `clip` is x, where the line begins, and the mask."""
    x, still, mask = clip

    def logits(first: Tensor, valid: Tensor) -> Tensor:  # captum has the clips in the first dimension
        return model(first.transpose(0, 1), valid.T).logits  # type: ignore[no-any-return]

    with torch.backends.cudnn.flags(enabled=False):  # cuDNN has no gradient of an LSTM in evaluation
        found = IntegratedGradients(logits).attribute(
            x.transpose(0, 1), still.transpose(0, 1), target, mask.T, n_steps=steps, internal_batch_size=16 * SIZE
        )
    return found.detach().transpose(0, 1)  # type: ignore[no-any-return]
