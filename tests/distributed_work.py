"""What the processes of tests/test_distributed.py do; top-level functions, so that started processes find them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.model import Penalties
from pipeline.core.skeletons import Frames, Store
from pipeline.core.training import phases as methods
from pipeline.core.training import ranks
from pipeline.core.training import run as joint
from pipeline.core.training.batches import Change, Clips, Rows
from pipeline.core.training.job import Job, Row
from pipeline.core.training.loop import Rate, Trainer

PENALTIES = Penalties(lambda1=0.3, lambda2=0.2, lambda3=0.001)


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of the phase `phase` of a job, on some clips of its store; the gradients go to `folder`."""

    job: Job
    phase: int
    clips: tuple[int, ...]
    folder: Path
    fold: int = 0
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Train:
    """A whole run; every rank's weights go to `folder`.

    Its ranks are interrupted after `stop_after` epochs and begin again; the sample `broken` of the store is not a number.
    """

    job: Job
    folder: Path
    stop_after: int = 0
    broken: int = -1
    fold: int = 0
    seed: int = 0


class Interrupted(Exception):
    pass


def work(task: Step | Train) -> list[Row]:
    return step(task) if isinstance(task, Step) else train(task)


def step(task: Step) -> list[Row]:
    """The gradients, and what the history says, of one step with all penalties."""
    store = Store(task.job.store)
    model = joint.build(task.job, joint.phases_of(task.job)[task.phase], {}, store)
    trainer = Trainer(model.train(), task.job.params.training, PENALTIES, torch.device("cpu"), Rate(task.job.params.training, 10))
    clips = Clips(store, np.array(task.clips))
    _, row = trainer.epoch(clips.shuffled(len(clips), 1, Fixed(), share=ranks.share), 0)
    grads = {name: w.grad for name, w in model.named_parameters() if w.grad is not None}
    save({"grads": grads, "weights": model.state_dict()}, task.folder)
    return [row]


class Fixed:
    """In place of a random generator: the clips as they are."""

    def permutation(self, count: int) -> Rows:
        return np.arange(count)


def train(task: Train) -> list[Row]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint, "CHECKPOINT_EVERY_S", -1.0)  # a checkpoint an epoch
        patch.setattr(joint, "run_phase", keeping(joint.run_phase, task.folder))
        patch.setattr(Clips, "clip", breaking(Clips.clip, task.broken))
        if task.stop_after:
            with patch.context() as more:
                more.setattr(joint, "run_epoch", interrupted(joint.run_epoch, task.stop_after))
                with pytest.raises(Interrupted):
                    joint.train(task.job)
            ranks.check_equal([0], "all interrupted")  # as a new start does: no rank reads while another still writes
        return joint.train(task.job)


def keeping(run_phase: Callable[..., None], folder: Path) -> Callable[..., None]:
    """Every rank's weights after a phase, which only rank 0 writes otherwise."""

    def kept(job: Job, phase: methods.Phase, progress: joint.Checkpoint, parts: dict[str, Clips]) -> None:
        run_phase(job, phase, progress, parts)
        save(progress.weights, folder)

    return kept


def breaking(clip: Callable[..., Frames], broken: int) -> Callable[..., Frames]:
    def read(clips: Clips, i: int, change: Change | None = None) -> Frames:
        frames = clip(clips, i, change)
        return frames * np.float32(np.nan) if clips.rows[i] == broken else frames

    return read


def interrupted(run_epoch: Callable[..., None], stop_after: int) -> Callable[..., None]:
    count = 0

    def counted(*arguments: object) -> None:
        nonlocal count
        count += 1
        if count > stop_after:
            raise Interrupted
        run_epoch(*arguments)

    return counted


def save(content: object, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(content, folder / f"rank-{ranks.place().rank}.pt")


def fail(task: Train) -> list[Row]:
    """Rank 1 fails at once; rank 0 would wait for it for half an hour."""
    if ranks.place().rank == 1:
        raise ZeroDivisionError("no such clip")
    return joint.train(task.job)


def vanish(task: Train) -> list[Row]:
    """As if the system had run out of memory."""
    if ranks.place().rank == 1:
        os.kill(os.getpid(), 9)
    return joint.train(task.job)
