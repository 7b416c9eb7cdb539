"""Command `costs`: what the groups in use take, before they run: networks, time, memory and disk, from what was measured.

Nothing is predicted for a data set of which nothing was measured.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.config.params import Config
from pipeline.config.sections import GridCell
from pipeline.running import cores


class Measured(NamedTuple):
    """Seconds of one core a network takes on average, data stages included, MB of `data/` with
    DVC's cache (0: not measured), and how it is known."""

    seconds: float
    megabytes: int
    source: str


# From whole runs on 2 cores of an AMD EPYC without GPU.
MEASURED = {
    "demo": Measured(8.2, 190, "31 networks in 2 min 7 s"),
    "sbu": Measured(52, 0, "690 networks in 5 h"),
}
FOLDS = {"sbu": 5, "demo-sbu": 5}  # before there is a split to count them in


def lines(config: Config, groups: Sequence[str] = ()) -> list[str]:
    """A line a data set of the groups (default: those in use)."""
    wanted = list(groups) or config.params.use.groups
    cells = {name: cell for name, cell in config.every.items() if cell.group in wanted}
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    found = [_line(config, dataset, {n: c for n, c in cells.items() if c.dataset == dataset}) for dataset in _datasets(cells)]
    return [*found, f"here: {cores.granted()} core(s), {free:,.0f} GB free; what is in DVC's cache already is not run again"]


def _datasets(cells: dict[str, GridCell]) -> list[str]:
    return list(dict.fromkeys(cell.dataset for cell in cells.values()))


def _line(config: Config, dataset: str, cells: dict[str, GridCell]) -> str:
    counts = [networks(config, cell) for cell in cells.values()]
    if any(count is None for count in counts):
        return f"{dataset}: {len(cells)} cells; how many folds is known after `split`"
    total, known = sum(count or 0 for count in counts), MEASURED.get(dataset)
    if known is None:
        return f"{dataset}: {len(cells)} cells, {total} networks; not measured yet (docs/scale.md has estimates for NTU RGB+D)"
    minutes = max(1, round(total * known.seconds / 60 / cores.granted()))
    time = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
    source = f"{known.source} on 2 cores of an AMD EPYC"
    head = f"{dataset}: {len(cells)} cells, {total} networks"
    disk = f", and {known.megabytes} MB of disk" if known.megabytes else ""
    return f"{head}: about {time} here if nothing is cached{disk} ({source})"


def networks(config: Config, cell: GridCell) -> int | None:
    """Folds times seeds of a cell; None where nobody knows the folds yet."""
    seeds = len(config.params.seeds[cell.seeds])
    path = Path("data/splits", cell.dataset, f"{cell.protocol}.csv")
    if path.exists():
        with path.open(newline="") as file:
            return seeds * len({row["fold"] for row in csv.DictReader(file)})
    return seeds * FOLDS[cell.protocol] if cell.protocol in FOLDS else None
