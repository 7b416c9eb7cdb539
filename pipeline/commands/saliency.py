"""Command `saliency`: where evidence is planted, how much of attention lies on it, beside a gradient-based saliency.

Writes `reports/saliency/<dataset>.csv` and `.md`; rows of cells that are not in this call stay. Needs captum.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import pandas as pd

from pipeline.commands import locks
from pipeline.commands.knockout import lacking
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core import cell as cells
from pipeline.core.cell import Cell
from pipeline.core.errors import ParamsError, PipelineError, ResultsMissing
from pipeline.core.training.job import Job
from pipeline.datasets.shared import registry
from pipeline.running import runs
from pipeline.saliency import shares

Evidence = tuple[tuple[int, ...], tuple[float, float]]


@dataclass(frozen=True)
class Task:
    """A run, the planted joints and part of the clip, and the steps of integrated gradients."""

    job: Job
    evidence: Evidence
    steps: int

    @property
    def fold(self) -> int:
        """For messages."""
        return self.job.fold

    @property
    def seed(self) -> int:
        """For messages."""
        return self.job.seed


def main(names: Sequence[str]) -> None:
    """Measure cells (none named: all in use that have planted evidence and weights) and write the reports.

    Raises `PipelineError` without captum, `ParamsError` for a named cell without planted evidence, `ResultsMissing` for one whose
    weights or data are not on disk.
    """
    if find_spec("captum") is None:
        raise PipelineError('saliency needs captum: pip install -c constraints.txt -e ".[saliency]"')
    config = parameters.load()
    found: dict[str, list[pd.DataFrame]] = {}
    planted = chosen(config, names)
    locks.refuse_stale(config, list(planted))
    for name, evidence in planted.items():
        cell = cells.load(name, "evaluate")
        tasks = [Task(job, evidence, config.saliency.steps) for job in cells.jobs(cell, "finetune")]
        table = pd.concat(runs.run_all(work, tasks, f"saliency@{name}"), ignore_index=True)
        head = {"cell": name, "protocol": cell.protocol, "recipe": cell.recipe, "method": cell.method_name}
        found.setdefault(cell.dataset, []).append(shares.rows(head, table))
    for dataset, rows in found.items():
        shares.write(dataset, pd.concat(rows))
        print(f"{shares.TABLES / dataset}.md: {', '.join(each['cell'].iloc[0] for each in rows)}")


def chosen(config: Config, names: Sequence[str]) -> dict[str, Evidence]:
    """The named cells of the grid with their evidence; none named: those in use that can be done, the others with a line each."""
    found = {name: planted(cells.load(name, "evaluate")) for name in names or config.cells}
    if missing := [name for name in names if found[name] is None]:
        raise ParamsError(f"{missing[0]}: data set {config.every[missing[0]].dataset} has no planted evidence to compare with")
    gaps = {name: gap for name, evidence in found.items() if evidence and (gap := lacking(name))}
    for name, gap in gaps.items():
        if names:
            raise ResultsMissing(f"{name}: {gap}")
        print(f"left out: {name}: {gap}", file=sys.stderr)
    usable = {name: evidence for name, evidence in found.items() if evidence and name not in gaps}
    if not usable:
        raise ResultsMissing("no cell in use has planted evidence and trained weights on disk; `python -m pipeline use demo` has")
    return usable


def planted(cell: Cell) -> Evidence | None:
    """Planted joints (of all bodies) and part of the clip, or None for a store without."""
    evidence = getattr(registry.load(cell.dataset), "EVIDENCE", {}).get(cell.store_name)
    return (tuple(evidence.gates), (float(evidence.window[0]), float(evidence.window[1]))) if evidence else None


def work(task: Task) -> pd.DataFrame:
    """The shares of a run's test clips: a row a kind of weight and clip, with `fold` and `seed`."""
    from pipeline.core.training.files import clips_of  # noqa: PLC0415 (torch)
    from pipeline.core.training.loop import device_of  # noqa: PLC0415
    from pipeline.core.training.run import restore  # noqa: PLC0415
    from pipeline.saliency import weights  # noqa: PLC0415

    clips, device = clips_of(task.job, "test"), device_of(task.job.params.training)
    maps = weights.of_clips(restore(task.job, clips.store).to(device), clips, task.steps, device)
    rows = [{"weights": kind, **shares.shares(one, *task.evidence)} for kind, each in maps.items() for one in each]
    return pd.DataFrame(rows).assign(fold=task.fold, seed=task.seed)
