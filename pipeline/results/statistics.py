"""Statistics over saved predictions, histories and attention: every number that a user sees is computed here. No torch.

The unit is the *sequence*, a test sample in the fold that tests it, or the *subject* where each fold leaves one out. A *run* is
one seed in one fold. The accuracy of a method is the mean of the folds' accuracies, as the published tables have it; that is the
one quantity that intervals and tests are about.

How intervals and tests are made (`contrast`, `compare`, `summarise`)
    The variance is put together from components (`pipeline.results.components`), and the interval and the two-sided p are both
    those of Student's t with Satterthwaite's degrees of freedom: the interval leaves out 0 where p is below 1 - confidence, and
    only there. It ends where accuracies end. The interval of one accuracy is Wilson's (1927) over as many sequences as would give
    that variance.
    `benchmarks/coverage.py` simulates how often they are wrong; docs/statistics.md has its numbers.

How verdicts are made (`Difference.verdict`)
    better, worse: p below 1 - confidence. Else equivalent: two one-sided tests at that level (Schuirmann 1987) leave the
    difference within `margin` on both sides. Else undecided. `smallest` is the difference found in `power` of all cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from pipeline.results.components import Components, components

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
TINY = 1e-9  # a share below this is a rounding error
Unit = Literal["sequence", "subject"]
Verdict = Literal["better", "worse", "equivalent", "undecided"]


class Rule(Protocol):
    """The settings of every interval and verdict: section `report` of the parameters has them."""

    @property
    def confidence(self) -> float:
        """Coverage of the interval, in (0, 1)."""

    @property
    def margin(self) -> float:
        """Differences up to this many points count as none."""

    @property
    def power(self) -> float:
        """How often the smallest difference that is named would be found, in (0, 1)."""


@dataclass(frozen=True)
class Outcomes:
    """Predictions as arrays: N sequences in the order of (fold, name), S seeds.

    `folds` and `labels` are int64 `[N]`, `names` has N entries, `predicted` is int64 `[S, N]`; classes count from 0. `unit` is
    "subject" where each fold leaves one subject out.
    """

    seeds: tuple[int, ...]
    folds: Ints
    names: tuple[str, ...]
    labels: Ints
    predicted: Ints
    unit: Unit = "sequence"

    @property
    def correct(self) -> Bools:
        """Whether each prediction is right, bool `[S, N]`."""
        return np.asarray(self.predicted == self.labels)


@dataclass(frozen=True)
class Accuracy:
    """Accuracy in per cent: `mean` and `sd` over `runs` seeds (`sd` None with one), the interval `low` to `high`.

    `samples` counts the sequences; `standard_error` is the binomial one of `mean` over them, in points.
    """

    mean: float
    sd: float | None
    low: float
    high: float
    runs: int
    samples: int
    standard_error: float


@dataclass(frozen=True)
class Difference:
    """Accuracy of one method minus that of another over the same sequences, or another sum of accuracies, in points.

    `low` to `high` is the interval within what is `possible` (least and greatest value: -100 and 100 of two accuracies), `p` the
    two-sided p of the same t with `degrees` and `standard_error`; `floor` is the standard error that infinitely many seeds would
    leave. `p_equivalent` is that of the two tests against `margin`. `better` and
    `worse` count the sequences that the first, and the other, got right in a larger share of its runs. `runs`: seeds of each
    method.
    """

    points: float
    low: float
    high: float
    p: float
    standard_error: float
    degrees: float
    floor: float
    p_equivalent: float
    smallest: float
    better: int
    worse: int
    runs: tuple[int, ...]
    confidence: float
    possible: tuple[float, float] = (-math.inf, math.inf)

    @property
    def established(self) -> bool:
        """Whether there is a difference, at the level of the interval."""
        return self.p < 1 - self.confidence

    @property
    def verdict(self) -> Verdict:
        """What the data say: see the module."""
        if self.established:
            return "better" if self.points > 0 else "worse"
        return "equivalent" if self.p_equivalent < 1 - self.confidence else "undecided"

    def reversed(self) -> Difference:
        """The same comparison with the two methods exchanged."""
        return replace(
            self,
            points=-self.points,
            low=-self.high,
            high=-self.low,
            better=self.worse,
            worse=self.better,
            runs=self.runs[::-1],
            possible=(-self.possible[1], -self.possible[0]),
        )


@dataclass(frozen=True)
class Stability:
    """How training went over `trained` networks (fold by seed): spread of the runs and shares that failed.

    `sd` is that of the seeds' accuracies in points (None with one seed). `diverged`: a loss that is not finite, or test accuracy
    at chance (see `at_chance`). `dead`: beta 0 in all frames of all clips at the end; None where no method has a beta.
    """

    trained: int
    sd: float | None
    diverged: float
    dead: float | None


def outcomes(predictions: pd.DataFrame, unit: Unit = "sequence") -> Outcomes:
    """Arrays from a table of predictions; raises `ValueError` unless all seeds have the same sequences and labels once."""
    table = predictions.sort_values(["seed", "fold", "name"], kind="stable")
    seeds = tuple(int(s) for s in sorted(table["seed"].unique()))
    count = len(table) // max(len(seeds), 1)
    keys = table[["fold", "name", "label"]].to_numpy(dtype=object)
    blocks = [keys[start : start + count] for start in range(0, len(table), max(count, 1))]
    if not all(np.array_equal(block, keys[:count]) for block in blocks):
        raise ValueError("the seeds do not have the same sequences with the same labels")
    first = table.iloc[:count]
    return Outcomes(
        seeds,
        first["fold"].to_numpy(np.int64),
        tuple(first["name"].astype(str)),
        first["label"].to_numpy(np.int64),
        table["predicted"].to_numpy(np.int64).reshape(len(seeds), count),
        unit,
    )


def subset(result: Outcomes, kept: Bools) -> Outcomes:
    """The outcomes of the sequences that `kept`, bool `[N]`, says; a fold without any is left out."""
    names = tuple(name for name, keep in zip(result.names, kept.tolist(), strict=True) if keep)
    return Outcomes(result.seeds, result.folds[kept], names, result.labels[kept], result.predicted[:, kept], result.unit)


def of_seeds(result: Outcomes, seeds: Sequence[int]) -> Outcomes:
    """The outcomes of these seeds alone, in this order."""
    rows = [result.seeds.index(seed) for seed in seeds]
    return replace(result, seeds=tuple(seeds), predicted=result.predicted[rows])


def run_accuracies(result: Outcomes) -> Floats:
    """Accuracy of each seed in per cent, mean of the folds' accuracies: float64 `[S]`."""
    return _fold_means(_points(result.correct), result.folds)


