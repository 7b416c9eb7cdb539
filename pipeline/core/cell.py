"""One cell of the grid, (protocol, recipe, method), found by its name: its files, its settings, and its training runs.

| file, under `data/`                                | written by | content                                        |
|----------------------------------------------------|------------|------------------------------------------------|
| `params/<cell>/<stage>.json`                       | resolve    | what the stage reads of `params.yaml`          |
| `skeletons/<dataset>/<store>/`                     | normalize  | the store                                      |
| `splits/<dataset>/<protocol>.csv`                  | split      | `fold,name,part`                               |
| `runs/<dataset>/<cell>/<stage>/`                   | the stage  | `weights/fold-F-seed-S/model.pt`               |
| `runs/.../pretrain/history.csv`                    | pretrain   | a row a run and epoch                          |
| `results/<dataset>/<cell>/history.csv`             | finetune   | the same, of both stages                       |
| `results/<dataset>/<cell>/run.json`                | finetune   | what made these runs, and digests of weights   |
| `results/<dataset>/<cell>/evaluate/`               | evaluate   | predictions, mean attention, accuracy          |
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pandas as pd

from pipeline.core import made
from pipeline.core.errors import ParamsError, ResultsMissing, StoreMismatch
from pipeline.core.files import digests, flatten, read_json, sha256, write_json
from pipeline.core.files import fingerprint as fingerprint_of
from pipeline.core.owners import claim
from pipeline.core.places import DATA, PARAMS, WORK
from pipeline.core.settings import Method, Settings, Training
from pipeline.core.skeletons import verify
from pipeline.core.training import ranks
from pipeline.core.training.job import COLUMNS, Job, Row

CORE, NETWORKS, STAGES = (Path(__file__).parents[1] / name for name in ("core", "networks", "stages"))
IMPORTED = re.compile(r"^from pipeline\.networks\.(\w+) import", re.MULTILINE)
J = TypeVar("J")
R = TypeVar("R")


class RunAll(Protocol):
    """How the runs of a stage are done: `pipeline.running.runs.of_stage`, or any function that is as good as this loop."""

    def __call__(self, work: Callable[[J], R], jobs: Sequence[J], title: str, training: Training) -> list[R]:
        """The results in the order of the jobs."""


def one_by_one(work: Callable[[J], R], jobs: Sequence[J], title: str, training: Training) -> list[R]:
    """In this process."""
    return [work(job) for job in jobs]


@dataclass(frozen=True)
class Cell:
    """A cell with the settings of one of its stages, and its paths; `method_name` and `recipe` are for people."""

    name: str
    dataset: str
    store_name: str
    protocol: str
    method_name: str
    recipe: str
    seeds: tuple[int, ...]
    method: Method
    params: Settings

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


def load(name: str, stage: str) -> Cell:
    """A cell and the settings of a stage, from the file that `resolve` wrote; `ParamsError` where there is none."""
    path = PARAMS / name / f"{stage}.json"
    try:
        document = read_json(path)
    except FileNotFoundError as error:
        raise ParamsError(absent(name, stage)) from error
    except (OSError, ValueError) as error:
        raise ParamsError(f"{path}: cannot be read ({error}); run `python -m pipeline resolve`") from error
    return cell_of(document, str(path))


def absent(name: str, stage: str) -> str:
    """Why a cell has no settings of a stage, and what to do."""
    known = sorted(path.parent.name for path in PARAMS.glob(f"*/{stage}.json"))
    if (PARAMS / name).exists():
        return f"{name} has no stage {stage}: `pretrain` is for methods whose attention learns before the main network"
    near = get_close_matches(name, known, n=3, cutoff=0.5) or known[:3]
    advice = f"near it are {', '.join(near)}" if near else "there are none yet; run `python -m pipeline resolve`"
    return f"params.yaml: the grid has no cell {name!r} with a stage {stage}; {advice}"


def cell_of(document: dict[str, Any], where: str) -> Cell:
    """The cell that a document of `resolve` describes."""
    try:
        named = {f.name: document[f.name] for f in fields(Cell) if f.name not in ("seeds", "method", "params")}
        method, seeds = Method(**document["method"]), tuple(document["seeds"])
    except (KeyError, TypeError) as error:
        raise ParamsError(f"{where}: expected a cell ({error}); run `python -m pipeline resolve`") from error
    return Cell(**named, seeds=seeds, method=method, params=Settings.of(document["params"], where))


def settings_of(name: str, stage: str) -> dict[str, Any]:
    """The sections of parameters that a stage of a cell reads, as they lie on disk."""
    sections: dict[str, Any] = read_json(PARAMS / name / f"{stage}.json")["params"]
    return sections


def code_of(method: Method, stage: str) -> list[Path]:
    """The code, files and folders, that decides what a stage of a cell of this method makes: its dependencies in `dvc.yaml`."""
    return [CORE, STAGES / f"{stage}.py", *(network_code(method.network["kind"]) if method.network else [])]


def network_code(kind: str) -> list[Path]:
    """The module of a network, and those beside it that it imports."""
    seen: list[Path] = []
    todo = [NETWORKS / f"{kind.replace('-', '_')}.py"]
    while todo:
        if (path := todo.pop()) not in seen and path.exists():
            seen.append(path)
            todo += [NETWORKS / f"{name}.py" for name in IMPORTED.findall(path.read_text())]
    return sorted(seen)


def identity(cell: Cell, stage: str) -> dict[str, Any]:
    """What the outcome of a stage follows from: parameters and data; `fingerprint` adds the code and names it all."""
    method = {"spatial": cell.method.spatial, "temporal": cell.method.temporal, "staged": cell.method.staged}
    own = {"network": dict(cell.method.network)} if cell.method.network else {}
    flat = flatten(settings_of(cell.name, stage)) | flatten({**method, **own}, "methods.")
    return {
        "dataset": cell.dataset,
        "protocol": cell.protocol,
        "method": cell.method_name,
        "recipe": cell.recipe,
        "params": dict(sorted(flat.items())),
        "data": data_of(cell),
    }


def data_of(cell: Cell) -> dict[str, str]:
    """Which data a cell has on disk."""
    return {"store_sha256": read_json(cell.store / "meta.json")["sha256"], "split_sha256": sha256(cell.split)}


def fingerprint(cell: Cell, stage: str) -> str:
    """Names parameters, data and code of a stage; a checkpoint of another fingerprint is never resumed."""
    code = [file for path in code_of(cell.method, stage) for file in (path.rglob("*.py") if path.is_dir() else [path])]
    return fingerprint_of([stage, identity(cell, stage)], code)


def document(cell: Cell, stage: str) -> dict[str, Any]:
    """The content of `run.json`."""
    own = fingerprint(cell, stage)
    first = fingerprint(load(cell.name, "pretrain"), "pretrain") if has_pretraining(cell.method) else own
    prints = {"pretrain": first} | ({} if stage == "pretrain" else {"finetune": own})
    each = [{"fold": fold, "seed": seed} for fold, seed in cell.each()]
    return {"stage": f"{stage}@{cell.name}", "fingerprint": prints, "runs": each, **identity(cell, stage)}


def has_pretraining(method: Method) -> bool:
    """Whether a method has the stage `pretrain`: its attentions learn before the main network."""
    return method.staged and (method.spatial or method.temporal)


def jobs(cell: Cell, stage: str, before: Mapping[tuple[int, int], int] | None = None) -> list[Job]:
    """A job a fold and seed; those in `before` (epochs of pretraining by fold and seed) start from the pretrained weights."""
    live, checkpoints = live_folder(cell, stage), checkpoint_folder(cell, stage)
    before = before or {}
    return [
        Job(
            stage=stage,
            fold=fold,
            seed=seed,
            method=cell.method,
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


def train(cell: Cell, stage: str, work: Callable[[Job], list[Row]], todo: list[Job], run_all: RunAll) -> pd.DataFrame:
    """Train the runs of a stage and return their histories. Interrupted, it goes on where it was.

    Runs of this stage that were begun before and still train somewhere write nothing from now on (`pipeline.core.owners`).
    Raises `StoreMismatch` where the store's frames are not what was written.
    """
    if ranks.is_main():
        verify(cell.store)
        owner = claim(WORK / "owners" / cell.name / stage)
        todo = [replace(job, owner=owner) for job in todo]
        write_json(document(cell, stage), live_folder(cell, stage) / "run.json")
    histories = run_all(work, todo, f"{stage}@{cell.name}", cell.params.training)
    rows = [row for history in histories for row in history]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def document_of_results(cell: Cell) -> dict[str, Any]:
    """The content of `run.json` once all is trained: `document` with digests of each run's weights and of `history.csv`."""
    own = {"runs": made.digests(weights_of(cell, "finetune")), "files": digests(cell.results, ["history.csv"])}
    return document(cell, "finetune") | own


