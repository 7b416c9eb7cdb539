"""Command `confirm`: code changed, numbers did not. One run a cell shows it, before DVC's entries follow the code.

For each cell that is stale through code alone one run is trained again; its weights, history and predictions are compared byte
for byte with `reports/runs/<dataset>.csv`. Where all are equal, the cells' entries in `dvc.lock` are brought to the code that is
on disk; outputs are not needed for it, and their hashes stay as they are. Where a single run differs nothing is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from pipeline.commands import locks, recorded
from pipeline.commands.pipelines import folder_of
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core import cell as cells
from pipeline.core.cell import Cell
from pipeline.core.errors import ParamsError, PipelineError
from pipeline.core.places import WORK
from pipeline.core.training.job import COLUMNS, Job, Row
from pipeline.errors import NotConfirmed
from pipeline.running import precision, runs

FOLDER = WORK / "confirm"


@dataclass(frozen=True)
class Task:
    """One run to train again: its job of pretraining (where the method has it), of finetuning, of evaluation; what it came to."""

    cell: str
    pretrain: Job | None
    finetune: Job
    evaluate: Job
    expected: dict[str, str]

    @property
    def fold(self) -> int:
        """For messages."""
        return self.finetune.fold

    @property
    def seed(self) -> int:
        """For messages."""
        return self.finetune.seed


def main(names: Sequence[str], fold: int, seed: int) -> None:
    """Confirm cells (none named: all in use that are stale through code alone) by their run of this fold and seed.

    Raises `NotConfirmed` where a run came to other bytes, or a cell is stale through more than code; nothing is written then.
    """
    config = parameters.load()
    with locks.opened() as repo:
        found = {name: locks.entries(repo, folder_of(name, config.every[name])) for name in chosen(config, names)}
        refuse([problem for name, entries in found.items() if (problem := unfit(name, entries, bool(names)))])
        todo = {name: e for name, e in found.items() if any(x.code for x in e) and not any(x.other for x in e)}
        tasks = [task_of(name, fold, seed) for name in todo]
        refuse([f"{task.cell}: {text}" for task, text in zip(tasks, answers(tasks), strict=True) if text])
        for name, entries in todo.items():
            for entry in entries:
                locks.rewrite(entry)
            print(f"{name}: fold {fold}, seed {seed}: weights, history and predictions as recorded; entries follow the code")
    print(f"confirmed {len(todo)} cell(s); {len(found) - len(todo)} had nothing to confirm")


def refuse(problems: Sequence[str]) -> None:
    """`NotConfirmed` where there is any; before a run is trained for what could not be written then."""
    if problems:
        raise NotConfirmed("\n  ".join([f"nothing was written; {len(problems)} cell(s) cannot be confirmed:", *problems]))


def answers(tasks: Sequence[Task]) -> list[str]:
    """What differs, a text a task; what was trained for it is removed."""
    try:
        return runs.run_all(work, tasks, "confirm")
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


def chosen(config: Config, names: Sequence[str]) -> list[str]:
    """The named cells, or all in use; DVC sees no others."""
    for name in names:
        if name not in config.cells:
            raise ParamsError(f"params.yaml: cell {name!r} is not in use; `python -m pipeline use` the group that has it")
    return list(names or config.cells)


def unfit(name: str, entries: list[locks.Entry], named: bool) -> str:
    """Why a cell cannot be confirmed, or nothing; of cells that nobody named, those without any entry are passed over."""
    others = [f"{entry.name}: {reason}" for entry in entries for reason in entry.other]
    if others and (named or not all("not in the entry" in reason for reason in others)):
        target = entries[0].stage.path_in_repo
        return f"{name}: stale through more than code ({'; '.join(others[:3])}); `dvc repro {target}` trains it"
    return ""


def task_of(name: str, fold: int, seed: int) -> Task:
    """The run of a cell, writing into `.work/confirm`; `NotConfirmed` where the table does not have it or data are not there."""
    cell = cells.load(name, "finetune")
    precision.check(cell.params.training)
    table = recorded.read(cell.dataset)
    row = table[(table["cell"] == name) & (table["fold"] == fold) & (table["seed"] == seed)]
    if row.empty:
        known = table.loc[table["cell"] == name, ["fold", "seed"]].drop_duplicates().to_numpy().tolist()
        have = f"it has {known[:5]}" if known else f"it has none of this cell: only `dvc repro` can bring {name} up to date"
        raise NotConfirmed(f"{recorded.TABLES / cell.dataset}.csv: no run of fold {fold}, seed {seed} of {name}; {have}")
    for path in (cell.store, cell.split):
        if not path.exists():
            raise NotConfirmed(f"{path}: expected the data of {name}, found none; run `dvc repro split@{cell.dataset}` first")
    expected = {str(what): str(value) for what, value in row.iloc[0].items()}
    first = moved(cells.load(name, "pretrain"), "pretrain", fold, seed) if cells.has_pretraining(cell.method) else None
    second = moved(cell, "finetune", fold, seed)
    if first is not None:
        second = replace(second, start=first.target)
    last = replace(moved(cells.load(name, "evaluate"), "finetune", fold, seed), target=second.target)
    return Task(name, first, second, last, expected)


def moved(cell: Cell, stage: str, fold: int, seed: int) -> Job:
    """The job of a run with all that it writes under `.work/confirm`."""
    [job] = [job for job in cells.jobs(cell, stage) if (job.fold, job.seed) == (fold, seed)]
    place = FOLDER / cell.name / stage
    return replace(job, target=place, live=place / "live.csv", checkpoint=place / "checkpoint.pt")


def work(task: Task) -> str:
    """Train and predict the run; what differs from the table, in words, or nothing."""
    from pipeline.core.training.run import train  # noqa: PLC0415 (torch)
    from pipeline.stages import evaluate  # noqa: PLC0415

    shutil.rmtree(FOLDER / task.cell, ignore_errors=True)
    before = train(task.pretrain) if task.pretrain else []
    after = train(replace(task.finetune, steps_before=len(before)))
    found = outcome(task, [*before, *after], evaluate.work(task.evaluate).predictions)
    differ = recorded.differences(task.expected, found)
    return differ and differ + recorded.about(task.expected["kernels"], precision.kernels())


def outcome(task: Task, history: list[Row], predictions: pd.DataFrame) -> dict[str, str]:
    """What the run came to, as the table has it."""
    place, run = FOLDER / task.cell, (task.fold, task.seed)
    cells.write_history(pd.DataFrame(history, columns=list(COLUMNS)), place / "history.csv")
    predictions.to_csv(place / "predictions.csv", index=False, lineterminator="\n", float_format="%.6g")
    weights = {job.stage: job.target / "model.pt" for job in (task.pretrain, task.finetune) if job}
    tables = (recorded.lines_of(place / f"{name}.csv")[run] for name in ("history", "predictions"))
    return recorded.of_run(weights, *tables)


def record(names: Sequence[str]) -> None:
    """Write the lines of cells (none named: all in use whose runs are on disk) into the table.

    Only cells whose outputs have the hashes of DVC's lock are recorded; `NotConfirmed` names the others that were asked for.
    """
    config = parameters.load()
    rows: dict[str, list[pd.DataFrame]] = {}
    with locks.opened() as repo:
        for name in chosen(config, names):
            stages = repo.stage.load_all(str(folder_of(name, config.every[name]) / "dvc.yaml"))
            if differ := locks.outputs_differ(stages):
                if names:
                    raise NotConfirmed(f"{name}: {', '.join(differ)}: not on disk as DVC's lock has it; run `dvc repro` first")
                continue
            cell = cells.load(name, "finetune")
            rows.setdefault(cell.dataset, []).append(recorded.of_cell(cell))
    if not rows:
        raise PipelineError("no cell in use has its outputs on disk as DVC's lock has them; run `dvc repro` first")
    for dataset, found in rows.items():
        recorded.write(dataset, found)
        print(f"{recorded.TABLES / dataset}.csv: {sum(map(len, found))} runs of {len(found)} cells")
