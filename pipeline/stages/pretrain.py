"""Stage `pretrain`: train the attention networks of a cell, steps 2 to 7 of Algorithm 1; all folds and seeds side by side.

A method without attention, or without staged training, has no such stage.
"""

from __future__ import annotations

from pipeline.core import cell as cells
from pipeline.core.cell import RunAll, one_by_one
from pipeline.core.training.job import Job, Row


def main(target: str, run_all: RunAll = one_by_one) -> None:
    """Write the weights and the history of the cell's pretraining."""
    cell = cells.load(target, "pretrain")
    history = cells.train(cell, "pretrain", work, cells.jobs(cell, "pretrain"), run_all)
    cells.write_history(history, cell.runs("pretrain") / "history.csv")
    cells.finish(cell, "pretrain")


def work(job: Job) -> list[Row]:
    """What a worker process does; torch is imported there, not in the process that waits."""
    from pipeline.core.training.run import train  # noqa: PLC0415

    return train(job)
