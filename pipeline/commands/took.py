"""Command `took`: after `dvc repro`, which stages ran and which DVC had in its cache; time and peak memory of those that ran.

Each stage writes a line into `.work/took.jsonl` as it ends, so nothing that DVC hashes changes with the clock.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.config.params import Config
from pipeline.config.resolve import stages_of

FILE = Path(".work/took.jsonl")
OF_DATASETS = ("download", "normalize", "split")
DATA_OF = {
    "resolve": "data/params",
    "download": "data/raw",
    "normalize": "data/skeletons",
    "split": "data/splits",
    "report": "data/results",
}


@contextmanager
def measured(stage: str, target: str) -> Iterator[None]:
    """Write down how long the block took and the peak memory of the largest of its processes; nothing where it fails."""
    began = time.monotonic()
    yield
    line = {"stage": stage, "target": target, "ended": time.time(), "seconds": time.monotonic() - began, "megabytes": _peak()}
    with suppress(OSError):  # a disk that is full is for the stage to say
        FILE.parent.mkdir(exist_ok=True)
        with FILE.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _peak() -> float | None:
    """MB of the largest process, this one or one that it waited for; None where the system does not say (Windows)."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:
        return None
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / unit


def lines(config: Config, since: float) -> list[str]:
    """The table: a row a stage that ran since then, longest first; then how many came from the cache."""
    ran = {(row["stage"], row["target"]): row for row in _read() if row["ended"] >= since}
    every = list(_stages(config))
    rows = sorted((row for key, row in ran.items() if key in every), key=lambda row: -row["seconds"])
    head = [f"{'stage':10} {'of':32} {'time':>9} {'peak memory':>12}"]
    body = [f"{row['stage']:10} {row['target']:32} {_time(row['seconds']):>9} {_memory(row['megabytes']):>12}" for row in rows]
    total = sum(row["seconds"] for row in rows)
    last = f"{len(rows)} of {len(every)} stages ran, {_time(total)}" if rows else f"none of {len(every)} stages ran"
    return [*(head if rows else []), *body, "; ".join([last, *_others(config, [key for key in every if key not in ran])])]


def _others(config: Config, stages: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Of stages that did not run: how many DVC had, and how many have never run here."""
    absent = sum(not _output(config, *key).exists() for key in stages)
    if had := len(stages) - absent:
        yield f"{had} {'was' if had == 1 else 'were'} up to date or in DVC's cache"
    if absent:
        yield f"{absent} {'has' if absent == 1 else 'have'} not run yet: `dvc repro`"


def _output(config: Config, stage: str, target: str) -> Path:
    """What is in `data/` once a stage has run; for the report, which git has, what it is made from."""
    if stage in DATA_OF:
        return Path(DATA_OF[stage], target)
    dataset = config.cells[target].dataset
    return Path("data/results", dataset, target, stage) if stage == "evaluate" else Path("data/runs", dataset, target, stage)


def _stages(config: Config) -> Iterator[tuple[str, str]]:
    yield "resolve", ""
    for dataset in config.params.use.datasets:
        yield from ((stage, dataset) for stage in (*OF_DATASETS, "report"))
    for name, cell in config.cells.items():
        yield from ((stage, name) for stage in stages_of(config.params.methods[cell.method]))


def _read() -> list[dict[str, Any]]:
    found = []
    for line in FILE.read_text().splitlines() if FILE.exists() else []:
        with suppress(ValueError):  # cut by a killed process
            found.append(json.loads(line))
    return found


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def _memory(megabytes: float | None) -> str:
    return "not known" if megabytes is None else f"{megabytes:,.0f} MB"
