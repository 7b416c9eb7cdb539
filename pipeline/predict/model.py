"""A trained model from a file: raw recordings in, class probabilities and attention out.

from pipeline import load
model = load("models/demo-sbu-sta-lstm.safetensors")
model.predict("skeleton_pos.txt").predicted
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.special import softmax

from pipeline.core.model import STALSTM
from pipeline.core.skeletons import Frames, Meta, Store
from pipeline.core.training.augment import views
from pipeline.core.training.batches import Change, Clips
from pipeline.core.training.files import State
from pipeline.core.training.loop import Prediction as Answer
from pipeline.core.training.loop import device_of, predict
from pipeline.datasets.shared.errors import ArchiveMismatch, MalformedSkeleton
from pipeline.datasets.shared.reading import ReadClip
from pipeline.errors import InputUnusable
from pipeline.predict import inputs, weights
from pipeline.predict.card import Card
from pipeline.predict.inputs import File

SIZE = 256  # clips at once, as the stage `evaluate`
MOST_FRAMES = 40_000  # of the clips that are in memory at once: 24 MB of coordinates of two bodies of 25 joints
Weights = npt.NDArray[np.float32]
Named = tuple[str, ReadClip]
Refuse = Callable[[InputUnusable], None]
Paths = str | PathLike[str] | Iterable[str | PathLike[str]]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one clip.

    `frames` float32 `[T, M, J, 3]`: the skeletons as preprocessed. `logits` float32 `[C]`; `probabilities` by class, their
    softmax. `alpha` `[N, K]` and `beta` `[N]`: attention weights, None where the model has none; N is T, or the number of frames
    that the recipe resamples clips to. `true`: the class that the file, or its name, says. `repaired`: what was wrong with the
    recording and mended, in how many frames.
    """

    clip: str
    frames: Frames
    logits: Weights
    probabilities: dict[str, float]
    alpha: Weights | None
    beta: Weights | None
    true: str | None
    repaired: Mapping[str, int] = field(default_factory=dict)

    @property
    def predicted(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Classes with their probabilities, the most probable first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])


class InMemory(Store):
    """Clips in memory where `Clips` expects a store on disk; classes are of no account."""

    def __init__(self, frames: Sequence[Frames], meta: Meta):
        self.meta, self._clips = meta, frames
        self.index = pd.DataFrame({"action": 1, "length": [len(clip) for clip in frames]})

    def __len__(self) -> int:
        return len(self._clips)

    def clip(self, i: int) -> Frames:
        """Frames of clip `i`."""
        return self._clips[i]


