"""What was trained, as it lies on disk: finished cells in `data/results/`, growing ones in `.work/live/`."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Self

FINISHED, GROWING = "data/results/*/*/run.json", ".work/live/*/*/run.json"
PLACE = ("fold", "seed", "stage", "phase", "epoch", "step")
ABANDONED_S = 24 * 3600.0
"""A history that has not grown for this long is that of a training that was killed: no epoch takes a day."""

Run = tuple[int, int]  # fold, seed
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Epoch:
    """A row of a history; `values` has the numbers that are not empty."""

    stage: str
    phase: str
    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class Document:
    """The content of `run.json`: who the cell is and what its runs were made from. `stage` is DVC's name of the stage."""

    stage: str
    protocol: str
    method: str
    recipe: str
    dataset: str
    data: dict[str, str]
    params: dict[str, Any]
    fingerprint: dict[str, str]
    runs: list[Run]

    @property
    def cell(self) -> str:
        """The name of the cell."""
        return self.stage.partition("@")[2]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `ValueError`, `KeyError` or `TypeError` where it is not such a document."""
        content = json.loads(path.read_text())
        content["runs"] = [(run["fold"], run["seed"]) for run in content["runs"]]
        content["fingerprint"]["pretrain"]  # every document has it
        content.pop("files", None)
        return cls(**content)


@dataclass(frozen=True)
class Trained:
    """The histories of one cell: `run.json`, the epochs of each run in order, test accuracies in per cent.

    `began` and `changed` are the times of `run.json` and of the newest history, seconds since 1970.
    `accuracy` is that over all runs, None where there is no evaluation.
    """

    document: Document
    epochs: dict[Run, list[Epoch]]
    accuracies: dict[Run, float]
    accuracy: float | None
    live: bool
    began: float
    changed: float
    folder: Path

    @property
    def status(self) -> str:
        """MLflow's word for it: `FINISHED`, `RUNNING`, or `KILLED` where it stopped growing long ago."""
        if not self.live:
            return "FINISHED"
        return "RUNNING" if time.time() - self.changed < ABANDONED_S else "KILLED"


@dataclass(frozen=True)
class Source:
    """A folder with a `run.json` and histories beside it."""

    folder: Path
    live: bool

    @property
    def files(self) -> list[Path]:
        """`run.json` first, then the histories, then the evaluation."""
        return [
            self.folder / "run.json",
            *sorted(self.folder.glob("*.csv")),
            *self.folder.glob("evaluate/metrics.json"),
        ]

    def stamp(self) -> Stamp:
        """Changes when a file does; raises `OSError` where training removes the folder meanwhile."""
        stats = [(path, path.stat()) for path in self.files]
        return tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats)

    def read(self) -> Trained:
        """All of it; raises `OSError`, `ValueError`, `KeyError` or `TypeError` where a file is missing or damaged."""
        first, *others = self.files
        epochs: dict[Run, list[Epoch]] = {}
        histories = [path for path in others if path.suffix == ".csv"]
        for path in histories:
            read_history(path, epochs)
        accuracies, accuracy = read_metrics(self.folder / "evaluate" / "metrics.json")
        began = first.stat().st_mtime
        changed = max([began, *(path.stat().st_mtime for path in histories)])
        return Trained(Document.read(first), epochs, accuracies, accuracy, self.live, began, changed, self.folder)


def find(root: Path) -> Iterator[Source]:
    """What grows first: someone is watching it. Then what is finished, which has the last word on what both know."""
    for pattern in (GROWING, FINISHED):
        for path in sorted(root.glob(pattern)):
            yield Source(path.parent, pattern == GROWING)


def finished(root: Path) -> set[Stamp]:
    """The stamps of all finished cells."""
    stamps: set[Stamp] = set()
    for source in find(root):
        with suppress(OSError):  # removed meanwhile
            stamps |= set() if source.live else {source.stamp()}
    return stamps


def read_history(path: Path, into: dict[Run, list[Epoch]]) -> None:
    """Append the epochs of a history to those of their runs; a last line that is still being written waits."""
    lines = path.read_text().splitlines(keepends=True)
    whole = lines[:-1] if lines and not lines[-1].endswith("\n") else lines
    for row in csv.DictReader(whole):
        values = {name: float(value) for name, value in row.items() if name not in PLACE and value}
        epoch = Epoch(row["stage"], row["phase"], int(row["step"]), values)
        into.setdefault((int(row["fold"]), int(row["seed"])), []).append(epoch)


def read_metrics(path: Path) -> tuple[dict[Run, float], float | None]:
    """Per cent of right test samples by run, and the mean over folds, as reports have it; none where it is not evaluated."""
    if not path.exists():
        return {}, None
    document = json.loads(path.read_text())
    each = {(run["fold"], run["seed"]): 100 * run["correct"] / run["samples"] for run in document["runs"]}
    folds: dict[int, list[float]] = {}
    for (fold, _), accuracy in each.items():
        folds.setdefault(fold, []).append(accuracy)
    return each, fmean(fmean(seeds) for seeds in folds.values())
