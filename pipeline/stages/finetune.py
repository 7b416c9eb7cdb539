"""Stage `finetune`: the main network on the pretrained attentions, then everything jointly; steps 8 and 9 of Algorithm 1."""

from __future__ import annotations

import pandas as pd

from pipeline.core import cell as cells
from pipeline.core.cell import Cell, RunAll, one_by_one
from pipeline.core.files import write_json
from pipeline.core.training.job import Job, Row


def main(target: str, run_all: RunAll = one_by_one) -> None:
    """Write the final weights of a cell, the history of both stages, and what the runs were made from."""
    cell = cells.load(target, "finetune")
    before = pretrained(cell)
    todo = cells.jobs(cell, "finetune", cells.epochs(before) if before is not None else None)
    history = cells.train(cell, "finetune", work, todo, run_all)
    cells.write_history(history if before is None else pd.concat([before, history]), cell.results / "history.csv")
    write_json(cells.document_of_results(cell), cell.results / "run.json")
    cells.finish(cell, "finetune")


def pretrained(cell: Cell) -> pd.DataFrame | None:
    """The history of the cell's pretraining, or None for a method without it; its weights are looked at."""
    if not cells.has_pretraining(cell.method):
        return None
    cells.check_pretrained(cell)
    return cells.read_history(cell.runs("pretrain") / "history.csv")


def work(job: Job) -> list[Row]:
    """What a worker process does; torch is imported there, not in the process that waits."""
    from pipeline.core.training.run import train  # noqa: PLC0415

    return train(job)
