"""Stage `pretrain`: train the attention networks of a cell, steps 2 to 7 of Algorithm 1; all folds and seeds side by side."""

from __future__ import annotations

from pipeline import cells
from pipeline.training import distributed
from pipeline.training.job import Job, Row


def main(target: str) -> None:
    """Write the weights and the history of the cell's pretraining; for a method without any, an empty history."""
    cell = cells.load(target)
    method = cell.params.methods[cell.method]
    todo = cells.jobs(cell, "pretrain") if method.staged and (method.spatial or method.temporal) else []
    history = cells.train(cell, "pretrain", work, todo)
    if not distributed.leads():
        return
    cells.write_history(history, cell.runs("pretrain") / "history.csv")
    cells.finish(cell, "pretrain")


def work(job: Job) -> list[Row]:
    """What a worker process does; torch is imported there, not in the process that waits."""
    from pipeline.training.joint import train  # noqa: PLC0415

    return train(job)
