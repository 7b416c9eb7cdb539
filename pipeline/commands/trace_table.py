"""Command `trace` of a table: what a row of it rests on, and the command that makes it again. It changes nothing.

A row names its cells, or their protocol, recipe and method; what it leaves open counts for all cells of the data set. Tables of
a protocol have it in their file's name.
"""

from __future__ import annotations

import csv
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.commands.pipelines import folder_of
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.config.sections import GridCell
from pipeline.core.errors import PipelineError
from pipeline.report import text
from pipeline.report.analysis import role
from pipeline.results.effects import EFFECTS

ANSWERS = "answers"
LISTS = {ANSWERS: "accuracies.csv"}  # which of a report's tables names its cells; else runs.csv
Row = dict[str, str]


@dataclass(frozen=True)
class Table:
    """A table of a report: of which data set (`ANSWERS`: of all), its lines, the cells that can be in it, and their roles.

    A role is a key of `pipeline.report.analysis.ROLES`, None for a cell that is in no effect.
    """

    path: Path
    of: str
    rows: list[Row]
    cells: dict[str, GridCell]
    roles: dict[str, str | None]

    @property
    def again(self) -> str:
        """The command that makes it."""
        return "python -m pipeline answer" if self.of == ANSWERS else f"dvc repro report@{self.of}"

    @property
    def source(self) -> str:
        """What it is made from."""
        return "reports/baseline/*.csv.gz" if self.of == ANSWERS else f"data/results/{self.of}"


def main(root: Path, path: Path, number: int | None) -> Iterator[str]:
    """Lines about a table, or about one row of it, counted from 1 below the heading.

    Raises `PipelineError` where the file is no table of a report, or has no such row.
    """
    table = opened(root, path)
    chosen = table.rows if number is None else [_row(table, number)]
    yield f"{path}: {len(table.rows)} rows, made from {table.source}"
    yield f"commit: {_commit(root, path)}"
    if number is not None:
        yield f"row {number}: " + ", ".join(f"{key} {value}" for key, value in chosen[0].items() if value)
    names = [name for name in table.cells if any(_in(table, row, name) for row in chosen)]
    yield from (f"cell: {name}, lock {folder_of(name, table.cells[name])}/dvc.lock" for name in names)
    yield f"again: {table.again}"
    yield f"more of a cell: python -m pipeline trace {names[0] if names else 'CELL'}"


def opened(root: Path, path: Path) -> Table:
    """The table at a path inside the project. `PipelineError` where none of this project's reports has it."""
    expected = f"{path}: expected a table reports/<data set, or {ANSWERS}>/tables/<name>.csv"
    parts = Path(os.path.relpath((root / path).resolve(), root.resolve())).parts
    if len(parts) != 4 or parts[0] != "reports" or parts[2] != "tables" or path.suffix != ".csv":
        raise PipelineError(expected)
    try:
        config = parameters.load(root / parameters.FILE)
        own = _cells(config, root, parts[1])
        roles = {n: None if cell.switch_of else role(config.params.methods[cell.method]) for n, cell in own.items()}
        return Table(path, parts[1], _rows(root / path), own, roles)
    except OSError as error:
        raise PipelineError(f"{expected}, found none: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise PipelineError(f"{expected}: {error}") from error


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, restval=""))


def _cells(config: Config, root: Path, of: str) -> dict[str, GridCell]:
    """The cells that a report is of, as its own list of runs or accuracies has them."""
    there = {row.get("cell") for row in _rows(root / "reports" / of / "tables" / LISTS.get(of, "runs.csv"))}
    return {name: cell for name, cell in config.every.items() if name in there}


def _row(table: Table, number: int) -> Row:
    if not 1 <= number <= len(table.rows):
        raise PipelineError(f"{table.path}: no row {number}; it has 1 to {len(table.rows)}")
    return table.rows[number - 1]


def _in(table: Table, row: Row, name: str) -> bool:
    """Whether a row says nothing against this cell: an effect is of the methods that it compares."""
    path, cells, cell = table.path, table.cells, table.cells[name]
    if row.get("cell") in cells:
        return row["cell"] == name
    if (compared := _compared(row.get("effect", ""))) and table.roles[name] not in compared:
        return False
    ours = {"protocol": cell.protocol, "recipe": cell.recipe, "method": cell.method}
    known = {key: {str(getattr(other, key)) for other in cells.values()} for key in ours}
    said = {"protocol": row.get("place", "") or _named(path, known["protocol"])} | {key: row[key] for key in ours if key in row}
    return all(said[key] == value for key, value in ours.items() if said.get(key) in known[key])


def _compared(title: str) -> set[str]:
    """The roles in the effect of a title; empty where there is none of that title."""
    plain = title.replace(text.MINUS, "-")
    return {role for effect in EFFECTS.values() if effect.title == plain for role in effect.weights}


def _named(path: Path, protocols: set[str]) -> str:
    """The protocol that a file's name ends with, the longest of those that fit; else nothing."""
    return max((protocol for protocol in protocols if path.stem.endswith(f"-{protocol}")), key=len, default="")


def _commit(root: Path, path: Path) -> str:
    """The last commit that changed the file, and whether it is as committed."""
    try:
        log = ["git", "log", "-1", "--format=%H %cs %s", "--", str(path)]
        found = subprocess.run(log, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
        state = ["git", "status", "--porcelain", "--", str(path)]
        changed = subprocess.run(state, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not known, this is no git repository"
    return (found or "none has it") + (", changed since" if found and changed else "")
