"""What the report reads: predictions, histories, attention, splits, repairs and the paper's numbers, checked to be complete.

The files and their columns are described in `pipeline.core.cell` and beside the writers; nothing here needs torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config.params import Config, raw_format
from pipeline.config.sections import GridCell, Method, Params
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.files import sha256
from pipeline.core.skeletons import Meta, verify
from pipeline.datasets.shared import registry as datasets
from pipeline.results.statistics import Outcomes, Unit, outcomes

DATA, PAPER = Path("data"), Path("reports/paper.csv")
COSTS, REASONS = Path("reports/costs.csv"), Path("reports/reasons.csv")
COST_COLUMNS = ("protocol", "recipe", "method", "numbers", "train_s", "infer_ms")
REASON_COLUMNS = ("protocol", "method", "kind", "text")


@dataclass(frozen=True)
class CellResult:
    """One (protocol, recipe, method): its tables as they lie on disk, and the content of its `run.json`.

    `switches` is what the method switches on; `switch_of` the cell that this one is compared with alone, or empty.
    """

    name: str
    method: str
    recipe: str
    switches: Method
    switch_of: str
    predictions: pd.DataFrame
    history: pd.DataFrame
    alpha: pd.DataFrame
    beta: pd.DataFrame
    run: dict[str, Any]
    unit: Unit = "sequence"

    @property
    def earlier(self) -> bool:
        """Whether this is a method before the paper's, which its tables list: no twin of ours, and without attention."""
        return self.switches.earlier

    @property
    def reading(self) -> bool:
        """Whether this is our reading of a method that nobody described in public: shown, never ranked, in no verdict."""
        return self.switches.reading

    @property
    def later(self) -> bool:
        """Whether this is a method after the paper's, which has a table of its own and a part in no answer."""
        return self.switches.later

    @cached_property
    def outcomes(self) -> Outcomes:
        """The predictions as arrays."""
        return outcomes(self.predictions, self.unit)


@dataclass(frozen=True)
class Planted:
    """Where synthetic data carry the class: gates (body * J + joint) and the part of the clip, both ends in [0, 1]."""

    gates: tuple[int, ...]
    window: tuple[float, float]


@dataclass(frozen=True)
class StoreResult:
    """A store: what its skeletons are, what was repaired and set aside, and (synthetic data) the planted evidence."""

    name: str
    meta: Meta
    repairs: pd.DataFrame
    set_aside: pd.DataFrame
    evidence: Planted | None


@dataclass(frozen=True)
class ProtocolResult:
    """A protocol: its split, its plain store, and all its cells by name, recipes and methods in the order of `params.yaml`.

    `complete`: samples of the complete data set, where that is known. `copies`: (fold, name) of test samples that equal one of
    training or validation.
    """

    name: str
    store: StoreResult
    split: pd.DataFrame
    cells: dict[str, CellResult]
    complete: int | None = None
    copies: frozenset[tuple[int, str]] = frozenset()

    @property
    def part(self) -> str:
        """`1,484 of 56,578 samples` where the store has fewer than the complete data set; else empty."""
        samples = self.split["name"].nunique()
        return f"{samples:,} of {self.complete:,} samples" if self.complete and samples < self.complete else ""

    @property
    def plain(self) -> dict[str, CellResult]:
        """The cells that are no switches: those of tables, answers and pictures."""
        return {name: cell for name, cell in self.cells.items() if not cell.switch_of}

    @property
    def switches(self) -> dict[str, CellResult]:
        """The cells that are compared with the one they are a switch of, and with nothing else."""
        return {name: cell for name, cell in self.cells.items() if cell.switch_of}


