"""One cell of the grid, (protocol, recipe, method), found by its name: its files, who it is, and its training runs.

| file, under `data/`                                | written by | content                                        |
|----------------------------------------------------|------------|------------------------------------------------|
| `skeletons/<dataset>/<store>/`                     | normalize  | the store                                      |
| `splits/<dataset>/<protocol>.csv`                  | split      | `fold,name,part`                               |
| `runs/<dataset>/<cell>/<stage>/`                   | the stage  | `weights/fold-F-seed-S/model.pt`               |
| `runs/.../pretrain/history.csv`                    | pretrain   | a row a run and epoch                          |
| `results/<dataset>/<cell>/history.csv`             | finetune   | the same, of both stages                       |
| `results/<dataset>/<cell>/run.json`                | finetune   | parameters, data and code that made these runs |
| `results/<dataset>/<cell>/evaluate/`               | evaluate   | predictions, mean attention, accuracy          |
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import params as parameters
from pipeline import runs
from pipeline.errors import ResultsMissing
from pipeline.sections import Params
from pipeline.training import distributed
from pipeline.training.job import COLUMNS, Job, Row

DATA, WORK = Path("data"), Path(".work")
CODE = Path(__file__).parent


@dataclass(frozen=True)
class Cell:
    """A cell of `params.use.cells` with its parameters, recipe applied, and its paths."""

    name: str
    dataset: str
    store_name: str
    protocol: str
    method: str
    recipe: str
    seeds: tuple[int, ...]
    params: Params

    @property
    def store(self) -> Path:
        """Folder of the skeleton store."""
        return DATA / "skeletons" / self.dataset / self.store_name

    @property
    def split(self) -> Path:
        """The table of parts."""
        return DATA / "splits" / self.dataset / f"{self.protocol}.csv"

    @property
    def results(self) -> Path:
        """What the report reads: small tables."""
        return DATA / "results" / self.dataset / self.name

    def runs(self, stage: str) -> Path:
        """What training keeps: weights."""
        return DATA / "runs" / self.dataset / self.name / stage

    def weights(self, stage: str, fold: int, seed: int) -> Path:
        """Folder of a run's `model.pt`."""
        return self.runs(stage) / "weights" / f"fold-{fold}-seed-{seed}"

    def folds(self) -> list[int]:
        """The folds of the split, from 1."""
        return sorted(pd.read_csv(self.split, usecols=["fold"])["fold"].unique().tolist())

    def each(self) -> list[tuple[int, int]]:
        """(fold, seed) of every run, in order."""
        return [(fold, seed) for fold in self.folds() for seed in self.seeds]


def load(name: str) -> Cell:
    """The cell of this name; `ParamsError` where `params.yaml` does not use it."""
    entry, params = parameters.for_cell(parameters.load(), name)
    seeds = tuple(params.seeds[entry.seeds])
    return Cell(name, entry.dataset, entry.store, entry.protocol, entry.method, entry.recipe, seeds, params)


def identity(cell: Cell, stage: str) -> dict[str, Any]:
    """What the outcome of a stage follows from: parameters and data; `fingerprint` adds the code and names it all."""
    sections = ["model", "objective", "training", "augment", "pretrain"] + (["finetune"] if stage == "finetune" else [])
    document = cell.params.model_dump()
    flat = parameters.flatten({key: document[key] for key in sections})
    flat |= parameters.flatten(cell.params.methods[cell.method].model_dump(exclude_none=True), "methods.")
    store = json.loads((cell.store / "meta.json").read_text())
    return {
        "dataset": cell.dataset,
        "protocol": cell.protocol,
        "method": cell.method,
        "recipe": cell.recipe,
        "params": dict(sorted(flat.items())),
        "data": {"store_sha256": store["sha256"], "split_sha256": runs.sha256(cell.split)},
    }


