"""The staged joint training of one run, phase after phase, with checkpoints that resume to the same bits."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch

from pipeline.core.errors import WeightsUnfit
from pipeline.core.files import fingerprint, whole
from pipeline.core.model import STALSTM
from pipeline.core.skeletons import Store
from pipeline.core.training import phases as methods
from pipeline.core.training import ranks
from pipeline.core.training.augment import augment
from pipeline.core.training.batches import Clips
from pipeline.core.training.files import (
    AGAIN,
    State,
    clips_of,
    fit,
    not_finite,
    read_tensors,
    read_weights,
    write_live,
    write_tensors,
    write_weights,
)
from pipeline.core.training.job import COLUMNS, Job, Row
from pipeline.core.training.loop import Rate, Trainer, accuracy, device_of, predict
from pipeline.core.training.phases import Phase
from pipeline.core.training.streams import Streams

CHECKPOINT_EVERY_S = 10.0
PREDICT_BATCH = 256


@dataclass
class Checkpoint:
    """Where a run stands; all that a checkpoint holds. `phase` and `epoch` are those that come next, epochs from 0.

    `run` names the run that it is of, by all that enters its numbers but data and code, which name the checkpoint's folder.
    """

    phase: int = 0
    epoch: int = 0
    step: int = 0
    weights: State = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    rate: dict[str, Any] = field(default_factory=dict)
    best: State = field(default_factory=dict)
    best_accuracy: float = -math.inf
    diverged: bool = False
    rows: list[Row] = field(default_factory=list)
    run: str = ""


def watched(job: Job) -> str:
    """The part that training looks at after every epoch; `select: test` exists to show what that practice of others gives."""
    return "test" if job.params.training.select == "test" else "validation"


def phases_of(job: Job) -> list[Phase]:
    """The phases of the job's stage; those of length 0 are left out."""
    schedule = methods.pretrain_phases if job.stage == "pretrain" else methods.finetune_phases
    return [phase for phase in schedule(job.method, job.params) if phase.length]


def train(job: Job) -> list[Row]:
    """Run all phases of the job's stage, or what a checkpoint leaves of them; write `model.pt`; return the history's rows.

    With several processes all of them call this, and the first alone writes.
    """
    if (own := methods.own_training(job.method)) is not None:
        return own(job) if ranks.is_main() else []
    torch.set_num_threads(1)  # runs are parallel, not their kernels
    progress = resume(job) or begin(job)
    ranks.check_equal([progress.phase, progress.epoch, progress.step, len(progress.rows)], f"{job.checkpoint}: place to resume")
    parts = {"train": clips_of(job, "train"), "watched": clips_of(job, watched(job))}
    phases = phases_of(job)
    if ranks.is_main():
        write_live(job, progress.rows)
    for i in range(progress.phase, len(phases)):
        if not progress.diverged:
            run_phase(job, phases[i], progress, parts)
        progress.phase, progress.epoch, progress.step = i + 1, 0, 0
        progress.optimizer, progress.rate, progress.best, progress.best_accuracy = {}, {}, {}, -math.inf
    if ranks.is_main():
        save(progress, job)
        write_weights(progress.weights, job)
    ranks.check_equal([len(progress.rows), progress.diverged], f"{job.target}: epochs trained")
    return progress.rows


def begin(job: Job) -> Checkpoint:
    """A run's start: the weights of the stage before, where there is one; `WeightsUnfit` where they lack an attention."""
    weights = read_weights(job.start) if job.start else {}
    if job.start:
        own = last_network(job, Store(job.store)).state_dict()
        fit(weights, {name: w for name, w in own.items() if not name.startswith("main.")}, job.start / "model.pt")
    return Checkpoint(weights=weights, run=name_of(job))


def name_of(job: Job) -> str:
    """Names a run by its stage, fold, seed, method and settings."""
    return fingerprint([job.stage, job.fold, job.seed, asdict(job.method), asdict(job.params)], [])


def build(job: Job, phase: Phase, weights: State, store: Store) -> STALSTM:
    """The network of a phase: weights drawn from the run's streams, then those carried over laid on top."""
    streams = Streams(job.seed, job.fold)
    draw = {part: streams.torch("weights", part) for part in methods.BRANCHES}
    draw["main"] = streams.torch("weights", "main", phase.name)
    model = methods.build(phase, job.method, job.params, store.meta, draw)
    own = model.state_dict()
    carried = {k: v for k, v in weights.items() if k in own and not (phase.fresh_main and k.startswith("main."))}
    model.load_state_dict(own | carried)
    for name, part in model.named_children():
        part.requires_grad_(name in phase.trains)
    return model


