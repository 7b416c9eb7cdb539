"""The committed predictions of a data set, `reports/baseline/<dataset>.csv.gz`: read, at any git revision, or accepted.

A file beside it has its SHA-256, so that an edit is noticed.
"""

from __future__ import annotations

import difflib
import gzip
import io
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline.commands import locks
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core import cell as cells
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.files import check_digest, digest_of, whole, write_digest
from pipeline.errors import BaselineMissing
from pipeline.report.results import check_files, read_run
from pipeline.results.statistics import outcomes

BASELINE = Path("reports/baseline")
KEY = ["fold", "seed", "name"]
COLUMNS = [*KEY, "label", "predicted"]
TYPES = {"fold": "int64", "seed": "int64", "name": "str", "label": "int64", "predicted": "int64"}


def accept(names: Sequence[str] = ()) -> None:
    """Make the predictions of the cells named (see `selected`) the baseline; all must be there, and all are read first.

    What a baseline has of other cells of the grid stays, in use or not. What it has of cells that the grid has not goes where all
    cells in use of the data set are accepted, and stays where some are named. Where
    `check.fewer_seeds` says that a data set runs fewer seeds than its baseline, a cell's baseline stays as well if its runs come
    again; raises `ResultsMissing` if they do not: the fewer seeds would not say how far seeds spread, and `check` would notice no
    fall.
    """
    config = parameters.load()
    chosen = selected(config, names)
    locks.refuse_stale(config, [name for own in chosen.values() for name in own])
    tables = {dataset: {name: fresh(name) for name in own} for dataset, own in chosen.items()}
    old = {dataset: read(dataset) if file_of(dataset).exists() else {} for dataset in tables}
    for dataset in set(tables) & set(config.check.fewer_seeds):
        tables[dataset] |= _pools(dataset, old[dataset], tables[dataset])
    for dataset, found in tables.items():
        path, before = file_of(dataset), old[dataset]
        others = [name for name in before if name not in found]
        gone = [name for name in others if name not in config.every and is_whole(config, dataset, list(found))]
        kept = {name: before[name] for name in others if name not in gone}
        new = "" if path.exists() else ", a new file"
        with whole(path) as unfinished:
            unfinished.write_bytes(as_csv(kept | found))
        write_digest(path)
        print(f"{path}: {sum(map(len, found.values()))} predictions of {', '.join(found)}{new}")
        if kept:
            print(f"  kept: those of {', '.join(kept)}")
        if gone:
            print(f"  dropped: those of {', '.join(gone)}, which the grid of params.yaml does not have")


