"""CPU time of an epoch of NTU RGB+D's size, one thread: batches of similar length, against padding to 300 and the bare layers.

    python -m benchmarks.epoch                  # some batches of each kind; an epoch and an evaluation by proportion
    python -m benchmarks.epoch --precision bfloat16

The clips are synthetic: random numbers with lengths as in the real data set (84 frames on average, at most 300), two bodies of
25 joints, 60 classes. They lie in a skeleton store on disk, as in training, and reading them is part of the time. The floor is
forward and backward of the five `nn.LSTM` layers alone, on tensors of the shapes that our batches have.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.train_step import bare, keep_memory
from pipeline.config.params import load
from pipeline.config.resolve import plain
from pipeline.core.model import STALSTM, Config, Penalties
from pipeline.core.settings import Training
from pipeline.core.skeletons import Sample, Store, Writer
from pipeline.core.training.batches import Batch, Clips
from pipeline.core.training.loop import Rate, Trainer, predict
from pipeline.datasets.ntu.dataset import ACTIONS, FACTS, LISTED, NTU

(CS_TRAIN, CS_TEST), LONGEST, MEAN = NTU.counts[FACTS.samples - LISTED, "cs"], 300, 84
GATES, CHANNELS = 50, 3
OURS, PADDED, FLOOR, EVALUATION = "similar lengths", f"padded to {LONGEST}", "bare LSTM layers", "evaluation"
WARM_UP = 2
CONFIG = Config(joints=25, bodies=2, classes=len(ACTIONS), channels=CHANNELS)
Lengths = npt.NDArray[np.int64]


def lengths_of(clips: int) -> Lengths:
    """Synthetic numbers of frames, log-normal with the mean and the limits of the real ones."""
    drawn = np.random.default_rng(0).lognormal(np.log(MEAN) - 0.08, 0.4, clips)
    return np.clip(drawn, 20, LONGEST).astype(np.int64)


def store_of(lengths: Lengths, folder: Path) -> Store:
    """A store of random clips; a second body in every fifth."""
    rng = np.random.default_rng(1)
    with Writer(folder, NTU.META) as writer:
        for i, length in enumerate(lengths.tolist()):
            frames = rng.standard_normal((length, 2 if i % 5 == 0 else 1, GATES // 2, 3), np.float32)
            writer.add(Sample(f"clip{i:05}", 1, 0, 1, 1, 1, i % FACTS.actions + 1), frames)
    return Store(folder)


def padding(lengths: Lengths, size: int, pool: int) -> float:
    """Share of the frames in an epoch's batches that are padding, over all clips of the protocol."""
    order = np.random.default_rng(2).permutation(lengths)
    pools = [np.sort(order[i : i + size * pool]) for i in range(0, len(order), size * pool)]
    batches = [p[i : i + size] for p in pools for i in range(0, len(p), size)]
    return 1 - float(lengths.sum()) / sum(len(batch) * int(batch.max()) for batch in batches)


def padded(clips: Clips, size: int) -> Iterable[Batch]:
    """What peers do: clips in any order, each batch padded to the longest clip of the data set."""
    for i in range(0, len(clips), size):
        x, mask, labels, _ = clips.batch(np.arange(i, min(i + size, len(clips))))
        more = LONGEST - len(x)
        zeros = torch.zeros(more, *x.shape[1:]), torch.zeros(more, x.shape[1], dtype=torch.bool)
        yield Batch(torch.cat([x, zeros[0]]), torch.cat([mask, zeros[1]]), labels)


def seconds(step: Callable[[Batch], object], batches: Iterable[Batch]) -> tuple[float, list[tuple[int, int]]]:
    """CPU time of making and training the batches, and their shapes `(frames, clips)`."""
    shapes, start = [], time.process_time()
    for batch in batches:
        step(batch)
        shapes.append((len(batch.x), len(batch.labels)))
    return time.process_time() - start, shapes


def trainer_of(training: Training) -> Trainer:
    """STA-LSTM at NTU's size with all penalties, ready to train."""
    penalties = Penalties(0.01, 0.001, 0.00005)
    return Trainer(STALSTM(CONFIG).train(), training, penalties, torch.device("cpu"), Rate(training, 10**6))


def measure(clips: int, size: int, pool: int, trainer: Trainer) -> dict[str, float]:
    """CPU seconds a clip: our batches, batches padded to 300 frames, one view of an evaluation, bare layers on our shapes."""
    step: Callable[[Batch], object] = lambda batch: trainer.step(batch, 1e-3)  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        known = Clips(store_of(lengths_of(clips), Path(folder)), np.arange(clips))
        few = Clips(known.store, np.arange(min(clips, 3 * size)))
        for seed in range(WARM_UP):  # memory is asked of the system once, then kept
            seconds(step, known.shuffled(size, pool, np.random.default_rng(seed)))
        ours, shapes = seconds(step, known.shuffled(size, pool, np.random.default_rng(WARM_UP)))
        long, _ = seconds(step, padded(few, size))
        start = time.process_time()
        predict(trainer.model, known, size, trainer.device)
        evaluation = time.process_time() - start
    layers = [bare(frames, batch, GATES * CHANNELS) for frames, batch in shapes]
    start = time.process_time()
    for layer in layers:
        layer()
    floor = time.process_time() - start
    return {OURS: ours / clips, PADDED: long / len(few), FLOOR: floor / clips, EVALUATION: evaluation / clips}


@click.command()
@click.option("--clips", default=2048, help="Synthetic clips in the store.")
@click.option("--size", default=256, help="Clips a batch.")
@click.option("--pool", default=64, help="Batches a pool (training.pool); the clips of a pool are sorted by length.")
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), default="float32")
def main(clips: int, size: int, pool: int, precision: str) -> None:
    """Print CPU time for an epoch of the cross-subject protocol, one thread."""
    keep_memory("benchmarks.epoch")
    torch.set_num_threads(1)
    own = plain(load().params, "sta-lstm")[1].training
    training = replace(own, precision="bfloat16" if precision == "bfloat16" else "float32", batch=size)
    each, lengths = measure(clips, size, pool, trainer_of(training)), lengths_of(CS_TRAIN)
    click.echo(f"padding: {padding(lengths, size, pool):.1%} of the frames; to {LONGEST}: {1 - lengths.mean() / LONGEST:.1%}")
    for name, cost in each.items():
        what, all_of = ("a view", CS_TEST) if name == EVALUATION else ("an epoch", CS_TRAIN)
        click.echo(f"{name:17} {1 / cost:8.1f} clips/s {cost * all_of:8.0f} s {what} of {all_of:,} clips (by proportion)")
    click.echo(
        f"{each[PADDED] / each[OURS]:.2f} times as fast as padding; {each[FLOOR] / each[OURS]:.2f} of the bare layers' speed"
    )


if __name__ == "__main__":
    main()
