"""One epoch of training, and prediction. What is random comes in from outside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.core.model import STALSTM, Output, Penalties, Terms, objective
from pipeline.core.settings import Training
from pipeline.core.training import ranks
from pipeline.core.training.batches import Batch, Change, Clips
from pipeline.core.training.job import Row


def device_of(training: Training) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU."""
    chosen = training.device
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if chosen == "auto" else chosen)


def autocast(training: Training, device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 autocast where `training.precision` says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=training.precision == "bfloat16")


def full_precision(output: Output) -> Output:
    """The same outputs in float32, whatever autocast made them."""
    logits, alpha, beta = output
    return Output(logits.float(), None if alpha is None else alpha.float(), None if beta is None else beta.float())


@dataclass
class Rate:
    """The learning rate within a phase of `total` steps; `level` and `waited` are the state of the plateau schedule."""

    training: Training
    total: int
    level: float = 1.0
    waited: int = 0
    best: float = -math.inf

    def at(self, step: int) -> float:
        """The rate of a step, counted from 0."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.total)) if self.training.schedule == "cosine" else 1.0
        rising = self.training.warmup * self.total
        return self.training.learning_rate * self.level * cosine * (min(1.0, (step + 1) / rising) if rising else 1.0)

    def seen(self, accuracy: float | None) -> None:
        """After an epoch with this validation accuracy: with `schedule: plateau`, lower the rate where it no longer grows."""
        if self.training.schedule != "plateau" or accuracy is None:
            return
        if accuracy > self.best:
            self.best, self.waited = accuracy, 0
        elif (waited := self.waited + 1) > self.training.plateau_patience:
            self.level, self.waited = self.level * self.training.plateau_factor, 0
        else:
            self.waited = waited


@dataclass
class Sums:
    """Averages over the clips of an epoch, for the history."""

    clips: int = 0
    values: dict[str, float] = field(default_factory=dict)

    def add(self, batch: Batch, output: Output, terms: Terms, norm: Tensor) -> None:
        """Take in one step; with several processes, of all of them."""
        seen = {
            "loss": terms.total,
            "cross_entropy": terms.cross_entropy,
            "spatial_term": terms.spatial,
            "temporal_term": terms.temporal,
            "l1_term": terms.l1,
            "train_accuracy": (output.logits.argmax(1) == batch.labels).float().mean(),
            "gradient_norm": norm,
        }
        if output.beta is not None:
            beta = output.beta.detach()
            seen["beta_mean"] = (beta.sum(0) / batch.mask.sum(0)).mean()
            seen["beta_dead"] = (beta.amax(0) == 0).float().mean()
        own = {name: float(value.detach()) for name, value in seen.items()}
        clips, means = ranks.whole_batch(len(batch.labels) if batch.share else 0, own)
        for name, mean in means.items():
            self.values[name] = self.values.get(name, 0.0) + clips * mean
        self.clips += clips

    def row(self) -> Row:
        """The averages."""
        return {name: value / self.clips for name, value in self.values.items()}


@dataclass
class Trainer:
    """What an epoch needs: the network, the trained weights with their optimiser and its rate, the objective."""

    model: STALSTM
    training: Training
    penalties: Penalties
    device: torch.device
    rate: Rate

    def __post_init__(self) -> None:
        self.weights = [w for w in self.model.parameters() if w.requires_grad]
        slow = {id(w) for w in self.model.temporal.parameters()} if self.model.temporal is not None else set()
        parts = {1.0: [w for w in self.weights if id(w) not in slow]}
        parts[self.training.temporal_rate] = parts.get(self.training.temporal_rate, []) + [
            w for w in self.weights if id(w) in slow
        ]
        self.network = ranks.parallel(self.model)
        groups = [{"params": weights, "share": share} for share, weights in parts.items() if weights]
        t = self.training
        betas = (t.adam_beta1, t.adam_beta2)
        self.optimizer = torch.optim.Adam(groups, betas=betas, eps=t.adam_eps, weight_decay=t.weight_decay, fused=True)

    def step(self, batch: Batch, rate: float) -> tuple[Batch, Output, Terms, Tensor]:
        """One update; returns what it saw."""
        x, mask, labels = (tensor.to(self.device, non_blocking=True) for tensor in batch[:3])
        batch = Batch(x, mask, labels, batch.share)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self.optimizer.zero_grad()
        with autocast(self.training, self.device):
            output = full_precision(self.network(batch.x, batch.mask))
        terms = objective(self.model, output, batch.labels, batch.mask, self.penalties)
        ranks.weighted(terms.total, batch.share).backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.weights, self.training.clip_norm or math.inf)
        if torch.isfinite(norm):  # a diverged step must not reach the weights; `epoch` ends there
            self.optimizer.step()
        return batch, output, terms, norm

    def epoch(self, batches: Iterable[Batch], step: int) -> tuple[int, Row]:
        """Train from `step` until the batches or the phase's steps end; returns the next step and the epoch's averages.

        A loss that is not finite ends the epoch; the weights stay those of the step before.
        """
        self.model.train()
        sums = Sums()
        for batch in batches:
            if step >= self.rate.total:
                break
            sums.add(*self.step(batch, self.rate.at(step)))
            step += 1
            if not math.isfinite(sums.values["loss"]):
                break
        return step, sums.row()


class Prediction(NamedTuple):
    """For the clips in their order: `logits` float32 `[N, C]`; `alpha` a list of `[T, K]`, `beta` of `[T]`, or empty lists."""

    logits: npt.NDArray[np.float32]
    alpha: list[npt.NDArray[np.float32]]
    beta: list[npt.NDArray[np.float32]]


def predict_views(model: STALSTM, clips: Clips, size: int, device: torch.device, views: Sequence[Change | None]) -> Prediction:
    """As `predict`, with the logits averaged over views of each clip; attention is that of the first view."""
    first, *others = (predict(model, clips, size, device, view) for view in views)
    logits = np.stack([first.logits, *(other.logits for other in others)]).mean(axis=0)
    return Prediction(np.asarray(logits, np.float32), first.alpha, first.beta)


@torch.no_grad()
def predict(model: STALSTM, clips: Clips, size: int, device: torch.device, view: Change | None = None) -> Prediction:
    """Run the network over clips, each seen as `view` makes it, without anything random: no dropout, float32."""
    model.eval()
    logits = np.zeros((len(clips), model.config.classes), np.float32)
    alpha: list[npt.NDArray[np.float32]] = [np.empty(0, np.float32)] * (len(clips) if model.config.spatial else 0)
    beta: list[npt.NDArray[np.float32]] = [np.empty(0, np.float32)] * (len(clips) if model.config.temporal else 0)
    for places, batch in clips.in_order(size, view):
        output = model(batch.x.to(device), batch.mask.to(device))
        logits[places] = output.logits.cpu().numpy()
        for b, (i, length) in enumerate(zip(places, batch.mask.sum(0).tolist(), strict=True)):
            if output.alpha is not None:
                alpha[i] = output.alpha[:length, b].cpu().numpy()
            if output.beta is not None:
                beta[i] = output.beta[:length, b].cpu().numpy()
    return Prediction(logits, alpha, beta)


def accuracy(prediction: Prediction, clips: Clips) -> float:
    """Share of clips whose largest logit is their label's."""
    return float((prediction.logits.argmax(1) == clips.labels).mean())
