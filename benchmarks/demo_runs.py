"""Runs of the demo's cells outside of DVC, one (cell, seed) after the other, kept as files: what checks are drawn from.

A folder holds data made by the stages `download`, `normalize` and `split`, and `pool/<kind>/<cell>-<seed>.csv.gz`, the
predictions of a run. A run that is there is not made again, so an interrupted pool goes on; several processes may fill one.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.cell import Cell
from pipeline.core.files import whole, write_json
from pipeline.core.training.job import Job

COLUMNS = ["fold", "seed", "name", "label", "predicted"]
Break = Callable[[], contextlib.AbstractContextManager[object]]


def make(folder: Path, document: Mapping[str, Any]) -> None:
    """The demo's data in a folder, by the stages themselves, from these parameters; nothing where they are there already."""
    import yaml  # noqa: PLC0415 (types of a test dependency)

    from pipeline.stages import download, normalize, resolve, split  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder), contextlib.redirect_stdout(None):
        if Path("params.yaml").exists() and decisive(parameters.read()) != decisive(document):
            raise SystemExit(f"{folder}: made with other parameters; remove it, or name another folder")
        if Path("data/splits").exists():
            return
        Path("params.yaml").write_text(yaml.safe_dump(dict(document), sort_keys=False))
        resolve.main()
        for stage in (download, normalize, split):
            stage.main("demo")


def decisive(document: Mapping[str, Any]) -> dict[str, Any]:
    """What runs of the demo depend on."""
    return {name: section for name, section in document.items() if name not in ("check", "report", "search", "seeds", "grid")}


def predictions(folder: Path, name: str, seed: int, kind: str = "honest", broken: Break = contextlib.nullcontext) -> pd.DataFrame:
    """The predictions of one run of a cell (all folds) under a change of the code, from the pool or trained now."""
    path = folder / "pool" / kind / f"{name}-{seed}.csv.gz"
    if not path.exists():
        with contextlib.chdir(folder), broken():
            started = time.process_time()
            table = trained(name, seed, Path("work") / kind)
            cost = time.process_time() - started
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path, path.parent) as unfinished:
            table.to_csv(unfinished, index=False, compression="gzip")
        write_json({"cpu_s": round(cost, 2)}, path.with_name(f"{name}-{seed}.json"))
    return pd.read_csv(path)


def trained(name: str, seed: int, work: Path) -> pd.DataFrame:
    """Train and evaluate the runs of one seed in this process; what they leave on disk is removed."""
    from pipeline.core.training.run import train  # noqa: PLC0415 (torch)
    from pipeline.stages import evaluate  # noqa: PLC0415

    place = work / f"{name}-{seed}"
    shutil.rmtree(place, ignore_errors=True)
    before: dict[tuple[int, int], int] = {}
    jobs: list[Job] = []
    for stage in ("pretrain", "finetune"):
        if stage == "pretrain" and not cells.has_pretraining(cells.load(name, "finetune").method):
            continue
        cell = one_seed(name, stage, seed)
        jobs = [moved(job, place) for job in cells.jobs(cell, stage, before)]
        before = {(job.fold, seed): len(train(job)) for job in jobs}
    cell = one_seed(name, "evaluate", seed)
    found = [evaluate.work(moved(job, place)).predictions for job in cells.jobs(cell, "finetune")]
    shutil.rmtree(place)
    return pd.concat(found, ignore_index=True)[COLUMNS]


def one_seed(name: str, stage: str, seed: int) -> Cell:
    """A cell as a stage loads it, with this seed alone."""
    return replace(cells.load(name, stage), seeds=(seed,))


def moved(job: Job, place: Path) -> Job:
    """The job with all that it writes under a folder of its own."""
    run = f"fold-{job.fold}"
    start = place / "pretrain" / run if job.start else None
    checkpoint = place / "checkpoints" / f"{job.stage}-{run}.pt"
    return replace(job, start=start, target=place / job.stage / run, live=place / f"{run}.csv", checkpoint=checkpoint)


def accuracies(tables: Sequence[pd.DataFrame]) -> pd.Series:
    """Mean of the folds' accuracies in per cent, by seed."""
    whole_table = pd.concat(tables)
    right = (whole_table["label"] == whole_table["predicted"]).groupby([whole_table["seed"], whole_table["fold"]]).mean()
    return 100 * right.groupby("seed").mean()


def document(changes: Mapping[str, Any]) -> dict[str, Any]:
    """This project's parameters, the demo's cells in use, with changes laid over them."""
    own = parameters.read(Path(__file__).parents[1] / "params.yaml")
    own["use"] = {"groups": ["demo"], "datasets": {"demo": "pipeline/datasets"}}
    return merged(own, changes)


def merged(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with nested changes laid over it; a recipe may get new keys."""
    result = dict(document)
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if nested else value
    return result


def fill(folder: Path, names: Sequence[str], seeds: Sequence[int]) -> Iterator[tuple[str, int, float]]:
    """Make the honest runs of these cells and seeds, seed after seed; yields cell, seed, accuracy."""
    for seed in seeds:
        for name in names:
            yield name, seed, float(accuracies([predictions(folder, name, seed)]).iloc[0])
