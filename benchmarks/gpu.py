"""All that is to be known of a GPU, in one run of less than ten minutes, as one table.

    python -m benchmarks.gpu                       # on CUDA; ends with code 2 where there is none
    python -m benchmarks.gpu --device cpu --small  # the same way with tiny sizes, to try the script itself
    python -m benchmarks.gpu --only agree --only many

Everything is synthetic: random clips with the sizes and lengths of the data sets. A measure that fails says so in its row, and
the others go on; what does not begin before `--seconds` are over is left out. A loss agrees with the CPU's within 1e-4, gradients
within 1e-4 of the largest; with TF32 and bfloat16 what is found is printed.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.epoch import CONFIG as NTU_CONFIG
from benchmarks.epoch import CS_TRAIN, GATES, lengths_of, store_of
from benchmarks.gpu_bench import Bench, Row, settings
from benchmarks.gpu_runs import resume, sharing
from benchmarks.many import Many, ManyTrainer
from benchmarks.train_step import CONFIG as SBU_CONFIG
from benchmarks.train_step import bare
from pipeline.core.model import STALSTM, Config
from pipeline.core.settings import Settings
from pipeline.core.skeletons import Meta
from pipeline.core.training import phases as methods
from pipeline.core.training.batches import Batch, Clips
from pipeline.core.training.loop import Rate, Trainer

METHODS = ("lstm", "sa-lstm", "ta-lstm", "sta-lstm")
TOLERANCE = 1e-4
EPOCH_AIM_S, TABLE_AIM_S = 3.0, 300.0  # on an H100
SBU_FRAMES, SBU_CLIPS, SBU_FOLDS, SEEDS = 24, 226, 5, 5  # 282 clips, four folds of five to train on


def sbu_batch(config: Config, clips: int, seed: int = 0) -> Batch:
    """Random clips of SBU's sizes, of 15 to 24 frames."""
    drawn = torch.Generator().manual_seed(seed)
    lengths = torch.randint(15, SBU_FRAMES + 1, (clips,), generator=drawn)
    lengths[0] = SBU_FRAMES
    mask = torch.arange(SBU_FRAMES)[:, None] < lengths
    x = torch.randn(SBU_FRAMES, clips, config.bodies * config.joints, config.channels, generator=drawn) * mask[..., None, None]
    return Batch(x, mask, torch.randint(config.classes, (clips,), generator=drawn))


@contextmanager
def tf32(cudnn: bool, products: bool) -> Iterator[None]:
    """TF32 in cuDNN (its LSTM) and in other products, as said; afterwards as before."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = cudnn, products
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def gradients(device: torch.device, method: str, precision: str = "float32") -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of one step without dropout, weights and clips drawn from fixed seeds."""
    own = methods.penalties(settings(method, "paper")[1])
    config = replace(SBU_CONFIG, spatial="sa" in method or "sta" in method, temporal="ta-" in method, dropout=0.0)
    torch.manual_seed(7)
    model = STALSTM(config).to(device).train()
    training = replace(settings(method, "paper")[1].training, precision=precision, clip_norm=0.0)  # type: ignore[arg-type]
    terms = Trainer(model, training, own, device, Rate(training, 1)).step(sbu_batch(config, 16), 0.0)[2]
    return float(terms.total.detach()), {n: w.grad.cpu() for n, w in model.named_parameters() if w.grad is not None}


def apart(a: tuple[float, dict[str, Tensor]], b: tuple[float, dict[str, Tensor]]) -> tuple[float, float]:
    """How far two steps are apart: losses, and the largest difference of a gradient as a share of the largest gradient."""
    largest = max(float(g.abs().max()) for g in a[1].values())
    return abs(a[0] - b[0]), max(float((g - b[1][name]).abs().max()) for name, g in a[1].items()) / largest


def agree(bench: Bench) -> Iterator[Row]:
    """Forward and backward of every method against the CPU, in float32 without TF32."""
    for method in METHODS:
        with tf32(False, False):
            loss, gradient = apart(gradients(torch.device("cpu"), method), gradients(bench.device, method))
        verdict = "agrees" if max(loss, gradient) <= TOLERANCE else f"DISAGREES (tolerance {TOLERANCE:g})"
        yield Row("agree", method, f"loss {loss:.1e}, gradients {gradient:.1e}: {verdict}")


