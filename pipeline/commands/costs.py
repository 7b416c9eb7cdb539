"""Command `costs`: what the groups in use take, before they run: networks, time and disk, from what was measured.

Nothing is predicted for cells of which nothing was measured. Folds are those of the split; before there is one, those of the
committed runs.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.commands import use
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
    "demo": Measured(8.2, 190, "31 networks in 2 min 7 s on 2 cores of an AMD EPYC"),
    "sbu": Measured(52, 0, "690 networks in 5 h on 2 cores of an AMD EPYC"),
}
RUNS, SINGLE = Path("reports/runs"), Path("reports/costs.csv")
ESTIMATES = ("ntu", "ntu120")


def lines(config: Config, groups: Sequence[str] = ()) -> list[str]:
    """A line a data set of the groups (default: those in use). `ParamsError` for a group that the grid does not have."""
    use.check_known(groups, list(config.params.grid), config.where)
    wanted = list(groups) or config.params.use.groups
    cells = {name: cell for name, cell in config.every.items() if cell.group in wanted}
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    found = [_line(config, dataset, [c for c in cells.values() if c.dataset == dataset]) for dataset in _datasets(cells)]
    return [*found, f"here: {cores.granted()} core(s), {free:,.0f} GB free; what is in DVC's cache already is not run again"]


def _datasets(cells: dict[str, GridCell]) -> list[str]:
    return list(dict.fromkeys(cell.dataset for cell in cells.values()))


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _line(config: Config, dataset: str, cells: list[GridCell]) -> str:
    counts = [networks(config, cell) for cell in cells]
    measured = [_measured(cell) for cell in cells]
    known = [found for found in measured if found]
    estimates = "; docs/scale.md has estimates" if dataset in ESTIMATES else ""
    if None in counts:
        return f"{dataset}: {_many(len(cells), 'cell')}; how many folds is known after `split`, and no time is known{estimates}"
    head = f"{dataset}: {_many(len(cells), 'cell')}, {_many(sum(count or 0 for count in counts), 'network')}"
    if len(known) < len(cells):
        return f"{head}; no time is known: {len(cells) - len(known)} of these cells were not measured{estimates}"
    seconds = sum(found.seconds * (count or 0) for found, count in zip(known, counts, strict=True))
    minutes = max(1, round(seconds / 60 / cores.granted()))
    time = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
    megabytes = max(found.megabytes for found in known)
    disk = f", and {megabytes} MB of disk" if megabytes else ""
    return f"{head}: about {time} here if nothing is cached{disk} ({'; '.join(dict.fromkeys(m.source for m in known))})"


def _measured(cell: GridCell) -> Measured | None:
    """What a network of a cell takes: as measured alone, else on the mean over its data set; None where nobody knows."""
    for row in _table(SINGLE):
        if (row["protocol"], row["recipe"], row["method"]) == (cell.protocol, cell.recipe, cell.method):
            return Measured(float(row["train_s"]), 0, f"{SINGLE}: training alone, on one core of an {row['core']}")
    return MEASURED.get(cell.dataset)


def networks(config: Config, cell: GridCell) -> int | None:
    """Folds times seeds of a cell; None where nobody knows the folds yet."""
    seeds, rows = len(config.params.seeds[cell.seeds]), _table(Path("data/splits", cell.dataset, f"{cell.protocol}.csv"))
    folds = {row["fold"] for row in rows} or set(_recorded(config, cell))
    return seeds * len(folds) if folds else None


def _recorded(config: Config, cell: GridCell) -> Iterator[str]:
    """The folds of a cell's protocol, from committed runs of cells that were recorded whole."""
    names = {name for name, other in config.every.items() if other.protocol == cell.protocol}
    for row in _table(RUNS / f"{cell.dataset}.csv"):
        if row["cell"] in names and row["evidence"] == "cell":
            yield row["fold"]


def _table(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