def weights_of(cell: Cell, stage: str) -> dict[tuple[int, int], Path]:
    """`model.pt` of every run of a stage."""
    return {run: cell.weights(stage, *run) / "model.pt" for run in cell.each()}


def check_pretrained(cell: Cell) -> None:
    """`WeightsUnfit` where the weights of pretraining are not those that this machine made from the same."""
    noted = made.noted(cell.name, "pretrain")
    if noted and noted.get("fingerprint") == fingerprint(load(cell.name, "pretrain"), "pretrain"):
        made.check(noted.get("runs"), weights_of(cell, "pretrain"), made.note_of(cell.name, "pretrain"))


def check_trained(cell: Cell) -> None:
    """Before evaluation: `StoreMismatch` and `WeightsUnfit` where the data or the weights are not those of `run.json`.

    Where there is no `run.json` only the store's own checksum is compared.
    """
    verify(cell.store)
    path = cell.results / "run.json"
    try:
        trained = read_json(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise ResultsMissing(f"{path}: expected what the runs were made from ({error}); run `dvc repro`") from error
    if not isinstance(trained, dict) or trained.get("data") != data_of(cell):
        raise StoreMismatch(f"{path}: {cell.name} was trained on other data than those on disk; run `dvc repro`")
    made.check(trained.get("runs"), weights_of(cell, "finetune"), path)


def finish(cell: Cell, stage: str) -> None:
    """Note what was made; forget checkpoints and live histories once the stage's outputs are written."""
    made.note(cell.name, stage, fingerprint(cell, stage), weights_of(cell, stage))
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
