"""Command `knockout`: is the attention of trained networks used? Attention is replaced at prediction time, nothing is trained.

What is replaced by what stands in `pipeline.knockout.kinds`. Writes `reports/knockout/<dataset>.csv` and `.md`; rows of cells
that are not in this call stay.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.commands import locks
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core import cell as cells
from pipeline.core.cell import Cell
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.places import DATA
from pipeline.core.training.job import Job
from pipeline.datasets.shared import registry
from pipeline.knockout import measures, page
from pipeline.running import runs


@dataclass(frozen=True)
class Task:
    """A run: its job as `evaluate` has it, its job as it was trained (it says what it learned from), and the seed of lenders."""

    evaluate: Job
    finetune: Job
    chance: int

    @property
    def fold(self) -> int:
        """For messages."""
        return self.evaluate.fold

    @property
    def seed(self) -> int:
        """For messages."""
        return self.evaluate.seed


def main(names: Sequence[str]) -> None:
    """Knock out the attention of cells (none named: all in use that have attention and weights) and write the reports.

    Raises `ParamsError` for a named cell without attention, `ResultsMissing` for one whose weights or data are not on disk.
    """
    config = parameters.load()
    found: dict[str, list[pd.DataFrame]] = {}
    copies = config.params.answer.copies if config.params.answer else {}
    cells_of = chosen(config, names)
    locks.refuse_stale(config, cells_of)
    for name in cells_of:
        cell = cells.load(name, "evaluate")
        table = pd.concat(runs.run_all(work, tasks(name, config.knockout.seed), f"knockout@{name}"), ignore_index=True)
        warn(cell, table)
        table = without(table, copies.get(cell.protocol))
        head = {"cell": name, "protocol": cell.protocol, "recipe": cell.recipe, "method": cell.method_name}
        found.setdefault(cell.dataset, []).append(measures.rows(head, table, config.params.report.confidence))
    for dataset, rows in found.items():
        written = measures.write(dataset, pd.concat(rows))
        synthetic = registry.synthetic(dataset, DATA / "skeletons" / dataset)
        page.write(dataset, written, synthetic, config.params.report.confidence, set(copies))
        print(f"{measures.TABLES / dataset}.md: {', '.join(each['cell'].iloc[0] for each in rows)}")


def without(table: pd.DataFrame, copies: str | None) -> pd.DataFrame:
    """The rows of clips that are no copy of a training clip; `copies`: a regular expression for the names of those that are."""
    return table if copies is None else table[~table["name"].str.fullmatch(copies)]


def chosen(config: Config, names: Sequence[str]) -> list[str]:
    """The named cells of the grid; none named: those in use with attention, and a line for each that lacks something on disk."""
    for name in names:
        if not attention(cells.load(name, "evaluate")):
            raise ParamsError(f"{name}: method {config.every[name].method} has no attention that could be knocked out")
        if gap := lacking(name):
            raise ResultsMissing(f"{name}: {gap}")
    if names:
        return list(dict.fromkeys(names))
    found = [name for name in config.cells if attention(cells.load(name, "evaluate"))]
    gaps = {name: gap for name in found if (gap := lacking(name))}
    for name, gap in gaps.items():
        print(f"left out: {name}: {gap}", file=sys.stderr)
    if len(gaps) == len(found):
        raise ResultsMissing("no cell in use has attention and trained weights on disk; run `dvc repro` first")
    return [name for name in found if name not in gaps]


def attention(cell: Cell) -> bool:
    """Whether a cell's network has an attention."""
    return cell.method.spatial or cell.method.temporal


def lacking(name: str) -> str:
    """What of a trained cell is not on disk, or nothing."""
    cell = cells.load(name, "finetune")
    advice = "run `dvc repro`, or `dvc pull` where a remote has it"
    for path in (cell.store / "meta.json", cell.split):
        if not path.exists():
            return f"{path}: expected the data of this cell, found none; run `dvc repro split@{cell.dataset}` first"
    for fold, seed in cell.each():
        if not (path := cell.weights("finetune", fold, seed) / "model.pt").exists():
            return f"{path}: expected the weights of a trained run, found none; {advice}"
    return ""


def tasks(name: str, chance: int) -> list[Task]:
    """A task a run."""
    both = (cells.jobs(cells.load(name, stage), "finetune") for stage in ("evaluate", "finetune"))
    return [Task(last, trained, chance) for last, trained in zip(*both, strict=True)]


def work(task: Task) -> pd.DataFrame:
    """Answer the test clips of a run with its attention and without; a row a knock-out and clip, with `fold` and `seed`.

    The lenders are the same whenever the run, its test clips and `chance` are.
    """
    import numpy as np  # noqa: PLC0415 (with torch)

    from pipeline.core.training.augment import views  # noqa: PLC0415 (torch)
    from pipeline.core.training.files import clips_of  # noqa: PLC0415
    from pipeline.core.training.loop import device_of  # noqa: PLC0415
    from pipeline.core.training.run import restore  # noqa: PLC0415
    from pipeline.knockout import predictions  # noqa: PLC0415

    test, settings = clips_of(task.evaluate, "test"), task.evaluate.params
    lenders = predictions.lenders(test.labels, np.random.default_rng([task.chance, task.fold, task.seed]))
    seen, bins = views(test.store.meta, settings.evaluate.views), settings.evaluate.time_bins
    asked = predictions.Question(test, clips_of(task.finetune, "train"), seen, lenders, bins)
    device = device_of(settings.training)
    answers = predictions.answer(restore(task.evaluate, test.store).to(device), asked, device)
    return predictions.table(answers, asked).assign(fold=task.fold, seed=task.seed)


def warn(cell: Cell, table: pd.DataFrame) -> None:
    """Say where the networks do not answer as in the predictions of the stage `evaluate`, if these are on disk."""
    path = cell.results / "evaluate" / "predictions.csv"
    if not path.exists():
        return
    key = ["fold", "seed", "name"]
    saved = pd.read_csv(path, dtype={"name": str}, usecols=[*key, "predicted"], keep_default_na=False)
    both = table.drop_duplicates(key).merge(saved, on=key)
    if differ := int((both["before"] != both["predicted"]).sum()):
        print(f"{cell.name}: {differ} of {len(both)} predictions are not those of {path}; run `dvc repro`", file=sys.stderr)
