"""Command `check`: accuracy as a regression test. Predictions of the cells in use against those of the committed baseline.

`reports/baseline/<dataset>.csv.gz` has a line a prediction: `cell,fold,seed,name,label,predicted`, sorted, classes from 0; sample
names and classes, nothing of the recordings. What counts as a fall is in `pipeline.results.regression`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core import cell as cells
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.files import whole
from pipeline.errors import AccuracyFell, BaselineMissing
from pipeline.results import regression
from pipeline.results.regression import Change, Pair
from pipeline.results.statistics import outcomes

BASELINE = Path("reports/baseline")
KEY = ["fold", "seed", "name"]
COLUMNS = [*KEY, "label", "predicted"]
TYPES = {"fold": "int64", "seed": "int64", "name": "str", "label": "int64", "predicted": "int64"}
ADVICE = "a change that is wanted becomes the baseline with `python -m pipeline check --accept`; commit it with the reason"


def main(datasets: Sequence[str] = ()) -> None:
    """Compare the data sets (none named: all in use) and print a line a cell.

    Raises `AccuracyFell` with a line for every fall, and for every cell, fold or seed that is not there any more;
    `BaselineMissing` where a data set has no baseline.
    """
    config = parameters.load()
    pairs: dict[str, Pair] = {}
    problems: list[str] = []
    for dataset in chosen(config, datasets):
        problems += collect(config, dataset, pairs)
    tests = regression.tests(pairs)
    for name, changes in regression.judge(pairs, config.check).items():
        print(line(name, pairs[name], changes))
        problems += [fall(config, name, change, tests) for change in changes if change.fell]
    if problems:
        raise AccuracyFell("\n  ".join([f"{len(problems)} finding(s) against the baseline:", *problems, ADVICE]))


def accept(datasets: Sequence[str] = ()) -> None:
    """Make the predictions that are there the baselines of the data sets; all are read before the first is written."""
    config = parameters.load()
    tables = {dataset: {name: fresh(name) for name in used(config, dataset)} for dataset in chosen(config, datasets)}
    for dataset, found in tables.items():
        joined = pd.concat([table.assign(cell=name) for name, table in found.items()])[["cell", *COLUMNS]]
        text = joined.sort_values(["cell", *KEY]).to_csv(index=False, lineterminator="\n")
        path = file_of(dataset)
        with whole(path) as unfinished:
            unfinished.write_bytes(gzip.compress(text.encode(), mtime=0))
        print(f"{path}: {len(joined)} predictions of {', '.join(found)}")


def chosen(config: Config, datasets: Sequence[str]) -> list[str]:
    """The named data sets, or all in use; `ParamsError` for one that is not in use."""
    for dataset in datasets:
        if not used(config, dataset):
            raise ParamsError(f"params.yaml: no cell of data set {dataset!r} is in use; run `python -m pipeline use {dataset}`")
    return list(dict.fromkeys(datasets or config.params.use.datasets))


def used(config: Config, dataset: str) -> list[str]:
    """The names of a data set's cells in use."""
    return [name for name, cell in config.cells.items() if cell.dataset == dataset]


def file_of(dataset: str) -> Path:
    """Where the baseline of a data set is."""
    return BASELINE / f"{dataset}.csv.gz"


def collect(config: Config, dataset: str, pairs: dict[str, Pair]) -> list[str]:
    """Put what can be compared into `pairs`; returns what is missing. A cell without baseline is named and is no failure."""
    before, names = baseline(dataset), used(config, dataset)
    problems = [f"{name}: in {file_of(dataset)}, but not in use by params.yaml" for name in before if name not in names]
    for name in names:
        try:
            after = fresh(name)
        except ResultsMissing as error:
            problems.append(f"{name}: {error}")
            continue
        if name not in before:
            print(f"{name}: new, {file_of(dataset)} does not have it")
            continue
        problems += lacking(name, before[name], after, dataset in config.check.fewer_seeds)
        if set(before[name]["fold"]) <= set(after["fold"]):
            pairs[name] = Pair(outcomes(before[name]), outcomes(after))
    return problems


def baseline(dataset: str) -> dict[str, pd.DataFrame]:
    """The predictions of the baseline by cell; `BaselineMissing` where they are not there or cannot be read."""
    path = file_of(dataset)
    try:
        whole = pd.read_csv(path, dtype={"cell": "str", **TYPES}, keep_default_na=False, usecols=["cell", *COLUMNS])
        tables = {str(name): table[COLUMNS] for name, table in whole.groupby("cell")}
        for table in tables.values():
            outcomes(table)
    except FileNotFoundError as error:
        advice = f"`python -m pipeline check --accept {dataset}` makes the results that are there the baseline; then commit it"
        raise BaselineMissing(f"{path}: expected the predictions to compare {dataset} with, found none; {advice}") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BaselineMissing(f"{path}: expected a table of predictions ({error}); take it from git again") from error
    return tables


def fresh(name: str) -> pd.DataFrame:
    """The predictions of a cell now; `ResultsMissing` unless all of its seeds have each of the same samples once."""
    cell = cells.load(name, "evaluate")
    path = cell.results / "evaluate" / "predictions.csv"
    again = "run `dvc repro`, which makes what is out of date"
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


def lacking(name: str, before: pd.DataFrame, after: pd.DataFrame, fewer_seeds: bool) -> list[str]:
    """What the baseline has and the predictions now have not: folds, as many seeds, the same label of the same sample."""
    folds = sorted(set(before["fold"]) - set(after["fold"]))
    problems = [f"{name}: fold {fold} is missing, the baseline has it" for fold in folds]
    seeds = [sorted(table["seed"].unique().tolist()) for table in (before, after)]
    if len(seeds[1]) < len(seeds[0]) and not fewer_seeds:
        problems.append(f"{name}: seeds {seeds[1]}, fewer than the baseline's {seeds[0]}")
    labels = [table.drop_duplicates(["fold", "name"]).set_index(["fold", "name"])["label"] for table in (before, after)]
    both = pd.concat(labels, axis=1, join="inner", keys=["before", "after"])
    other = both[both["before"] != both["after"]]
    if len(other):
        (fold, sample), (was, now) = other.index[0], other.iloc[0]
        problems.append(f"{name}: {len(other)} samples have other labels (fold {fold}, {sample}: class {was}, now {now})")
    return problems


def line(name: str, pair: Pair, changes: list[Change]) -> str:
    """What is printed of a cell."""
    fell = [change for change in changes if change.fell]
    folds = ", ".join(str(change.fold) for change in fell if change.fold is not None)
    verdict = "ok" if not fell else "FELL" + (f" (fold {folds})" if folds else "")
    return f"{name}: {numbers(changes[0])}, {'' if pair.paired else 'other test samples, '}{verdict}"


def numbers(change: Change) -> str:
    """Both accuracies, their difference and its interval."""
    difference = f"{change.points:+.1f} [{change.low:+.1f}, {change.high:+.1f}]"
    return f"{change.after:.1f} %, baseline {change.before:.1f} %, difference {difference}"


def fall(config: Config, name: str, change: Change, tests: int) -> str:
    """The finding that accuracy fell."""
    cell = config.cells[name]
    where = "mean of the folds" if change.fold is None else f"fold {change.fold}"
    rule = f"the interval, {100 * (1 - config.check.false_alarms):g} % over all {tests} comparisons together, lies below 0"
    return f"{name} (protocol {cell.protocol}, method {cell.method}), {where}: accuracy fell: {numbers(change)}; rule: {rule}"
