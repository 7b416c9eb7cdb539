"""A run is (cell, fold, seed); the runs of a stage go side by side through an executor (`pipeline.running.executors`).

Jobs and results are plain, picklable data.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, as_completed
from typing import Any, TypeVar

from tqdm import tqdm

from pipeline.core.errors import UNWRITABLE, PipelineError, TrainingFailed
from pipeline.core.settings import Training
from pipeline.core.training.ranks import is_main
from pipeline.running import executors, precision, ranks

J = TypeVar("J")
R = TypeVar("R")

PRELOAD = ("pipeline.running.preload", "pipeline.cli")  # the latter is the main module of the process that waits


def of_stage(work: Callable[[J], R], jobs: Sequence[J], title: str, training: Training) -> list[R]:
    """Do the runs of a stage side by side, or with `training.processes` above 1 one after the other, each on that many processes.

    `TrainingFailed` before anything is begun where this machine cannot train in `training.precision`.

    Of several processes that torchrun started, only the first goes on from here: it writes.
    """
    ranks.check(training.processes)
    precision.check(training)
    done = run_all(work, jobs, title) if training.processes == 1 else ranks.run_all(work, jobs, title, training)
    if not is_main():
        sys.exit(0)
    return done


def run_all(work: Callable[[J], R], jobs: Sequence[J], title: str) -> list[R]:
    """Do all jobs and return their results in the order of the jobs.

    The first failure cancels what has not begun; a failure that is no `PipelineError` becomes a `TrainingFailed` naming the job.
    """
    if not jobs:
        return []
    with executors.executor(len(jobs), PRELOAD, without_compiler) as (pool, _):
        futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in tqdm(as_completed(futures), title, len(jobs), disable=not sys.stderr.isatty()):
                future.result()
        except (PipelineError, CancelledError, BrokenExecutor):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in UNWRITABLE:
                raise
            raise TrainingFailed(f"{title}: run {_failed(futures, jobs)}: {type(error).__name__}: {error}") from error
    return [future.result() for future in futures]


def without_compiler() -> None:
    """Let torch's Adam step without torch's compiler, whose import takes over a second in each process; nothing here compiles.

    What torch wraps around these methods matters to its compiler alone, and to `differentiable`, which is off. Where another
    version of torch wraps nothing, this changes nothing.
    """
    import torch  # noqa: PLC0415

    for method in vars(torch.optim.Optimizer).values():
        if (inner := getattr(method, "__wrapped__", None)) is not None:
            setattr(inner, "__dynamo_disable", inner)
    if (step := getattr(torch.optim.Adam.step, "__wrapped__", None)) is not None:
        torch.optim.Adam.step = torch.no_grad()(step)  # type: ignore[method-assign]


def _failed(futures: Sequence[Future[Any]], jobs: Sequence[Any]) -> str:
    for future, job in zip(futures, jobs, strict=True):
        if future.done() and not future.cancelled() and future.exception():
            return f"fold {getattr(job, 'fold', '?')}, seed {getattr(job, 'seed', '?')}"
    return "unknown"
