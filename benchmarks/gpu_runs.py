"""Whole runs of `finetune` on a device, for `benchmarks.gpu`: resumed, made twice, several at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.epoch import lengths_of, store_of
from benchmarks.gpu_bench import Bench, Row, settings
from pipeline.core.files import sha256
from pipeline.core.training import run as training_run
from pipeline.core.training.job import Job
from pipeline.core.training.job import Row as TableRow
from pipeline.running import runs


def job_of(bench: Bench, name: str, epochs: int, clips: int) -> Job:
    """A run of `finetune` with recipe `paper` on random clips, on the device."""
    folder = bench.folder / name
    store, split = bench.folder / f"store-{clips}", bench.folder / f"split-{clips}.csv"
    if not store.exists():
        store_of(lengths_of(clips) // 4, store)
        names = pd.read_csv(store / "index.csv")["name"]
        parts = np.where(np.arange(clips) % 4 == 0, "validation", "train")
        pd.DataFrame({"fold": 1, "name": names, "part": parts}).to_csv(split, index=False)
    method, own = settings("sta-lstm", "paper", device=bench.device.type, unit="epochs", fit="train")
    own = replace(own, finetune=replace(own.finetune, main=epochs, joint=epochs))
    own = replace(own, training=replace(own.training, batch=16))
    return Job(
        stage="finetune",
        fold=1,
        seed=1,
        method=method,
        params=own,
        store=store,
        split=split,
        start=None,
        steps_before=0,
        target=folder,
        live=folder / "live.csv",
        checkpoint=folder / "checkpoint.pt",
    )


class Stopped(Exception):
    """Ends a run in its middle."""


def resume(bench: Bench) -> Iterator[Row]:
    """A run that is stopped and goes on against one that is not; two runs that are not."""
    clips, epochs = bench.size(256, 24), bench.size(4, 2)
    whole, again, cut = (job_of(bench, name, epochs, clips) for name in ("whole", "again", "cut"))
    for job in (whole, again):
        training_run.train(job)
    module: Any = training_run
    every, write = module.CHECKPOINT_EVERY_S, module.write_live

    def stop(job: Job, rows: list[TableRow]) -> None:
        write(job, rows)
        if len(rows) == epochs + 1:  # in the second phase
            raise Stopped

    module.CHECKPOINT_EVERY_S, module.write_live = -1.0, stop
    try:
        training_run.train(cut)
    except Stopped:
        module.write_live = write
        training_run.train(cut)
    finally:
        module.CHECKPOINT_EVERY_S, module.write_live = every, write
    yield Row("resume", "stopped and resumed against uninterrupted", differ(whole, cut))
    yield Row("twice", "the same run twice", differ(whole, again))


def differ(a: Job, b: Job) -> str:
    """How far the weights of two runs are apart."""
    if sha256(a.target / "model.pt") == sha256(b.target / "model.pt"):
        return "bit for bit"
    one, two = (torch.load(job.target / "model.pt", weights_only=True) for job in (a, b))
    return f"NOT the same bits; weights up to {max(float((one[n] - two[n]).abs().max()) for n in one):.1e} apart"


def sharing(bench: Bench) -> Iterator[Row]:
    """Several runs at once on one card, as the stages start them."""
    count = bench.size(8, 2)
    jobs = [replace(job_of(bench, f"shared-{n}", bench.size(2, 1), bench.size(256, 24)), seed=n) for n in range(count)]
    start = time.perf_counter()
    runs.run_all(training_run.train, jobs, "sharing")
    took, used = time.perf_counter() - start, ""
    if bench.device.type == "cuda":
        free, total = torch.cuda.mem_get_info(bench.device)
        used = f"; afterwards {(total - free) / 1e9:.1f} of {total / 1e9:.0f} GB in use"
    yield Row("sharing", f"{count} runs on one device", f"all finished in {took:.1f} s with their start{used}")