def fingerprint(cell: Cell, stage: str) -> str:
    """Names parameters, data and code of a stage; a checkpoint of another fingerprint is never resumed."""
    code = [*CODE.glob("model/*.py"), *CODE.glob("training/*.py"), CODE / "methods.py"]
    return runs.fingerprint([stage, identity(cell, stage)], code)


def document(cell: Cell, stage: str) -> dict[str, Any]:
    """The content of `run.json`."""
    prints = {s: fingerprint(cell, s) for s in (["pretrain"] if stage == "pretrain" else ["pretrain", "finetune"])}
    each = [{"fold": fold, "seed": seed} for fold, seed in cell.each()]
    return {"stage": f"{stage}@{cell.name}", "fingerprint": prints, "runs": each, **identity(cell, stage)}


def jobs(cell: Cell, stage: str, before: Mapping[tuple[int, int], int] | None = None) -> list[Job]:
    """A job a fold and seed; those in `before` (epochs of pretraining by fold and seed) start from the pretrained weights."""
    live, checkpoints = live_folder(cell, stage), checkpoint_folder(cell, stage)
    before = before or {}
    return [
        Job(
            stage=stage,
            fold=fold,
            seed=seed,
            method=cell.params.methods[cell.method],
            params=cell.params,
            store=cell.store,
            split=cell.split,
            start=cell.weights("pretrain", fold, seed) if (fold, seed) in before else None,
            steps_before=before.get((fold, seed), 0),
            target=cell.weights(stage, fold, seed),
            live=live / f"fold-{fold}-seed-{seed}.csv",
            checkpoint=checkpoints / f"fold-{fold}-seed-{seed}.pt",
        )
        for fold, seed in cell.each()
    ]


def epochs(history: pd.DataFrame) -> dict[tuple[int, int], int]:
    """Epochs by (fold, seed); empty for the history of a method without pretraining."""
    each = zip(history["fold"].tolist(), history["seed"].tolist(), strict=True)
    return dict(Counter((int(fold), int(seed)) for fold, seed in each))


def train(cell: Cell, stage: str, work: Callable[[Job], list[Row]], todo: list[Job]) -> pd.DataFrame:
    """Train runs of a stage side by side, or with `training.processes` above 1 one after the other, each on that many processes.

    Returns their histories. Interrupted, it goes on where it was.
    """
    training, title = cell.params.training, f"{stage}@{cell.name}"
    distributed.check(training.processes)
    if distributed.leads():
        write_json(document(cell, stage), live_folder(cell, stage) / "run.json")
    alone = training.processes == 1
    histories = runs.run_all(work, todo, title) if alone else distributed.run_all(work, todo, title, training)
    rows = [row for history in histories for row in history]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def finish(cell: Cell, stage: str) -> None:
    """Forget checkpoints and live histories once the stage's outputs are written."""
    shutil.rmtree(checkpoint_folder(cell, stage), ignore_errors=True)
    shutil.rmtree(live_folder(cell, stage), ignore_errors=True)


def live_folder(cell: Cell, stage: str) -> Path:
    """Where histories grow while a stage trains."""
    return WORK / "live" / cell.name / f"{stage}-{fingerprint(cell, stage)}"


def checkpoint_folder(cell: Cell, stage: str) -> Path:
    """Where checkpoints of a stage are; outside of everything DVC looks at."""
    return WORK / "checkpoints" / cell.name / f"{stage}-{fingerprint(cell, stage)}"


def write_history(history: pd.DataFrame, path: Path) -> None:
    """A table of epochs, sorted by run and step, six significant digits."""
    table = history.sort_values(["fold", "seed", "step"], kind="stable")
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")


def read_history(path: Path) -> pd.DataFrame:
    """A table written by `write_history`; `ResultsMissing` where it is not there."""
    if not path.exists():
        raise ResultsMissing(f"{path}: expected the history of a finished stage; run `dvc repro`")
    return pd.read_csv(path)


def write_json(content: Any, path: Path) -> None:
    """Sorted keys and a last line break, so that equal content has equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
