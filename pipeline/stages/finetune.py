"""Stage `finetune`: the main network on the pretrained attentions, then everything jointly; steps 8 and 9 of Algorithm 1."""

from __future__ import annotations

import pandas as pd

from pipeline import cells
from pipeline.training import distributed
from pipeline.training.job import Job, Row


def main(target: str) -> None:
    """Write the final weights of a cell, the history of both stages, and what the runs were made from."""
    cell = cells.load(target)
    before = cells.read_history(cell.runs("pretrain") / "history.csv")
    history = cells.train(cell, "finetune", work, cells.jobs(cell, "finetune", cells.epochs(before)))
    if not distributed.leads():
        return
    cells.write_history(pd.concat([before, history]) if len(before) else history, cell.results / "history.csv")
    cells.write_json(cells.document(cell, "finetune"), cell.results / "run.json")
    cells.finish(cell, "finetune")


def work(job: Job) -> list[Row]:
    """What a worker process does; torch is imported there, not in the process that waits."""
    from pipeline.training.joint import train  # noqa: PLC0415

    return train(job)
