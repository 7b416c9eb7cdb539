"""Statistics over saved predictions, histories and attention: every number that a user sees is computed here. No torch.

The unit is the *sequence*: a test sample in the fold that tests it. A *run* is one seed over all folds, and its accuracy the
mean of the folds' accuracies, as the published tables have it.

How intervals are made (`Bootstrap`, applied by `summarise` and `compare`)
    Sequences are drawn with replacement within each fold, and seeds with replacement across (a crossed bootstrap; Owen 2007,
    "The pigeonhole bootstrap", shows that it errs towards wide), the seeds' deviations from their mean enlarged by
    sqrt(S / (S - 1)). The same draw serves both methods of a comparison. The percentile interval is then widened, at either
    end, to an interval made for small counts: Wilson 1927 for one accuracy, Bonett and Price 2012 for a paired difference,
    both over the effective number of sequences (`effective`). A bootstrap cannot see errors that did not occur, so without
    this 40 correct answers of 40 would pass for certainty. With one seed the interval knows nothing of the spread between
    seeds; with three it may still be too narrow where seeds spread by several points.

How two methods are tested (`sign_flip_p`)
    Under the null hypothesis the two methods of a pair are exchangeable for each sequence. The exact distribution of the summed
    difference over all sign flips gives a two-sided p; with one seed this is the exact McNemar test. It takes the trained
    networks as given, so a difference counts as established only where the interval, which draws seeds too, agrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_BLOCK = 2_000_000  # drawn values held at once


class Bootstrap(Protocol):
    """The settings of every interval: section `report` of the parameters has them."""

    @property
    def confidence(self) -> float:
        """Coverage of the interval, in (0, 1)."""

    @property
    def resamples(self) -> int:
        """How many resamples."""

    @property
    def seed(self) -> int:
        """Seed of the resampling; the same for every interval, so that no interval depends on another."""


@dataclass(frozen=True)
class Outcomes:
    """Predictions as arrays: N sequences in the order of (fold, name), S seeds.

    `folds` and `labels` are int64 `[N]`, `names` has N entries, `predicted` is int64 `[S, N]`; classes count from 0.
    """

    seeds: tuple[int, ...]
    folds: Ints
    names: tuple[str, ...]
    labels: Ints
    predicted: Ints

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
    """Accuracy of one method minus that of another over the same sequences and seeds, in points.

    `low` to `high` is the interval, `p` the two-sided p of `sign_flip_p`; `better` and `worse` count the (seed, sequence) pairs
    that only the first, and only the second, got right.
    """

    points: float
    low: float
    high: float
    p: float
    better: int
    worse: int
    runs: int
    confidence: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    @property
    def established(self) -> bool:
        """Whether interval and test agree that there is a difference."""
        return self.excludes_zero and self.p < 1 - self.confidence

    def reversed(self) -> Difference:
        """The same comparison with the two methods exchanged."""
        return replace(self, points=-self.points, low=-self.high, high=-self.low, better=self.worse, worse=self.better)


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


def outcomes(predictions: pd.DataFrame) -> Outcomes:
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
    )


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


def _resampled(values: Floats, folds: Ints, rule: Bootstrap) -> Floats:
    """Means of `values` `[S, N]` over resampled sequences (within folds) and seeds: float64 `[resamples]`."""
    rng = np.random.default_rng(rule.seed)
    total = np.zeros((rule.resamples, len(values)))
    labels = np.unique(folds)
    for fold in labels:
        part = values[:, folds == fold]
        step = max(1, _BLOCK // part.size)
        for start in range(0, rule.resamples, step):
            rows = min(step, rule.resamples - start)
            draw = rng.integers(part.shape[1], size=(rows, part.shape[1]))
            total[start : start + rows] += part[:, draw].mean(axis=2).T
    seeds, middle = len(values), total.mean(axis=1, keepdims=True)
    if seeds > 1:  # resampled seeds would spread less than seeds do, by this factor
        total = middle + (total - middle) * np.sqrt(seeds / (seeds - 1))
    chosen = rng.integers(seeds, size=total.shape)
    return np.asarray(np.take_along_axis(total, chosen, axis=1).mean(axis=1) / len(labels))


def _widened(draws: Floats, score: tuple[float, float], confidence: float, least: float) -> tuple[float, float]:
    """Percentiles of resampled means, each end moved out to that of a score interval, within `least` to 100; all in points."""
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return max(least, min(float(low), 100 * score[0])), min(100.0, max(float(high), 100 * score[1]))


def effective(values: Floats) -> float:
    """How many sequences seen by one seed tell as much as these N seen by S: from N (seeds agree) to N * S, for `[S, N]`.

    The variance between sequences within a seed, over the variance between sequences of the seeds' mean; N where all are equal.
    """
    single, mean = float(values.var(axis=1).mean()), float(values.mean(axis=0).var())
    gain = single / mean if mean > 0 else np.inf if single > 0 else 1
    return float(values.shape[1] * np.clip(gain, 1, len(values)))


def wilson(share: float, count: float, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion seen as `share` of `count`; both ends in [0, 1]."""
    z = float(stats.norm.ppf((1 + confidence) / 2))
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def bonett_price(better: float, worse: float, count: float, confidence: float) -> tuple[float, float]:
    """Adjusted Wald interval of a paired difference of proportions; `better` and `worse` of `count` pairs disagree."""
    z = float(stats.norm.ppf((1 + confidence) / 2))
    first, second = (better + 1) / (count + 2), (worse + 1) / (count + 2)
    half = z * np.sqrt((first + second - (first - second) ** 2) / (count + 2))
    return max(-1.0, float(first - second - half)), min(1.0, float(first - second + half))