@dataclass(frozen=True)
class Results:
    """Everything that the report of one data set shows; `stores` are those of its raw formats, without variants.

    `costs` and `reasons` are tables without rows where their files are not there.
    """

    dataset: str
    synthetic: bool
    licence: str
    notes: tuple[str, ...]
    config: Config
    provenance: list[tuple[str, str, str, str]]
    protocols: dict[str, ProtocolResult]
    stores: dict[str, StoreResult]
    paper: pd.DataFrame
    costs: pd.DataFrame
    reasons: pd.DataFrame

    @property
    def params(self) -> Params:
        """The sections of `params.yaml`."""
        return self.config.params

    @property
    def unit_note(self) -> str:
        """A sentence about the unit of intervals where it is not the sequence, a space before it; else nothing."""
        found = [name for name in self.protocols if self.config.unit(name) == "subject"]
        return (
            f" {', '.join(found)}: each fold tests one subject, and the subject is the unit of every interval." if found else ""
        )

    @property
    def copies_note(self) -> str:
        """A sentence about test samples that are copies of training samples, a space before it; nothing where there are none."""
        found = [f"{len(own.copies)} of {name}" for name, own in self.protocols.items() if own.copies]
        return (
            f" Counted as published, with test sequences that are copies of training sequences ({', '.join(found)}); effects"
            " without them are on the page over all data sets, accuracies in a table below."
            if found
            else ""
        )

    def reason(self, protocol: str, method: str, kind: str) -> str:
        """What `reports/reasons.csv` says about a row of the paper's table; empty where it says nothing."""
        rows = self.reasons
        found = rows[(rows["protocol"] == protocol) & (rows["method"] == method) & (rows["kind"] == kind)]
        return " ".join(found["text"])

    def cost(self, protocol: str, recipe: str, method: str, names: Sequence[str]) -> dict[str, float | None]:
        """What `reports/costs.csv` says of a cell; None where it was not measured."""
        rows = self.costs
        found = rows[(rows["protocol"] == protocol) & (rows["recipe"] == recipe) & (rows["method"] == method)]
        return {name: None if found.empty else float(found[name].iloc[0]) for name in names}

    def paper_of(self, protocol: str) -> pd.DataFrame:
        """The rows of the paper's table for one of its protocols; none where it has no such table."""
        return self.paper[self.paper["protocol"] == protocol]


def load(dataset: str, config: Config, provenance: list[tuple[str, str, str, str]]) -> Results:
    """Read the results of all cells in use of a data set, from the current folder.

    Raises `ParamsError` where no cell of that data set is in use, `ResultsMissing` where a file is not there or predictions do
    not cover exactly the test samples of the split, once for each seed.
    """
    cells, params = _used(dataset, config), config.params
    if not cells:
        raise ParamsError(
            f"params.yaml: no cell of data set {dataset!r} is in use; in use: {', '.join(config.params.use.datasets)}"
        )
    module = datasets.load(dataset)
    formats = {name: raw_format(params.normalize, dataset, cell.store) for name, cell in cells.items()}
    stores = {name: _store(dataset, name, module) for name in dict.fromkeys(formats.values())}
    protocols: dict[str, ProtocolResult] = {}
    for name, cell in cells.items():
        if cell.protocol not in protocols:
            split = _table(DATA / "splits" / dataset / f"{cell.protocol}.csv", f"split@{dataset}")
            complete = datasets.complete(dataset, cell.protocol)
            store = stores[formats[name]]
            protocols[cell.protocol] = ProtocolResult(cell.protocol, store, split, {}, complete, _copies(dataset, cell.protocol))
        protocol = protocols[cell.protocol]
        protocol.cells[name] = _cell(name, config, protocol)
    notes = tuple(getattr(module, "NOTES", ()))
    paper = pd.read_csv(PAPER, dtype={"note": str}, keep_default_na=False)
    synthetic = datasets.synthetic(dataset, DATA / "skeletons" / dataset)
    costs, reasons = _optional(COSTS, COST_COLUMNS), _optional(REASONS, REASON_COLUMNS)
    return Results(dataset, synthetic, module.LICENCE, notes, config, provenance, protocols, stores, paper, costs, reasons)