def _points(values: npt.ArrayLike) -> Floats:
    return 100 * np.asarray(values, dtype=np.float64)


def _fold_means(values: Floats, folds: Ints) -> Floats:
    means = [values[:, folds == fold].mean(axis=1) for fold in np.unique(folds)]
    return np.asarray(np.mean(means, axis=0), dtype=np.float64)


def _sd(values: Floats) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def wilson(share: float, count: float, z: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion seen as `share` of `count`, for a quantile `z`; both ends in [0, 1]."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def standard_error(accuracy: float, count: int) -> float:
    """Binomial standard error in points of an `accuracy` in per cent over `count` sequences."""
    return float(np.sqrt(max(0.0, accuracy * (100 - accuracy)) / count))


def effective(share: float, variance: float, count: int) -> float:
    """How many sequences seen once would give a `share` of right answers this `variance` (of the share); `count` at 0 and 1."""
    return share * (1 - share) / variance if 0 < share < 1 and variance > 0 else float(count)


def summarise(result: Outcomes, rule: Rule) -> Accuracy:
    """Mean, spread and interval of a method's accuracy (see the module)."""
    runs = run_accuracies(result)
    mean, count = float(runs.mean()), len(result.labels)
    found = components([(1.0, result)])
    z = float(stats.t.ppf((1 + rule.confidence) / 2, found.degrees if 0 < mean < 100 else np.inf))
    share = min(1.0, mean / 100)
    low, high = wilson(share, effective(share, found.variance / 100**2, count), z)
    return Accuracy(mean, _sd(runs), 100 * low, 100 * high, len(runs), count, standard_error(mean, count))


def compare(one: Outcomes, other: Outcomes, rule: Rule) -> Difference:
    """The difference `one` minus `other`, over all seeds of both.

    Raises `ValueError` where the two were not tested on the same sequences.
    """
    return contrast([(1.0, one), (-1.0, other)], rule)


def contrast(cells: Sequence[tuple[float, Outcomes]], rule: Rule) -> Difference:
    """A sum of accuracies, each times its weight; weights that add up to 0 make it a difference.

    Raises `ValueError` where the cells were not tested on the same sequences.
    """
    _same([cell for _, cell in cells])
    shares = sum(weight * cell.correct.mean(axis=0) for weight, cell in cells)
    found = judge(components(cells), rule, tuple(len(cell.seeds) for _, cell in cells))
    return replace(found, better=int(np.sum(shares > TINY)), worse=int(np.sum(shares < -TINY)))


def judge(found: Components, rule: Rule, runs: tuple[int, ...]) -> Difference:
    """Interval, tests and reach of an estimate with known components."""
    error, t = float(np.sqrt(found.variance)), stats.t(found.degrees)
    half = float(t.ppf((1 + rule.confidence) / 2)) * error
    least, greatest = found.possible
    return Difference(
        found.points,
        max(least, found.points - half),
        min(greatest, found.points + half),
        p=float(2 * t.sf(abs(found.points) / error)) if error else float(found.points == 0),
        standard_error=error,
        degrees=found.degrees,
        floor=float(np.sqrt(found.floor)),
        p_equivalent=float(t.sf((rule.margin - abs(found.points)) / error)) if error else float(abs(found.points) > rule.margin),
        smallest=smallest(error, found.degrees, rule),
        better=0,
        worse=0,
        runs=runs,
        confidence=rule.confidence,
        possible=found.possible,
    )


def smallest(error: float, degrees: float, rule: Rule) -> float:
    """The difference that a design with this standard error finds with `rule.power`, in points."""
    return float(stats.t.ppf((1 + rule.confidence) / 2, degrees) + stats.t.ppf(rule.power, degrees)) * error


def needed(rule: Rule) -> float:
    """The largest standard error with which methods that do not differ are called equivalent with `rule.power`, in points."""
    return rule.margin / float(stats.norm.ppf(rule.confidence) + stats.norm.ppf((1 + rule.power) / 2))


def can_show_equivalence(error: float, rule: Rule) -> bool:
    """Whether a design with this standard error would call methods that do not differ equivalent with `rule.power`."""
    return error <= needed(rule)


def _same(cells: Sequence[Outcomes]) -> None:
    first = cells[0]
    for cell in cells[1:]:
        same = first.names == cell.names and np.array_equal(first.folds, cell.folds) and np.array_equal(first.labels, cell.labels)
        if not same:
            raise ValueError("the methods were not tested on the same sequences")


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjustment: p values that hold for all comparisons of a family together, in the order given."""
    order, adjusted, highest = np.argsort(ps, kind="stable"), [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = highest
    return adjusted


def confusion(result: Outcomes, classes: int) -> Ints:
    """Counts over all seeds, int64 `[classes, classes]`: row = true class, column = predicted class."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (np.broadcast_to(result.labels, result.predicted.shape), result.predicted), 1)
    return table


def per_class(result: Outcomes, classes: int) -> pd.DataFrame:
    """A row a class: `label`, `samples` (sequences), `accuracy` and binomial `standard_error` in per cent, most frequent
    wrong answer `mistaken` (label, -1 where there is none) with its `share` of the predictions in per cent.

    Accuracy is over all folds and seeds together; NaN for a class without test sequences.
    """
    table = confusion(result, classes)
    rows = []
    for label, line in enumerate(table):
        predictions = int(line.sum())
        samples = predictions // len(result.seeds)
        wrong = np.where(np.arange(classes) == label, 0, line)
        accuracy = 100 * line[label] / predictions if predictions else float("nan")
        error = standard_error(accuracy, samples) if samples else float("nan")
        mistaken = int(wrong.argmax()) if wrong.any() else -1
        rows.append((label, samples, accuracy, error, mistaken, 100 * wrong.max() / predictions if wrong.any() else 0.0))
    return pd.DataFrame(rows, columns=["label", "samples", "accuracy", "standard_error", "mistaken", "share"])


def at_chance(correct: int, labels: Ints, confidence: float) -> bool:
    """Whether `correct` of these answers is no more than always naming the commonest class could give.

    Exact one-sided binomial test against the share of that class, at level 1 - `confidence`.
    """
    share = float(np.bincount(labels).max() / len(labels))
    return float(stats.binom.sf(correct - 1, len(labels), share)) > 1 - confidence


def stability(result: Outcomes, history: pd.DataFrame, confidence: float) -> Stability:
    """Spread over seeds, and the shares of networks that diverged or whose temporal attention died."""
    keys = [(int(fold), seed) for fold in np.unique(result.folds) for seed in result.seeds]
    infinite = history.groupby(["fold", "seed"])["loss"].agg(lambda column: not np.isfinite(column.to_numpy(float)).all())
    last = _last(history.dropna(subset=["beta_dead"]), "beta_dead")
    diverged = [bool(infinite.get(key, False)) or _chance(result, *key, confidence) for key in keys]
    dead = [bool(last[key] >= 1) for key in keys if key in last]
    return Stability(len(keys), _sd(run_accuracies(result)), float(np.mean(diverged)), float(np.mean(dead)) if dead else None)


def _chance(result: Outcomes, fold: int, seed: int, confidence: float) -> bool:
    part = result.folds == fold
    return at_chance(int(result.correct[result.seeds.index(seed), part].sum()), result.labels[part], confidence)


def _last(history: pd.DataFrame, column: str) -> dict[Any, float]:
    """The value of a column at the last step of each (fold, seed)."""
    return dict(history.sort_values("step", kind="stable").groupby(["fold", "seed"])[column].last())
