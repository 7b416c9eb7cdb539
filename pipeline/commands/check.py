"""Command `check`: accuracy as a regression test. Predictions of the cells in use against those of the committed baseline.

`reports/baseline/<dataset>.csv.gz` has a line a prediction: `cell,fold,seed,name,label,predicted`, sorted, classes from 0; sample
names and classes, nothing of the recordings. `pipeline.commands.baseline` reads and writes it.

Cheapest first: a cell whose predictions are those of the baseline, the same class for every sample and seed, is `identical`.
Otherwise a guarded cell (`check.guarded`) is tested as in `pipeline.results.regression`; any other is shown with its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import pandas as pd

from pipeline.commands import locks
from pipeline.commands.baseline import BASELINE, file_of, fresh, is_whole, read, selected
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core.errors import ResultsMissing
from pipeline.errors import AccuracyFell
from pipeline.results import regression
from pipeline.results.regression import Change, Pair
from pipeline.results.statistics import outcomes

__all__ = ["BASELINE", "main"]

MUCH = 10  # points: what is said of a cell whose seeds spread too far for a verdict
LOOK = "`python -m pipeline check --reproduced` asks whether the runs of the same seeds came out as before"
ADVICE = "a change that is wanted becomes the baseline with `python -m pipeline check --accept{names}`; commit it with the reason"


def main(names: Sequence[str] = (), against: str = "", bytes_count: bool = True) -> None:
    """Compare the cells in use, where names are given those of `baseline.selected`, and print a line a cell.

    `against` is the git revision whose baseline it is, empty for the one on disk; without `bytes_count` equal predictions are
    tested like others. Raises `AccuracyFell` with a line for every guarded cell whose accuracy changed, and for every cell, fold
    or seed that is not there any more, or that notices no fall at all; `BaselineMissing` where a data set has no baseline,
    `ResultsMissing` where there is nothing to compare, or where results are not of what is here.
    """
    config = parameters.load()
    chosen = selected(config, names)
    locks.refuse_stale(config, [name for own in chosen.values() for name in own])
    baselines = {dataset: read(dataset, against) for dataset in chosen}
    results, problems = collected([name for own in chosen.values() for name in own])
    pairs: dict[str, Pair] = {}
    for dataset, before in baselines.items():
        own = {name: results[name] for name in chosen[dataset] if name in results}
        problems += [] if not is_whole(config, dataset, chosen[dataset]) else unknown(config, dataset, before)
        problems += collect(config, dataset, before, own, pairs)
    fell: list[str] = []
    family = [name for dataset in chosen for name in config.check.guarded.get(dataset, []) if name in config.cells]
    guarded = [name for name in pairs if name in family]
    for name, pair in pairs.items():
        change = regression.judge(pair, len(family), config.check)
        same = bytes_count and pair.identical
        fall = regression.smallest(pair, len(family), config.check)
        print(line(name, pair, change, fall, guarded=name in guarded, same=same))
        problems += [] if same or name not in guarded else found(config, name, pair, change, fall)
        fell += [f"{name} by {-change.points:.1f}"] if not same and name not in guarded and change.points < -MUCH else []
    print(summary(config, pairs, guarded))
    if idle := [name for before in baselines.values() for name in before if name in config.every and name not in config.cells]:
        print(left_out(config, idle))
    if fell:
        print(f"fell by more than {MUCH} points without a guard, so no finding: {'; '.join(fell)}. {LOOK}")
    if problems:
        advice = ADVICE.format(names="".join(f" {name}" for name in names))
        raise AccuracyFell("\n  ".join([f"{len(problems)} finding(s) against the baseline:", *problems, advice]))
    print("no finding against the baseline")


def collected(names: Sequence[str]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The predictions of cells, and of which there are none; `ResultsMissing` where that is all of them."""
    results: dict[str, pd.DataFrame] = {}
    problems: list[str] = []
    for name in names:
        try:
            results[name] = fresh(name)
        except ResultsMissing as error:
            problems.append(f"{name}: {error}")
    if not results:
        raise ResultsMissing("\n  ".join(["there is nothing to compare:", *problems]))
    return results, problems


def unknown(config: Config, dataset: str, before: Mapping[str, pd.DataFrame]) -> list[str]:
    """Cells of the baseline that the grid has no more."""
    gone = [name for name in before if name not in config.every]
    return [f"{name}: in {file_of(dataset)}, but not in the grid of params.yaml" for name in gone]


