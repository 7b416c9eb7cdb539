"""A stage whose worker outlives it: it waits before it puts its weights in place, and does not end with its parent."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

from pipeline.core.training import run
from pipeline.core.training.job import Job
from pipeline.stages import pretrain

READY, GO, SAID = Path("ready"), Path("go"), Path("said")


def main(cell: str) -> None:
    """Run `pretrain` of a cell with one such worker."""
    pretrain.main(cell, in_a_worker)


def in_a_worker(work: Any, jobs: list[Job], title: str, training: Any) -> Any:
    """The first job, in a process that is only forked; it never comes to an end here."""
    worker = multiprocessing.get_context("fork").Process(target=late, args=(jobs[0],))
    worker.start()
    worker.join()


def late(job: Job) -> None:
    """Train, wait for `go`, then write; what came of it stands in `said`."""
    write = run.write_weights

    def wait_and_write(*arguments: Any) -> None:
        READY.touch()
        while not GO.exists():
            time.sleep(0.05)
        write(*arguments)

    run.write_weights = wait_and_write
    try:
        run.train(job)
        said = "written"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    SAID.with_suffix(".partial").write_text(said)
    SAID.with_suffix(".partial").rename(SAID)