def standard_error(accuracy: float, count: int) -> float:
    """Binomial standard error in points of an `accuracy` in per cent over `count` sequences."""
    return float(np.sqrt(max(0.0, accuracy * (100 - accuracy)) / count))


def summarise(result: Outcomes, rule: Bootstrap) -> Accuracy:
    """Mean, spread and interval of a method's accuracy (rule: see the module)."""
    runs = run_accuracies(result)
    mean, count = float(runs.mean()), len(result.labels)
    score = wilson(min(1.0, mean / 100), effective(_points(result.correct)), rule.confidence)
    draws = _resampled(_points(result.correct), result.folds, rule)
    low, high = _widened(draws, score, rule.confidence, 0.0)
    return Accuracy(mean, _sd(runs), low, high, len(runs), count, standard_error(mean, count))


def compare(one: Outcomes, other: Outcomes, rule: Bootstrap) -> Difference | None:
    """The difference `one` minus `other` over their common seeds; None where they have none in common.

    Raises `ValueError` where the two were not tested on the same sequences.
    """
    if one.names != other.names or not np.array_equal(one.folds, other.folds) or not np.array_equal(one.labels, other.labels):
        raise ValueError("the two methods were not tested on the same sequences")
    seeds = [s for s in one.seeds if s in other.seeds]
    if not seeds:
        return None
    ours, theirs = (r.correct[[r.seeds.index(s) for s in seeds]].astype(np.int64) for r in (one, other))
    delta = ours - theirs
    better, worse = int((delta > 0).sum()), int((delta < 0).sum())
    worth, draws = effective(_points(delta)), _resampled(_points(delta), one.folds, rule)
    score = bonett_price(worth * better / delta.size, worth * worse / delta.size, worth, rule.confidence)
    low, high = _widened(draws, score, rule.confidence, -100.0)
    points, p = float(_fold_means(_points(delta), one.folds).mean()), sign_flip_p(delta.sum(axis=0))
    return Difference(points, low, high, p, better, worse, len(seeds), rule.confidence)


def sign_flip_p(differences: npt.ArrayLike) -> float:
    """Two-sided p of a sum of paired differences when the sign of each is a coin toss: exact, no sampling.

    `differences` are integers `[N]`: how many more seeds one method got a sequence right than the other. All in {-1, 0, 1}
    makes it McNemar's exact test. The sum of n signs times size d is d times a shifted binomial; sizes are convolved.
    """
    values = np.asarray(differences, dtype=np.int64)
    seen = abs(int(values.sum()))
    density, reach = np.ones(1), 0  # density[i] is the probability of the sum i - reach
    for size in range(1, int(np.abs(values).max(initial=0)) + 1):
        count = int((np.abs(values) == size).sum())
        if count:
            steps = np.zeros(2 * size * count + 1)
            steps[:: 2 * size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
            density, reach = np.convolve(density, steps), reach + size * count
    sums = np.abs(np.arange(-reach, reach + 1))
    return float(min(1.0, density[sums >= seen].sum()))


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