def _pools(dataset: str, before: Mapping[str, pd.DataFrame], found: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The baseline's tables of cells for which it has more seeds than were run, and among them these runs."""
    pools: dict[str, pd.DataFrame] = {}
    for name, table in before.items():
        if name not in found or set(found[name]["seed"]) >= set(table["seed"]):
            continue
        own = table[table["seed"].isin(set(found[name]["seed"]))]
        if not _same(own, found[name]):
            raise ResultsMissing(
                f"{name}: {file_of(dataset)} has {table['seed'].nunique()} seeds of it, which say how far seeds spread; the"
                f" {found[name]['seed'].nunique()} here came out otherwise, and alone they would let `check` notice no fall."
                " docs/gate.md says how its runs are made anew; to begin with fewer, remove the file first"
            )
        pools[name] = table
    return pools


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    tables = [table[COLUMNS].sort_values(KEY).reset_index(drop=True) for table in (one, other)]
    return bool(tables[0].equals(tables[1]))


def as_csv(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Predictions by cell as a baseline has them, compressed: `cell,fold,seed,name,label,predicted`, sorted."""
    joined = pd.concat([table.assign(cell=name) for name, table in tables.items()])[["cell", *COLUMNS]]
    text = joined.sort_values(["cell", *KEY]).to_csv(index=False, lineterminator="\n")
    return gzip.compress(text.encode(), mtime=0)


def selected(config: Config, names: Sequence[str] = ()) -> dict[str, list[str]]:
    """The cells in use by data set; where names are given only those so named: by their own, their group's or their data set's.

    `ParamsError` for a name of which no cell is in use.
    """
    for name in names:
        if not any(name in names_of(config, cell) for cell in config.cells):
            raise ParamsError(f"params.yaml: {not_in_use(config, name)}")
    found: dict[str, list[str]] = {}
    for cell in config.cells:
        if not names or set(names) & set(names_of(config, cell)):
            found.setdefault(config.cells[cell].dataset, []).append(cell)
    return found


def is_whole(config: Config, dataset: str, names: Sequence[str]) -> bool:
    """Whether these are all cells in use of a data set."""
    return {name for name, cell in config.cells.items() if cell.dataset == dataset} <= set(names)


def names_of(config: Config, cell: str) -> tuple[str, str, str]:
    """What a cell of the grid goes by: its own name, its group's, its data set's."""
    return cell, config.every[cell].group, config.every[cell].dataset


def not_in_use(config: Config, name: str) -> str:
    """That no cell of a data set, group or cell of that name is in use, and how to use it beside what is."""
    groups = list(dict.fromkeys(its.group for cell, its in config.every.items() if name in names_of(config, cell)))
    if groups:
        return f"no cell of {name!r} is in use; run {locks.use_too(config, groups[0])}"
    near = difflib.get_close_matches(name, [one for cell in config.every for one in names_of(config, cell)], 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no data set, group or cell {name!r}{hint}; groups in use: {', '.join(config.params.use.groups)}"


def used(config: Config, dataset: str) -> list[str]:
    """The names of a data set's cells in use."""
    return [name for name, cell in config.cells.items() if cell.dataset == dataset]


def file_of(dataset: str) -> Path:
    """Where the baseline of a data set is."""
    return BASELINE / f"{dataset}.csv.gz"


def read(dataset: str, revision: str = "") -> dict[str, pd.DataFrame]:
    """The predictions of the baseline by cell, from disk or as a git revision has them.

    `BaselineMissing` where they are not there or cannot be read.
    """
    path = file_of(dataset)
    where = f"{path} at {revision}" if revision else str(path)
    try:
        if not revision:
            _check_vouched(path)
        text = gzip.decompress(_committed(path, revision) if revision else path.read_bytes())
        whole_table = pd.read_csv(
            io.BytesIO(text), dtype={"cell": "str", **TYPES}, keep_default_na=False, usecols=["cell", *COLUMNS]
        )
        tables = {str(name): table[COLUMNS] for name, table in whole_table.groupby("cell")}
        for table in tables.values():
            outcomes(table)
    except FileNotFoundError as error:
        advice = f"`python -m pipeline check --accept {dataset}` makes the results that are there the baseline; then commit it"
        raise BaselineMissing(f"{where}: expected the predictions to compare {dataset} with, found none; {advice}") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BaselineMissing(f"{where}: expected a table of predictions ({error}); take it from git again") from error
    return tables


def _check_vouched(path: Path) -> None:
    if path.exists() and not digest_of(path).exists():
        raise ValueError(f"{digest_of(path).name}, which vouches for it, is not there")
    check_digest(path)


def _committed(path: Path, revision: str) -> bytes:
    """A file as git has it; `BaselineMissing` where git, the revision or the file in it is not there."""
    try:
        done = subprocess.run(
            ["git", "show", "--end-of-options", f"{revision}:./{path.as_posix()}"], capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise BaselineMissing(f"--against {revision}: expected git to read that revision, found no git") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        advice = f"`git log -- {path}` names those that do"
        raise BaselineMissing(f"--against {revision}: git has no {path} there ({said}); {advice}")
    return done.stdout


def fresh(name: str) -> pd.DataFrame:
    """The predictions of a cell now; `ResultsMissing` unless all of its seeds have each of the same samples once."""
    cell = cells.load(name, "evaluate")
    path = cell.results / "evaluate" / "predictions.csv"
    again = "run `dvc repro`, which makes what is out of date"
    if (path.parent / "metrics.json").exists():
        evaluate = next((path.as_posix() for path in Path("cells").glob(f"*/{name}/dvc.yaml")), "")
        check_files(path.parent, read_run(path.parent / "metrics.json", evaluate), evaluate)
    try:
        table = pd.read_csv(path, dtype=TYPES, keep_default_na=False, usecols=COLUMNS)[COLUMNS]
        outcomes(table)
    except (OSError, ValueError) as error:
        raise ResultsMissing(f"{path}: expected a table of predictions ({error}); {again}") from error
    found, wanted = sorted(table["seed"].unique().tolist()), sorted(cell.seeds)
    if found != wanted:
        raise ResultsMissing(f"{path}: expected seeds {wanted} as in params.yaml, found {found}; {again}")
    if table.duplicated(KEY).any():
        raise ResultsMissing(f"{path}: expected one prediction a fold, seed and sample, found several; {again}")
    return table
