"""Estimate of a whole NTU RGB+D run: CPU time of a few batches of every phase, times the protocol's clips and the epochs.

    python -m benchmarks.ntu_run [--recipe paper-large] [--precision bfloat16]

The clips are synthetic, with lengths as in the real data set (`benchmarks.epoch`); augmentation and reading are part of the time,
the validation after every epoch is not (`training.fit: train_and_validation` has none). One thread. Hours on several cores assume
that all are busy: `dvc repro` trains one cell at a time, whose seeds go side by side, so give NTU as many seeds as cores, or
divide a run by `training.processes`. What cores take from each other is left out.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch

from benchmarks.epoch import CS_TRAIN, lengths_of, store_of
from benchmarks.train_step import keep_memory
from pipeline.config.params import FILE, build, overlay, read
from pipeline.config.resolve import plain
from pipeline.config.sections import Params
from pipeline.core.settings import Method, Settings
from pipeline.core.skeletons import Store
from pipeline.core.training import phases as methods
from pipeline.core.training.augment import augment
from pipeline.core.training.batches import Clips
from pipeline.core.training.loop import Rate, Trainer
from pipeline.core.training.phases import Phase
from pipeline.datasets.ntu.dataset import FACTS, LISTED, NTU

CV_TRAIN = NTU.counts[FACTS.samples - LISTED, "cv"][0]
METHODS = ("lstm", "sa-lstm", "ta-lstm", "sta-lstm")


def params_of(recipe: str, precision: str) -> Params:
    """`params.yaml` with a recipe laid over it, for a precision."""
    document = read()
    changed = overlay(document, document["recipes"][recipe], f"recipes.{recipe}")
    return build(overlay(changed, {"training": {"precision": precision}}, "precision"), str(FILE)).params


def cost(phase: Phase, method: Method, params: Settings, store: Store, batches: int) -> float:
    """CPU seconds a clip in a phase of training."""
    t = params.training
    clips = Clips(store, np.arange(len(store)), t.frames, params.model.velocity)
    model = methods.build(phase, method, params, store.meta)
    for name, part in model.named_children():
        part.requires_grad_(name in phase.trains)
    trainer = Trainer(model.train(), t, methods.penalties(params), torch.device("cpu"), Rate(t, 10**6))
    change = partial(augment, meta=store.meta, params=params.augment, rng=np.random.default_rng(0))
    for seed in range(2):  # the first pass asks the system for memory
        start, seen = time.process_time(), 0
        for batch, _ in zip(clips.shuffled(t.batch, t.pool, np.random.default_rng(seed), change), range(batches), strict=False):
            trainer.step(batch, 1e-3)
            seen += len(batch.labels)
    return (time.process_time() - start) / seen


def hours(method: str, params: Params, store: Store, batches: int) -> float:
    """CPU hours of one run on the cross-subject protocol."""
    switches, settings = plain(params, method)
    phases = [*methods.pretrain_phases(switches, settings), *methods.finetune_phases(switches, settings)]
    each = [(phase, cost(phase, switches, settings, store, batches)) for phase in phases if phase.length]
    return sum(phase.length * seconds for phase, seconds in each) * CS_TRAIN / 3600


@click.command()
@click.option("--recipe", default="paper-large", show_default=True)
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), default="float32")
@click.option("--clips", default=2048, help="Synthetic clips in the store.")
@click.option("--batches", default=8, help="Batches measured in each phase.")
def main(recipe: str, precision: str, clips: int, batches: int) -> None:
    """Print CPU hours a run, by method, and of all methods and both protocols on 1, 2 and 16 cores."""
    keep_memory("benchmarks.ntu_run")
    torch.set_num_threads(1)
    params = params_of(recipe, precision)
    with tempfile.TemporaryDirectory() as folder:
        store = store_of(lengths_of(clips), Path(folder))
        each = {method: hours(method, params, store, batches) for method in METHODS}
    click.echo(f"ESTIMATE, recipe {recipe}, {precision}, one seed, {CS_TRAIN:,} (CS) and {CV_TRAIN:,} (CV) training clips")
    for method, cs in each.items():
        click.echo(f"{method:10} CS {cs:6.2f} h   CV {cs * CV_TRAIN / CS_TRAIN:6.2f} h")
    both = sum(each.values()) * (1 + CV_TRAIN / CS_TRAIN)
    click.echo(f"all {2 * len(METHODS)} runs: {both:.1f} core hours; {both / 2:.1f} h on 2 busy cores, {both / 16:.1f} h on 16")


if __name__ == "__main__":
    main()
