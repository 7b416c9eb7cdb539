"""The test clips of one run, answered by its network as it is and with each knock-out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.special import log_softmax
from torch import Tensor

from pipeline.core.model import STALSTM, Config
from pipeline.core.training.batches import Batch, Change, Clips, Rows, resample
from pipeline.core.training.loop import Prediction, predict
from pipeline.knockout import kinds, replacements
from pipeline.knockout.kinds import Knockout
from pipeline.knockout.replacements import Alphas, Betas

SIZE = 256  # clips at once, as `evaluate`
Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Lenders = Mapping[str, Rows]


@dataclass(frozen=True)
class Means:
    """Attention over the training clips, all frames alike: `alpha` `[K]`, `beta` one number, `by_time` its course `[bins]`."""

    alpha: Tensor
    beta: float
    by_time: Floats


@torch.no_grad()
def training_means(model: STALSTM, clips: Clips, device: torch.device, view: Change | None, bins: int) -> Means:
    """Run the attention networks alone over clips; an attention that the network lacks has zeros."""
    model.eval()
    alpha, beta, frames = torch.zeros(model.config.K, dtype=torch.float64), 0.0, 0
    course = np.zeros(bins)
    for _, batch in clips.in_order(SIZE, view):
        flat, mask = batch.x.to(device).flatten(2), batch.mask.to(device)
        frames += int(mask.sum())
        if model.spatial is not None:
            alpha += (model.spatial(flat) * mask[..., None]).sum((0, 1), dtype=torch.float64).cpu()
        if model.temporal is not None:
            weights = (model.temporal(flat) * mask).cpu().numpy()
            beta += float(weights.sum(dtype=np.float64))
            for b, length in enumerate(batch.mask.sum(0).tolist()):
                course += resample(weights[:length, b], bins)
    return Means((alpha / frames).float(), beta / frames, (course / len(clips)).astype(np.float32))


def padded(clips: Sequence[Floats], frames: int) -> Tensor:
    """Arrays `[T, ...]` of several clips side by side, zeros at the end: float32 `[frames, B, ...]`."""
    whole = np.zeros((frames, len(clips), *clips[0].shape[1:]), np.float32)
    for b, clip in enumerate(clips):
        whole[: len(clip), b] = clip
    return torch.from_numpy(whole)


@dataclass(frozen=True)
class View:
    """The test clips as one view shows them, and attention as the network has it there."""

    clips: Clips
    change: Change | None
    own: Prediction
    means: Means
    lenders: Lenders

    def weights(self, by: str, places: Rows, mask: Tensor) -> tuple[Alphas | None, Betas | None]:
        """Own weights and those to replace them, of the clips at these places, as a batch."""
        lengths, lenders = mask.sum(0).tolist(), self.lenders[by][places] if by in self.lenders else places

        def batch(found: list[Floats]) -> tuple[Tensor, Tensor]:
            lent = [resample(found[lender], n) for lender, n in zip(lenders, lengths, strict=True)]
            return padded([found[i] for i in places], len(mask)), padded(lent, len(mask))

        alphas = Alphas(*batch(self.own.alpha)) if self.own.alpha else None
        course = padded([resample(self.means.by_time, n) for n in lengths], len(mask))
        return alphas, Betas(*batch(self.own.beta), course) if self.own.beta else None


class Replaced(NamedTuple):
    """Of a batch: `alpha` `[T, B, K]` and `beta` `[T, B]`, None where there is none, and the share `[B]` of weight moved."""

    alpha: Tensor | None
    beta: Tensor | None
    moved: Tensor


def replaced(view: View, knockout: Knockout, places: Rows, batch: Batch, c: Config) -> Replaced:
    """The attention of the clips at these places, a batch, with a knock-out."""
    alphas, betas = view.weights(knockout.by, places, batch.mask)
    alpha, beta = alphas.own if alphas else None, betas.own if betas else None
    shares = torch.full((len(places),), torch.nan)
    if knockout.spatial and alphas:
        where = replacements.there(batch.x, c)
        alpha = replacements.alpha_of(knockout.by, alphas, view.means.alpha, where)
        by_frame = replacements.moved(alpha, alphas.own, where)  # [T, B], 0 in padding
        shares = by_frame.sum(0) / batch.mask.sum(0)
    if knockout.temporal and betas:
        mean, mask = view.means.beta, batch.mask
        beta = replacements.beta_of(knockout.by, betas, mean, mask)
        shares = replacements.moved(beta.T, betas.own.T, mask.T)
    return Replaced(alpha, beta, shares)


@torch.no_grad()
def knocked_out(model: STALSTM, view: View, knockout: Knockout, device: torch.device) -> tuple[Floats, Floats]:
    """Logits float32 `[N, C]` of the clips in their order with a knock-out, and the share of weight `[N]` that it moved.

    The share is NaN where both attentions are replaced.
    """
    logits = np.zeros((len(view.clips), model.config.classes), np.float32)
    shares = np.full(len(view.clips), np.nan, np.float32)
    for places, batch in view.clips.in_order(SIZE, view.change):
        alpha, beta, moved = replaced(view, knockout, places, batch, model.config)
        with replacements.given(model, *(w if w is None else w.to(device) for w in (alpha, beta))):
            logits[places] = model(batch.x.to(device), batch.mask.to(device)).logits.cpu().numpy()
        if knockout.part != "both":
            shares[places] = moved.numpy()
    return logits, shares


def lenders(labels: Labels, rng: np.random.Generator) -> Lenders:
    """For each clip another one that lends it its attention, by knock-out: drawn from all others, from those of its class, and
    from those of other classes; a clip without such another has itself.
    """
    count = len(labels)
    found = {by: np.arange(count) for by in kinds.LENT}
    for i, label in enumerate(labels):
        others = np.arange(count) != i
        choices = {kinds.OTHER: others, kinds.SAME: others & (labels == label), kinds.DIFFERENT: labels != label}
        for by, chosen in choices.items():
            if chosen.any():
                found[by][i] = rng.choice(np.flatnonzero(chosen))
    return found


@dataclass(frozen=True)
class Answers:
    """Logits `[N, C]` averaged over views as `evaluate` has them, and by knock-out, with the share of weight moved `[N]`."""

    before: Floats
    after: dict[Knockout, tuple[Floats, Floats]]


@dataclass(frozen=True)
class Question:
    """What a run is asked: its `test` and `train` clips, the views that it averages, the lenders, bins of time."""

    test: Clips
    train: Clips
    views: Sequence[Change | None]
    lenders: Lenders
    bins: int


def answer(model: STALSTM, asked: Question, device: torch.device) -> Answers:
    """Answer the test clips; in each view attention is replaced by what the network has in that same view.

    So a mirrored view gets the mean over mirrored training clips and the lender's alpha on its mirror image. Shares are those of
    the first view.
    """
    seen = []
    for change in asked.views:
        own = predict(model, asked.test, SIZE, device, change)
        means = training_means(model, asked.train, device, change, asked.bins)
        seen.append(View(asked.test, change, own, means, asked.lenders))
    after: dict[Knockout, tuple[Floats, Floats]] = {}
    for knockout in kinds.of(model.config.spatial, model.config.temporal):
        each = [knocked_out(model, view, knockout, device) for view in seen]
        after[knockout] = mean_of([logits for logits, _ in each]), each[0][1]
    return Answers(mean_of([view.own.logits for view in seen]), after)


def mean_of(logits: Sequence[Floats]) -> Floats:
    """Over views, as `predict_views` does it."""
    return np.asarray(np.stack(logits).mean(axis=0), np.float32)


def table(answers: Answers, asked: Question) -> pd.DataFrame:
    """A row a knock-out and test clip: `name, label, part, by, before, after, loss_before, loss_after, moved, lender`.

    `before` and `after` are predicted classes, `lender` the class of the clip that lends its attention (-1 where none does); a
    loss is the cross-entropy in nats, without label smoothing.
    """
    labels, names = asked.test.labels, asked.test.store.index["name"].to_numpy()[asked.test.rows]
    own = {"name": names, "label": labels, "before": answers.before.argmax(1), "loss_before": losses(answers.before, labels)}
    parts = []
    for k, (logits, moved) in answers.after.items():
        lender = labels[asked.lenders[k.by]] if k.by in asked.lenders else -1
        new = {"part": k.part, "by": k.by, "after": logits.argmax(1), "loss_after": losses(logits, labels), "lender": lender}
        parts.append(pd.DataFrame(own).assign(**new, moved=moved.astype(np.float64)))
    return pd.concat(parts, ignore_index=True)


def losses(logits: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """Cross-entropy of each clip, float64 `[N]`."""
    logs = log_softmax(logits.astype(np.float64), axis=1)
    return np.asarray(-logs[np.arange(len(labels)), labels])
