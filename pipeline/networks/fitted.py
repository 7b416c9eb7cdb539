"""Methods that no gradient step trains: numbers of a whole clip, and a linear machine for each class on them.

A module has `NETWORK`, a subclass of `Fitted` with what is its own, and `train` from here. Every number that was learned is a
tensor of its state, of whatever size the training clips asked for. The score of a class stands in every frame, so that their
average is it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.core.model import Config
from pipeline.core.skeletons import Meta
from pipeline.core.training import phases as methods
from pipeline.core.training.batches import Clips
from pipeline.core.training.files import clips_of, write_live, write_weights
from pipeline.core.training.job import COLUMNS, Job, Row
from pipeline.core.training.streams import Streams
from pipeline.networks.one_vs_all import fit, squared_hinge

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


class Fitted(nn.Module):
    """A main network for `STALSTM`: a linear machine for each class on what `represent` and `describe` make of a clip.

    A subclass names its tensors with `keep`, fills them in `learn`, and sets `by_class` where the classes see a clip differently.
    """

    weight: Tensor
    bias: Tensor
    seen: Tensor
    sizes_are_learned = True
    by_class = False
    balanced = False  # whether the two sides of a machine weigh the same

    def __init__(self, inputs: int, c: Config):
        super().__init__()
        self.c = c
        self.keep(weight=torch.zeros(c.classes, 0), bias=torch.zeros(c.classes), seen=torch.zeros(c.classes, dtype=torch.bool))

    def keep(self, **tensors: Tensor | npt.NDArray[Any]) -> None:
        """Make these the tensors of that name, which are part of the weights."""
        for name, value in tensors.items():
            self.register_buffer(name, torch.as_tensor(value).contiguous())

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """As the library's, but tensors take the size of what is loaded."""
        for name, own in self._buffers.items():
            found = state_dict.get(f"{prefix}{name}")
            if own is not None and isinstance(found, Tensor):
                setattr(self, name, torch.zeros_like(found, dtype=own.dtype))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def learn(self, clips: Sequence[Array], labels: Labels, meta: Meta, streams: Streams) -> None:
        """Find what `represent` and `describe` need from the training clips, each `[T, M, J, 3]`."""

    def represent(self, clip: Array) -> Array:
        """What all classes see of a clip `[T, M, J, 3]`."""
        raise NotImplementedError

    def describe(self, found: Array, label: int) -> Array:
        """The numbers that the machine of a class reads: float32 `[F]`."""
        return found

    def scores(self, clip: Array) -> Array:
        """The clip's score of each class, float32 `[C]`; a class that had no training clips comes last."""
        found = self.represent(clip)
        known = self.seen.cpu().numpy()
        weight, bias = self.weight.float().cpu().numpy(), self.bias.float().cpu().numpy()
        z = np.zeros(self.c.classes, np.float32)
        for label in np.flatnonzero(known):
            z[label] = weight[label] @ self.describe(found, int(label)) + bias[label]
        z[~known] = z[known].min(initial=0) - 1
        return z

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Float `[T, B, inputs]`, mask bool `[T, B]` -> scores, the same in all frames, float `[T, B, C]`."""
        clips = x.reshape(*x.shape[:2], self.c.bodies, self.c.joints, self.c.channels)[..., :3].detach().float().cpu().numpy()
        real = mask.cpu().numpy()
        z = np.stack([self.scores(clips[real[:, b], b]) for b in range(x.shape[1])])  # [B, C]
        return torch.from_numpy(z).to(x).expand(len(x), *z.shape)


def train(job: Job) -> list[Row]:
    """Fit the job's method to its training clips, write `model.pt`, return the history's one row."""
    torch.set_num_threads(1)
    clips = clips_of(job, "train")
    phase = methods.finetune_phases(job.method, job.params)[-1]
    model = methods.build(phase, job.method, job.params, clips.store.meta)
    main, y = cast(Fitted, model.main), clips.labels
    seen = clips_in(clips)
    main.learn(seen, y, clips.store.meta, Streams(job.seed, job.fold))
    margins = machines(main, [main.represent(clip) for clip in seen], y, float((job.method.network or {})["cost"]))
    held = clips_of(job, "validation")
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"fold": job.fold, "seed": job.seed, "stage": job.stage, "phase": phase.name, "epoch": 1}
    row |= {"step": job.steps_before + 1, "loss": squared_hinge(margins, y), "train_accuracy": share(margins, y)}
    if len(held):
        row["validation_accuracy"] = share(np.stack([main.scores(clip) for clip in clips_in(held)]), held.labels)
    write_live(job, [row])
    write_weights(model.state_dict(), job)
    return [row]


def clips_in(clips: Clips) -> list[Array]:
    """The positions of all clips, each float32 `[T, M, J, 3]`."""
    meta = clips.store.meta
    return [clips.clip(i)[..., :3].reshape(-1, meta.bodies, len(meta.joints), 3) for i in range(len(clips))]


def machines(main: Fitted, found: list[Array], y: Labels, cost: float) -> Array:
    """Fit the machine of every class that has clips; their margins on these clips, float32 `[n, C]`."""
    n, classes = len(found), main.c.classes
    seen = np.bincount(y, minlength=classes) > 0
    weights: list[Array | None] = [None] * classes
    bias, margins = np.zeros(classes, np.float32), np.full((n, classes), -1.0, np.float32)
    x, gram = np.zeros((n, 0), np.float32), np.zeros((n, n))
    for label in np.flatnonzero(seen):
        if main.by_class or not x.size:
            x = np.stack([main.describe(one, int(label)) for one in found])  # [n, F]
            gram = (x @ x.T).astype(np.float64)
        dual, offset = fit(gram, y == label, cost, main.balanced)
        weights[label], bias[label] = (dual @ x).astype(np.float32), offset
        margins[:, label] = gram @ dual + offset
    empty = np.zeros(x.shape[1], np.float32)
    main.keep(weight=np.stack([empty if w is None else w for w in weights]), bias=bias, seen=seen)
    return margins


def share(scores: Array, y: Labels) -> float:
    """The share of clips whose highest score is that of their class."""
    return float((scores.argmax(1) == y).mean())
