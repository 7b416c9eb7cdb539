"""What each run came to, as a small table that is committed: SHA-256 of its weights, its history and its predictions.

DVC's lock holds one hash over all runs of a cell; with `reports/runs/<dataset>.csv` one run can be compared where nothing but the
repository is at hand. A line a run:

| column        | content                                                                                              |
|---------------|------------------------------------------------------------------------------------------------------|
| `cell`, `fold`, `seed` | the run                                                                                     |
| `pretrain`    | SHA-256 (its first 16 hex digits) of the weights of pretraining; empty for a method without it           |
| `finetune`    | of the final weights                                                                                   |
| `history`     | of the run's lines of `history.csv`                                                                    |
| `epochs`      | of its first 1, 2, 4, 8 ... lines, 4 digits each: where a history first differs                          |
| `loss`        | the loss of the last epoch, as in `history.csv`                                                          |
| `predictions` | of the run's lines of `predictions.csv`                                                                |
| `right`       | test samples that it gets right                                                                        |
| `evidence`    | `cell`: all runs of the cell were on disk and their folders had the hashes of DVC's lock; `run`: this run |
|               | alone was trained, by the code that the lock's entry is from                                            |
| `kernels`     | the processor's instructions that torch used where it was recorded, such as `AVX512`; empty: not noted   |
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from pipeline.core.cell import Cell, has_pretraining
from pipeline.core.errors import ResultsMissing
from pipeline.core.files import sha256, whole
from pipeline.core.training.job import COLUMNS
from pipeline.running import precision

TABLES = Path("reports/runs")
KEY = ["cell", "fold", "seed"]
HASHES = ("pretrain", "finetune", "history", "predictions")
ALL = [*KEY, "pretrain", "finetune", "history", "epochs", "loss", "predictions", "right", "evidence", "kernels"]
DIGITS, FEW = 16, 4

Run = tuple[int, int]  # fold, seed


def digest(text: str, digits: int = DIGITS) -> str:
    """The digits of the table for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def lines_of(path: Path) -> dict[Run, list[str]]:
    """The lines of a table `fold,seed,...` by fold and seed."""
    found: dict[Run, list[str]] = {}
    try:
        lines = path.read_text().splitlines()[1:]
    except OSError as error:
        raise ResultsMissing(f"{path}: expected the table of a finished cell ({error}); run `dvc repro`") from error
    for line in lines:
        fold, seed, _ = line.split(",", 2)
        found.setdefault((int(fold), int(seed)), []).append(line)
    return found


def of_run(weights: Mapping[str, Path], history: list[str], predictions: list[str]) -> dict[str, str]:
    """What the table has of one run: its `weights` by stage, its lines of both tables."""
    rows = list(csv.reader(io.StringIO("\n".join(predictions))))
    lengths = [2**i for i in range(len(history).bit_length()) if 2**i < len(history)]
    return {
        "pretrain": "",
        **{stage: sha256(path)[:DIGITS] for stage, path in weights.items()},
        "history": digest("\n".join(history)),
        "epochs": " ".join(digest("\n".join(history[:n]), FEW) for n in lengths),
        "loss": history[-1].split(",")[COLUMNS.index("loss")],
        "predictions": digest("\n".join(predictions)),
        "right": str(sum(row[3] == row[4] for row in rows)),  # label, predicted
    }


def of_cell(cell: Cell) -> pd.DataFrame:
    """The lines of all runs of a cell, from its files on disk."""
    stages = ("pretrain", "finetune") if has_pretraining(cell.method) else ("finetune",)
    history, predictions = lines_of(cell.results / "history.csv"), lines_of(cell.results / "evaluate" / "predictions.csv")
    rows = []
    for fold, seed in cell.each():
        weights = {stage: cell.weights(stage, fold, seed) / "model.pt" for stage in stages}
        own = of_run(weights, history[fold, seed], predictions[fold, seed])
        rows.append({"cell": cell.name, "fold": fold, "seed": seed, **own, "evidence": "cell", "kernels": precision.kernels()})
    return pd.DataFrame(rows)[ALL]


def about(before: str, here: str) -> str:
    """What the kernels of the table and those here may have to do with a difference; empty where they are the same."""
    if before == here:
        return ""
    if not before:
        return f"; recorded without a note of torch's kernels, here they are those for {here}: others round otherwise"
    return (
        f"; recorded with torch's kernels for {before}, here they are those for {here}, which round otherwise: confirm it there"
    )


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What of a run differs, where its history first does and how far it ends; empty where all is equal."""
    differ = [what for what in HASHES if before[what] != now[what]]
    if not differ:
        return ""
    return (
        f"{', '.join(differ)} differ; {_where(before['epochs'].split(), now['epochs'].split(), 'history' in differ)};"
        f" last loss {now['loss']}, recorded {before['loss']}; {now['right']} test samples right, recorded {before['right']}"
    )


def _where(before: list[str], now: list[str], differs: bool) -> str:
    """Between which epochs a history first differs."""
    equal = next((i for i, pair in enumerate(zip(before, now, strict=False)) if pair[0] != pair[1]), min(len(before), len(now)))
    if not differs:
        return "the history is equal"
    first, last = (2 ** (equal - 1) + 1 if equal else 1), 2**equal
    return f"the history first differs in epoch {first}" + (f" to {last}" if last > first else "")


def read(dataset: str) -> pd.DataFrame:
    """The table of a data set; one without lines where there is none."""
    path = TABLES / f"{dataset}.csv"
    if not path.exists():
        return pd.DataFrame(columns=ALL)
    table = pd.read_csv(path, dtype=dict.fromkeys((c for c in ALL if c not in ("fold", "seed")), str), keep_default_na=False)
    return table.reindex(columns=ALL, fill_value="")


def write(dataset: str, rows: Iterable[pd.DataFrame]) -> None:
    """Put the lines of some cells in place of those that the table has of them."""
    new = pd.concat(rows)
    kept = read(dataset)
    kept = kept[~kept["cell"].isin(new["cell"])]
    table = (pd.concat([kept, new]) if len(kept) else new).sort_values(KEY, kind="stable")
    with whole(TABLES / f"{dataset}.csv") as path:
        table.to_csv(path, index=False, lineterminator="\n")