class Model:
    """Trained networks with their card; `where` names it in errors. Runs on CUDA where there is one and the recipe lets it."""

    def __init__(self, card: Card, states: dict[int, State], where: str):
        self.card, self.where = card, where
        self._device = device_of(card.settings.training)
        self._networks: list[STALSTM] = [weights.network(card, states[s], where).to(self._device) for s in card.seeds]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the logits."""
        return self.card.skeleton.actions

    @property
    def synthetic(self) -> bool:
        """Whether it learned from synthetic data."""
        return self.card.skeleton.synthetic

    def predict(self, file: str | PathLike[str]) -> Prediction:
        """The prediction for a file with one clip; `InputUnusable` where it has several, or none that this model reads."""
        found = list(self.stream(self.files([file])))
        if len(found) != 1:
            raise InputUnusable(f"{file}: expected one clip, found {len(found)}; `predict_all` predicts all of them")
        return found[0]

    def predict_all(self, paths: Paths) -> Iterator[Prediction]:
        """The predictions for a file, folder or zip, or several, one by one with bounded memory, in their order."""
        return self.stream(self.files(paths))

    def files(self, paths: Paths) -> list[File]:
        """The raw files in a file, folder or zip, or in several; see `inputs.find`."""
        form = self.card.reader
        given = [paths] if isinstance(paths, str | PathLike) else paths  # a string, too, is an iterable of strings
        return inputs.find(map(Path, given), form.SUFFIX, form.SAYS)

    def stream(self, files: Iterable[File], refuse: Refuse | None = None) -> Iterator[Prediction]:
        """The predictions for raw files; `refuse` takes the error of one that cannot be read, which else ends it all."""
        waiting: list[Named] = []
        frames = 0
        for clip in self._clips(files, refuse):
            waiting.append(clip)
            frames += len(clip[1].frames)
            if len(waiting) == SIZE or frames >= MOST_FRAMES:
                yield from self._answers(waiting)
                waiting, frames = [], 0
        if waiting:
            yield from self._answers(waiting)

    def _clips(self, files: Iterable[File], refuse: Refuse | None) -> Iterator[Named]:
        """Every clip of the files, named, repaired as the training data were."""
        form, section = self.card.reader, self.card.section
        with inputs.Contents() as contents:
            for file in files:
                try:
                    found = form.read(contents.of(file), str(file), section)
                except (MalformedSkeleton, ArchiveMismatch, InputUnusable) as failure:
                    reads = f"; {self.where} reads {form.SAYS}" if isinstance(failure, MalformedSkeleton) else ""
                    error = InputUnusable(f"{failure}{reads}")
                    if refuse is None:
                        raise error from failure
                    refuse(error)
                    continue
                yield from ((f"{file}:{clip.part}" if clip.part else str(file), clip) for clip in found)

    def _answers(self, named: Sequence[Named]) -> Iterator[Prediction]:
        settings = self.card.settings
        store = InMemory([clip.frames for _, clip in named], self.card.meta)
        answer = self.answer(Clips(store, np.arange(len(store)), settings.training.frames, settings.model.velocity))
        for i, (name, clip) in enumerate(named):
            shares = softmax(answer.logits[i].astype(np.float64)).tolist()
            yield Prediction(
                clip=name,
                frames=clip.frames,
                logits=answer.logits[i],
                probabilities=dict(zip(self.classes, shares, strict=True)),
                alpha=answer.alpha[i] if answer.alpha else None,
                beta=answer.beta[i] if answer.beta else None,
                true=self.classes[clip.action - 1] if 1 <= clip.action <= len(self.classes) else None,
                repaired=clip.repaired,
            )

    def answer(self, clips: Clips) -> Answer:
        """Logits and attention of clips in their order, as the stage `evaluate` has them; of several seeds the means."""
        seen = views(self.card.meta, self.card.settings.evaluate.views)
        each = [_answer(network, clips, self._device, seen) for network in self._networks]
        if len(each) == 1:
            return each[0]
        logits = np.stack([one.logits for one in each]).mean(axis=0)
        alpha, beta = (_means([getattr(one, name) for one in each]) for name in ("alpha", "beta"))
        return Answer(np.asarray(logits, np.float32), alpha, beta)


def _answer(network: STALSTM, clips: Clips, device: torch.device, seen: Sequence[Change | None]) -> Answer:
    """What `predict_views` answers, to the bit: attention is cut into clips for the first view alone."""
    first = predict(network, clips, SIZE, device, seen[0])
    logits = np.stack([first.logits, *(_logits(network, clips, device, view) for view in seen[1:])]).mean(axis=0)
    return Answer(np.asarray(logits, np.float32), first.alpha, first.beta)


@torch.no_grad()
def _logits(network: STALSTM, clips: Clips, device: torch.device, view: Change | None) -> Weights:
    """Of the same batches as those of `predict`: another batch may round otherwise."""
    logits = np.zeros((len(clips), network.config.classes), np.float32)
    for places, batch in clips.in_order(SIZE, view):
        logits[places] = network(batch.x.to(device), batch.mask.to(device)).logits.cpu().numpy()
    return logits


def _means(each: Sequence[Sequence[Weights]]) -> list[Weights]:
    """Clip by clip over the runs."""
    return [np.asarray(np.mean(clip, axis=0), np.float32) for clip in zip(*each, strict=True)]


def load(path: str | PathLike[str]) -> Model:
    """The model in a file that `python -m pipeline export` wrote.

    Raises `ModelUnusable` where the file is not there, incomplete, or has other tensors or shapes than its card says.
    """
    card, states = weights.read(Path(path))
    return Model(card, states, str(path))
