"""A run is (cell, fold, seed); the runs of a cell go side by side through an executor (`pipeline.executors`).

Jobs and results are plain, picklable data.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, as_completed
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from pipeline import executors
from pipeline.errors import PipelineError, TrainingFailed

J = TypeVar("J")
R = TypeVar("R")

PRELOAD = ("torch", "pandas")


def run_all(work: Callable[[J], R], jobs: Sequence[J], title: str) -> list[R]:
    """Do all jobs and return their results in the order of the jobs.

    The first failure cancels what has not begun; a failure that is no `PipelineError` becomes a `TrainingFailed` naming the job.
    """
    if not jobs:
        return []
    with executors.executor(len(jobs), PRELOAD) as (pool, _):
        futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in tqdm(as_completed(futures), title, len(jobs), disable=not sys.stderr.isatty()):
                future.result()
        except (PipelineError, CancelledError):
            raise
        except Exception as error:
            raise TrainingFailed(f"{title}: run {_failed(futures, jobs)}: {type(error).__name__}: {error}") from error
    return [future.result() for future in futures]


def _failed(futures: Sequence[Future[Any]], jobs: Sequence[Any]) -> str:
    for future, job in zip(futures, jobs, strict=True):
        if future.done() and not future.cancelled() and future.exception():
            return f"fold {getattr(job, 'fold', '?')}, seed {getattr(job, 'seed', '?')}"
    return "unknown"


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(content: Any, code: Iterable[Path]) -> str:
    """Twelve hex digits that name parameters, data and code together: equal where nothing that matters differs."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for path in sorted(code):
        digest.update(f"{path.name} {sha256(path)}\n".encode())
    return digest.hexdigest()[:12]