def run_phase(job: Job, phase: Phase, progress: Checkpoint, parts: dict[str, Clips]) -> None:
    """Train one phase from where `progress` stands, and leave the weights that it selects in `progress.weights`.

    A checkpoint taken in the middle of a phase holds the weights of its last epoch, so the phase is rebuilt around them.
    """
    resumed = bool(progress.optimizer)
    device = device_of(job.params.training)
    model = build(job, phase, {} if resumed else progress.weights, parts["train"].store).to(device)
    rate = Rate(job.params.training, total_steps(job, phase, parts["train"]), **progress.rate)
    trainer = Trainer(model, job.params.training, methods.penalties(job.params), device, rate)
    if resumed:
        model.load_state_dict(progress.weights, strict=False)
        trainer.optimizer.load_state_dict(progress.optimizer)
    carried = {k: v for k, v in progress.weights.items() if k not in model.state_dict()}  # the other attention's weights
    saved = time.monotonic()
    while progress.step < rate.total and not progress.diverged:
        run_epoch(job, phase, progress, parts, trainer)
        progress.weights = carried | {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
        keep_best(job, progress)
        if ranks.is_main() and time.monotonic() - saved > CHECKPOINT_EVERY_S:
            progress.optimizer = trainer.optimizer.state_dict()
            progress.rate = {"level": rate.level, "waited": rate.waited, "best": rate.best}
            save(progress, job)
            saved = time.monotonic()
    if progress.best:
        progress.weights = progress.best


def total_steps(job: Job, phase: Phase, train: Clips) -> int:
    """Updates in a phase: its length, or its length in epochs times the batches of one."""
    t = job.params.training
    return phase.length if t.unit == "iterations" else phase.length * math.ceil(len(train) / t.batch)


def run_epoch(job: Job, phase: Phase, progress: Checkpoint, parts: dict[str, Clips], trainer: Trainer) -> None:
    """One epoch and its row in the history."""
    t, streams, name = job.params.training, Streams(job.seed, job.fold), (job.stage, phase.name, progress.epoch)
    own = (*name, *ranks.stream())
    torch.manual_seed(streams.integer("dropout", *own))
    change = partial(augment, meta=parts["train"].store.meta, params=job.params.augment, rng=streams.numpy("augment", *own))
    batches = parts["train"].shuffled(t.batch, t.pool, streams.numpy("order", *name), change, ranks.share)
    learning_rate = trainer.rate.at(progress.step)
    progress.step, averages = trainer.epoch(batches, progress.step)
    progress.diverged = not math.isfinite(float(averages["loss"] or 0))
    progress.epoch += 1
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"fold": job.fold, "seed": job.seed, "stage": job.stage, "phase": phase.name, "epoch": progress.epoch}
    row |= {"step": job.steps_before + len(progress.rows) + 1, "learning_rate": learning_rate, **averages}
    if len(parts["watched"]):
        row["validation_accuracy"] = seen = watch(trainer, parts["watched"])
        trainer.rate.seen(seen)
    progress.rows.append(row)
    if ranks.is_main():
        write_live(job, progress.rows)


def watch(trainer: Trainer, clips: Clips) -> float:
    """Accuracy on the clips that are watched; several processes divide them."""
    rows, share = ranks.share(clips.rows)
    mine = Clips(clips.store, rows, clips.frames, clips.velocity)
    seen = accuracy(predict(trainer.model, mine, PREDICT_BATCH, trainer.device), mine)
    return ranks.whole_accuracy(seen, len(mine) if share else 0)


def keep_best(job: Job, progress: Checkpoint) -> None:
    """Unless `select: last`, remember the weights of the phase's best epoch on the part that is watched; of equals the last."""
    seen = progress.rows[-1]["validation_accuracy"]
    if job.params.training.select != "last" and isinstance(seen, float) and seen >= progress.best_accuracy:
        progress.best_accuracy, progress.best = seen, progress.weights


def last_network(job: Job, store: Store) -> STALSTM:
    """The network with which a method's training ends."""
    return methods.build(methods.finetune_phases(job.method, job.params)[-1], job.method, job.params, store.meta)


def restore(job: Job, store: Store) -> STALSTM:
    """The network that a finished job left in its `target`; `WeightsUnfit` where its weights are not there, or none of it."""
    model = last_network(job, store)
    weights, free = read_weights(job.target), getattr(model.main, "sizes_are_learned", False)
    own = {name: weight for name, weight in model.state_dict().items() if not (free and name.startswith("main."))}
    fit(weights, own, job.target / "model.pt")
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise WeightsUnfit(f"{job.target / 'model.pt'}: {' '.join(str(error).split())}; {AGAIN}") from error
    return model


def save(progress: Checkpoint, job: Job) -> None:
    """Write a checkpoint."""
    with whole(job.checkpoint, job.checkpoint.parent, job.allowed) as unfinished:
        write_tensors(vars(progress), unfinished)


def resume(job: Job) -> Checkpoint | None:
    """The checkpoint; None where there is none, or none of this run that can be read, which is told on stderr."""
    try:
        found = Checkpoint(**read_tensors(job.checkpoint))
        reason = mismatch(found, job)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        reason = str(error)
    if not reason:
        return found
    if ranks.is_main():
        print(f"{job.checkpoint}: {reason}; this run starts again", file=sys.stderr, flush=True)
    return None


def mismatch(found: Checkpoint, job: Job) -> str:
    """Why a checkpoint is none of this run, or nothing."""
    if found.run != name_of(job):
        return "of another run, or of other parameters"
    bad = not_finite(found.weights) or not_finite(found.best)
    return f"{bad} is not finite" if bad else ""