def precision(bench: Bench) -> Iterator[Row]:
    """TF32 as torch has it, off and on, and bfloat16: how far from the CPU's float32, and how long a step takes."""
    exact = gradients(torch.device("cpu"), "sta-lstm")
    usual = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    yield Row(
        "precision",
        "as torch has it",
        f"TF32 in cuDNN's LSTM {'on' if usual[0] else 'off'}, in other products {'on' if usual[1] else 'off'}",
    )
    for name, switches, kind in (
        ("as torch has it", usual, "float32"),
        ("TF32 off", (False, False), "float32"),
        ("TF32 on", (True, True), "float32"),
        ("bfloat16", usual, "bfloat16"),
    ):
        with tf32(*switches):
            loss, gradient = apart(exact, gradients(bench.device, "sta-lstm", kind))
            trainer = trainer_of(bench, NTU_CONFIG, kind)
            batch = ntu_batch(bench.size(256, 4), bench.size(84, 6))
            took = bench.seconds(lambda: trainer.step(batch, 1e-3), bench.size(5, 1))  # noqa: B023
        yield Row(
            "precision",
            name,
            f"loss {loss:.1e}, gradients {gradient:.1e} from the CPU; a step at NTU's sizes {1e3 * took:.1f} ms",
        )


def trainer_of(bench: Bench, config: Config, kind: str = "float32") -> Trainer:
    """STA-LSTM of a size, ready to train on the device."""
    own = settings("sta-lstm", "paper")[1]
    training = replace(own.training, precision=kind)  # type: ignore[arg-type]
    return Trainer(
        STALSTM(config).to(bench.device).train(), training, methods.penalties(own), bench.device, Rate(training, 10**6)
    )


def ntu_batch(clips: int, frames: int) -> Batch:
    """Random clips of NTU's sizes, all of one length."""
    x = torch.randn(frames, clips, GATES, NTU_CONFIG.channels)
    return Batch(x, torch.ones(frames, clips, dtype=torch.bool), torch.randint(NTU_CONFIG.classes, (clips,)))


# --- speed --------------------------------------------------------------------------------------------------------------------


def epoch(bench: Bench) -> Iterator[Row]:
    """An epoch of NTU RGB+D's cross-subject protocol, clips straight from a store, and the bare layers on the same shapes."""
    count, size = bench.size(8192, 24), bench.size(256, 8)
    clips = Clips(store_of(lengths_of(count), bench.folder / "ntu"), np.arange(count))
    for kind in ("float32", "bfloat16"):
        trainer, shapes = trainer_of(bench, NTU_CONFIG, kind), []
        for seed in range(2):  # the first pass warms up
            start = bench.ready()
            for batch in clips.shuffled(size, 64, np.random.default_rng(seed)):
                trainer.step(batch, 1e-3)
                shapes.append((len(batch.x), len(batch.labels)))
            took = bench.ready() - start
        yield Row(
            "epoch",
            f"STA-LSTM, {kind}",
            f"{count / took:,.0f} clips/s: {took * CS_TRAIN / count:.1f} s an epoch (aim on an H100: {EPOCH_AIM_S:.0f})",
        )
    batches = list(clips.shuffled(size, 64, np.random.default_rng(9)))
    took = bench.seconds(lambda: [trainer.step(batch, 1e-3) for batch in batches], 1)
    yield Row("epoch", "bfloat16, batches made before", f"{count / took:,.0f} clips/s")
    torch.set_default_device(bench.device)
    try:
        layers = [bare(frames, clips_, GATES * 3) for frames, clips_ in shapes[-len(batches) :]]
        took = bench.seconds(lambda: [layer() for layer in layers], 1)
    finally:
        torch.set_default_device("cpu")
    yield Row("epoch", "bare LSTM layers, float32", f"{count / took:,.0f} clips/s")