def collect(
    config: Config,
    dataset: str,
    before: Mapping[str, pd.DataFrame],
    results: Mapping[str, pd.DataFrame],
    pairs: dict[str, Pair],
) -> list[str]:
    """Put what can be compared into `pairs`; returns what is missing. A cell without baseline is named and is no failure."""
    problems: list[str] = []
    for name, after in results.items():
        if name not in before:
            print(f"{name}: new, {file_of(dataset)} does not have it")
            continue
        problems += lacking(name, before[name], after, dataset in config.check.fewer_seeds)
        if set(before[name]["fold"]) <= set(after["fold"]):
            pairs[name] = Pair(outcomes(before[name]), outcomes(after))
    return problems


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


def line(name: str, pair: Pair, change: Change, smallest: float | None, *, guarded: bool, same: bool) -> str:
    """What is printed of a cell; `smallest` is the fall that it notices."""
    if same:
        more = len(pair.before.seeds) - len(pair.after.seeds)
        verdict = f"identical to the baseline's seed {', '.join(map(str, pair.after.seeds))}"
        verdict += f" (the difference is from all {len(pair.before.seeds)} seeds of the baseline)" if more else ""
    elif not guarded:
        verdict = "not guarded"
    else:
        verdict = "FELL" if change.fell else "ROSE" if change.rose else "ok"
    text = [numbers(change), *([] if pair.paired else ["other test samples"]), verdict]
    if smallest is not None:
        fall = f"{smallest:.1f} points" if isfinite(smallest) else "no fall"
        text.append(f"notices {fall}" if guarded else f"would notice {fall}")
    return f"{name}: {'; '.join(text)}"


def numbers(change: Change) -> str:
    """Both accuracies, the spread of the baseline's seeds, the difference and its interval."""
    before = f"{change.after:.1f} %, baseline {change.before:.1f}"
    if change.sd is None:
        return f"{before} % (one seed), difference {change.points:+.1f}"
    return f"{before} ± {change.sd:.1f} %, difference {change.points:+.1f} [{change.low:+.1f}, {change.high:+.1f}]"


def summary(config: Config, pairs: Mapping[str, Pair], guarded: Sequence[str]) -> str:
    """What the lines above mean."""
    rule, shown = config.check, [name for name in pairs if name not in guarded]
    if shown and not guarded:
        return f"none of these cells is guarded (params.yaml, check.guarded, says why): shown, not tested: {', '.join(shown)}"
    text = (
        f"{len(guarded)} guarded: alarms in at most {rule.false_alarms:.0%} of honest checks; "
        f"`notices` is the fall of a cell that is noticed in {rule.power:.0%} of checks"
    )
    return text + (f"\nnot guarded (params.yaml, check.guarded, says why): {', '.join(shown)}" if shown else "")


def left_out(config: Config, names: Sequence[str]) -> str:
    """That cells of the baseline are of groups that are not in use, and which of them are guarded."""
    groups = pd.Series([config.every[name].group for name in names]).value_counts(sort=False)
    text = ", ".join(f"{group} ({count} cell{'s' if count > 1 else ''})" for group, count in groups.items())
    guarded = [name for name in names if name in config.check.guarded.get(config.every[name].dataset, [])]
    text += f"; guarded among them: {', '.join(guarded)}" if guarded else ""
    return f"in the baseline, but not compared, since their groups are not in use: {text}"


def found(config: Config, name: str, pair: Pair, change: Change, smallest: float | None) -> list[str]:
    """The findings of a guarded cell; `smallest` is the fall that it notices."""
    cell = config.cells[name]
    where = f"{name} (protocol {cell.protocol}, method {cell.method})"
    if change.sd is None:
        return [f"{where}: guarded, but one seed in the baseline does not say how far seeds spread (docs/gate.md)"]
    if not change.alarm:
        blind = smallest is not None and not isfinite(smallest)
        return (
            [f"{where}: guarded, but its baseline is too small to notice any fall (docs/gate.md): {numbers(change)}"]
            if blind
            else []
        )
    most = (min if change.fell else max)(pair.folds, key=lambda fold: pair.folds[fold])
    folds = f"; most in fold {most}, {pair.folds[most]:+.1f}" if len(pair.folds) > 1 else ""
    share = f"{100 * (1 - config.check.false_alarms):g} % over all guarded cells together"
    what, side = ("fell", "below") if change.fell else ("rose, as it does where test data reach training", "above")
    return [f"{where}: accuracy {what}: {numbers(change)}{folds}; rule: the interval, {share}, lies {side} 0"]