def _optional(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table that need not be there; `ResultsMissing` where it lacks one of the columns."""
    found = pd.read_csv(path, keep_default_na=False, comment="#") if path.exists() else pd.DataFrame(columns=list(columns))
    if missing := [column for column in columns if column not in found]:
        raise ResultsMissing(f"{path}: expected the columns {', '.join(columns)}; it lacks {', '.join(missing)}")
    return found


def _used(dataset: str, config: Config) -> dict[str, GridCell]:
    """The cells in use of a data set: protocols as used, recipes and methods as `params.yaml` lists them."""
    cells = {name: cell for name, cell in config.cells.items() if cell.dataset == dataset}
    protocols = list(dict.fromkeys(cell.protocol for cell in cells.values()))
    recipes, methods = list(config.params.recipes), list(config.params.methods)

    def place(cell: GridCell) -> tuple[int, ...]:
        return protocols.index(cell.protocol), recipes.index(cell.recipe), methods.index(cell.method)

    return dict(sorted(cells.items(), key=lambda item: place(item[1])))


def _table(path: Path, target: str) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype={"name": str, "phase": str, "file": str})
    except (OSError, ValueError) as error:
        raise ResultsMissing(f"{path}: expected a table, found none ({error}); run `dvc repro {target}`") from error


def _store(dataset: str, name: str, module: datasets.Dataset) -> StoreResult:
    folder, target = DATA / "skeletons" / dataset / name, f"normalize@{dataset}"
    planted = getattr(module, "EVIDENCE", {}).get(name)
    evidence = Planted(tuple(planted.gates), (float(planted.window[0]), float(planted.window[1]))) if planted else None
    if (folder / "meta.json").exists():
        verify(folder)
    repairs, set_aside = (_table(folder / f"{file}.csv", target) for file in ("repairs", "set_aside"))
    return StoreResult(name, module.FORMATS[name].META, repairs, set_aside, evidence)


def _cell(name: str, config: Config, protocol: ProtocolResult) -> CellResult:
    cell, params = config.cells[name], config.params
    folder = DATA / "results" / cell.dataset / name
    evaluate, finetune = (f"cells/{cell.group}/{name}/dvc.yaml:{stage}" for stage in ("evaluate", "finetune"))
    predictions, alpha, beta = (_table(folder / "evaluate" / f"{t}.csv", evaluate) for t in ("predictions", "alpha", "beta"))
    history, run = _table(folder / "history.csv", finetune), read_run(folder / "run.json", finetune)
    check_files(folder, run, finetune)
    if (folder / "evaluate/metrics.json").exists():
        check_files(folder / "evaluate", read_run(folder / "evaluate/metrics.json", evaluate), evaluate)
    _check_split(folder, run, cell.dataset, cell.protocol, finetune)
    _check_predictions(folder / "evaluate" / "predictions.csv", predictions, protocol, params.seeds[cell.seeds], evaluate)
    _check_labels(folder / "evaluate" / "predictions.csv", predictions, len(protocol.store.meta.actions), evaluate)
    switches = params.methods[cell.method]
    unit = config.unit(cell.protocol)
    return CellResult(name, cell.method, cell.recipe, switches, cell.switch_of, predictions, history, alpha, beta, run, unit)


def _copies(dataset: str, protocol: str) -> frozenset[tuple[int, str]]:
    path = DATA / "splits" / dataset / protocol / "equal.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else pd.DataFrame()
    found = [(int(row["fold"]), row["test"].split()) for row in table.to_dict("records") if row["train"] or row["validation"]]
    return frozenset((fold, name) for fold, names in found for name in names)


def read_run(path: Path, target: str) -> dict[str, Any]:
    """A document of a run; `ResultsMissing` where it is not there or cut."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ResultsMissing(f"{path}: expected the identity of the runs ({error}); run `dvc repro {target}`") from error
    if not isinstance(content, dict):
        raise ResultsMissing(
            f"{path}: expected the identity of the runs, found {type(content).__name__}; run `dvc repro {target}`"
        )
    return content


def check_files(folder: Path, recorded: dict[str, Any], target: str) -> None:
    """Tables are those that were written, where their SHA-256 was written down with them."""
    for name, digest in dict(recorded.get("files") or {}).items():
        if not (folder / name).exists() or sha256(folder / name) != digest:
            raise ResultsMissing(
                f"{folder / name}: not the file that was written, changed or cut since; run `dvc repro {target}`"
            )


def _check_split(folder: Path, run: dict[str, Any], dataset: str, protocol: str, target: str) -> None:
    """The runs were trained on the split that is on disk now, by the SHA-256 that they recorded."""
    path = DATA / "splits" / dataset / f"{protocol}.csv"
    if dict(run.get("data") or {}).get("split_sha256") != sha256(path):
        raise ResultsMissing(f"{folder / 'run.json'}: made with another {path} than the one here; run `dvc repro {target}`")


def _check_predictions(path: Path, table: pd.DataFrame, protocol: ProtocolResult, seeds: list[int], target: str) -> None:
    """Exactly one prediction a seed and test sample: a number over fewer would not be the protocol's."""
    test = protocol.split.loc[protocol.split["part"] == "test", ["fold", "name"]]
    expected = {(int(fold), seed, name) for fold, name in test.itertuples(index=False) for seed in seeds}
    found = [(int(fold), int(seed), name) for fold, seed, name in table[["fold", "seed", "name"]].itertuples(index=False)]
    missing, foreign = sorted(expected - set(found)), sorted(set(found) - expected)
    if not missing and not foreign and len(found) == len(expected):
        return
    first = (missing or foreign or sorted(found))[0]
    raise ResultsMissing(
        f"{path}: expected {len(expected)} predictions, one for each test sample of {protocol.name} and seed"
        f" ({', '.join(map(str, seeds))}); {len(missing)} missing, {len(foreign)} not in the split,"
        f" {len(found) - len(set(found))} repeated (first: fold {first[0]}, seed {first[1]}, {first[2]});"
        f" run `dvc repro {target}`"
    )


def _check_labels(path: Path, table: pd.DataFrame, classes: int, target: str) -> None:
    for column in ("label", "predicted"):
        wrong = table[~table[column].isin(range(classes))]
        if len(wrong):
            raise ResultsMissing(
                f"{path}, line {int(wrong.index[0]) + 2}: {column} is {wrong[column].iloc[0]}, expected 0 to {classes - 1};"
                f" run `dvc repro {target}`"
            )