def many(bench: Bench) -> Iterator[Row]:
    """SBU's table, four methods with staged training: networks of all folds and seeds at once, against one after another."""
    for recipe in ("paper", "tuned"):
        count = bench.size(SBU_FOLDS * SEEDS, 3)
        together = alone = 0.0
        for method in METHODS:
            switches, own = settings(method, recipe)
            schedule = [*methods.pretrain_phases(switches, own), *methods.finetune_phases(switches, own)]
            for phase in (p for p in schedule if p.length):
                steps = phase.length * (1 if own.training.unit == "iterations" else math.ceil(SBU_CLIPS / own.training.batch))
                one, all_of_them = phase_cost(bench, own, methods.config(phase, own, SBU_META), phase, count)
                alone, together = (
                    alone + steps * one * SBU_FOLDS * SEEDS,
                    together + steps * all_of_them * SBU_FOLDS * SEEDS / count,
                )
        found = f"{alone:,.0f} s one after another, {together:,.0f} s {count} at once ({alone / together:.1f} times as fast)"
        yield Row(
            "many",
            f"SBU's table, recipe {recipe}, {SEEDS} seeds",
            f"{found}; steps alone, by proportion (aim {TABLE_AIM_S:.0f} s for both)",
        )


SBU_META = Meta(
    joints=tuple(map(str, range(15))), bones=(), mirror=tuple(range(15)), actions=tuple("abcdefgh"), bodies=2, fps=15.0, unit=""
)


def phase_cost(bench: Bench, own: Settings, config: Config, phase: methods.Phase, count: int) -> tuple[float, float]:
    """Seconds of a step of one network, and of `count` networks at once."""
    penalties, training = methods.penalties(own), own.training
    models = [STALSTM(config) for _ in range(count)]
    for model in models:
        for name, part in model.named_children():
            part.requires_grad_(name in phase.trains)
    batch = sbu_batch(config, training.batch)
    single = Trainer(models[0].to(bench.device).train(), training, penalties, bench.device, Rate(training, 10**6))
    one = bench.seconds(lambda: single.step(batch, 1e-3), bench.size(9, 1))
    stacked = ManyTrainer(Many([model.to(bench.device) for model in models]).train(), training, penalties)
    x, mask, labels = (torch.stack([t] * count).to(bench.device) for t in batch[:3])
    return one, bench.seconds(lambda: stacked.step(x, mask, labels, 1e-3), bench.size(9, 1))


MEASURES: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "agree": agree,
    "precision": precision,
    "resume": resume,
    "epoch": epoch,
    "many": many,
    "sharing": sharing,
}


def describe(device: torch.device) -> str:
    """The device and the versions."""
    if device.type != "cuda":
        return f"{device}: the script itself is tried, nothing here says anything about a GPU; torch {torch.__version__}"
    card = torch.cuda.get_device_properties(device)
    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"  # type: ignore[no-untyped-call]
    return f"{card.name}, {card.total_memory / 1e9:.0f} GB, {versions}"


@click.command()
@click.option("--device", default="cuda", show_default=True)
@click.option("--small", is_flag=True, help="Tiny sizes, to try the script itself.")
@click.option("--only", multiple=True, type=click.Choice(list(MEASURES)), help="This measure alone; again for more.")
@click.option("--seconds", default=480.0, show_default=True, help="No measure begins after so long.")
def main(device: str, small: bool, only: tuple[str, ...], seconds: float) -> None:
    """Print one table of all that is to be known of a GPU."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        click.echo("no CUDA device: not run (--device cpu --small tries the script itself)", err=True)
        sys.exit(2)
    start = time.perf_counter()
    torch.set_num_threads(1)
    click.echo(describe(torch.device(device)))
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        bench = Bench(torch.device(device), small, Path(folder))
        for name in only or MEASURES:
            if time.perf_counter() - start > seconds:
                click.echo(f"{name:<10} left out: {seconds:.0f} s are over")
                continue
            try:
                for row in MEASURES[name](bench):
                    click.echo(f"{row.measure:<10} {row.what:<46} {row.found}")
            except Exception as error:  # a table with a hole is worth more than none
                click.echo(f"{name:<10} FAILED: {type(error).__name__}: {error}")
    click.echo(f"{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
