"""Variance components of a weighted sum of accuracies: how far it may lie from what other sequences and other seeds would give.

A run is one seed in one fold: it is drawn from a stream of (seed, fold), so that runs are nested in folds, and no run of one
method is paired with one of another. In a fold of n sequences a method with S runs has right answers

    y_ri = mean + sequence_i + run_r + residual_ri,        in points, 0 or 100.

Sequences are the same for all methods of the sum, runs are each method's own. So the sum d_i = sum_m w_m mean_r y_mri has, over
F folds whose means are averaged, the variance

    V = (1 / F²) sum_f [ MS(d) / n + sum_m w_m² (MS_run - MS_residual) / (S n) ],

where MS are the mean squares of a two-way table; the residual is in both others and is subtracted once (Searle, Casella and
McCulloch 1992, "Variance Components"). Degrees of freedom are Satterthwaite's (1946), with those of the folds added up. No V is
smaller than its residual part, so no estimate is either. Everything is conditional on the training sets of the folds.

Where each fold leaves one subject out, the unit is the subject: V is the variance of the folds' sums over F, with F - 1 degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pipeline.results.statistics import Outcomes

Floats = npt.NDArray[np.float64]
FEW = 5  # sequences that tell methods apart: below, two made-up ones are added (`_few`)


@dataclass(frozen=True)
class Term:
    """A part of a variance in points squared, and the degrees of freedom that it is known with."""

    value: float = 0.0
    degrees: float = 0.0

    def plus(self, value: float, degrees: float) -> Term:
        """With the part of one more fold."""
        return Term(self.value + value, self.degrees + degrees)

    def times(self, factor: float) -> Term:
        """The part of a sum in which it weighs otherwise."""
        return Term(self.value * factor, self.degrees)

    @property
    def share(self) -> float:
        """What it adds to the denominator of Satterthwaite's degrees of freedom."""
        return self.value**2 / self.degrees if self.degrees else 0.0


@dataclass(frozen=True)
class Components:
    """An estimate in points with the parts of its variance: between sequences, and for each method between runs and residual.

    `possible` are the least and the greatest value of such a sum of accuracies.
    """

    points: float
    sequences: Term
    runs: tuple[Term, ...] = ()
    residual: tuple[Term, ...] = ()
    possible: tuple[float, float] = (-math.inf, math.inf)

    @property
    def variance(self) -> float:
        """V, in points squared."""
        smallest = sum(term.value for term in self.residual)
        return max(self._sum, smallest)

    @property
    def _sum(self) -> float:
        return self.sequences.value + sum(run.value - rest.value for run, rest in zip(self.runs, self.residual, strict=True))

    @property
    def degrees(self) -> float:
        """Satterthwaite's degrees of freedom of `variance`, at least 1."""
        terms = self.residual if self.variance > self._sum else (self.sequences, *self.runs, *self.residual)
        below = sum(term.share for term in terms)
        return max(1.0, self.variance**2 / below) if below else 1.0

    @property
    def floor(self) -> float:
        """The variance that infinitely many seeds would leave, over the same sequences, in points squared."""
        return max(0.0, self.sequences.value - sum(term.value for term in self.residual))


def components(cells: Sequence[tuple[float, Outcomes]]) -> Components:
    """The sum of the cells' accuracies (means of folds), each times its weight, with the parts of its variance.

    A cell with one seed has no spread between runs of its own: it is given the mean of the others'; where no cell has two seeds,
    there is none, and the estimate is for these networks alone.
    """
    first = cells[0][1]
    means, sizes, sequences = [], [], Term()
    count = len(np.unique(first.folds))
    values = np.zeros(len(first.names))
    for fold in np.unique(first.folds):
        part = first.folds == fold
        values[part] = sum(weight * _points(cell, part).mean(axis=0) for weight, cell in cells)
        means.append(float(values[part].mean()))
        sizes.append(int(part.sum()))
        if sizes[-1] > 1:
            sequences = sequences.plus(float(values[part].var(ddof=1)) / sizes[-1] / count**2, sizes[-1] - 1)
    points = float(np.mean(means))
    if first.unit == "subject" and count > 1:
        return Components(points, _subjects(means, sizes), possible=_possible(cells))
    sequences = Term(sequences.value + _few(values, cells), sequences.degrees or 1.0)
    runs, residual = zip(*_lent([(weight, len(cell.seeds), *_runs(cell)) for weight, cell in cells]), strict=True)
    return Components(points, sequences, runs, residual, _possible(cells))


def _possible(cells: Sequence[tuple[float, Outcomes]]) -> tuple[float, float]:
    """Where those with a negative weight are right in all and the others in nothing, and the other way round; in points."""
    weights = [weight for weight, _ in cells]
    return 100 * sum(min(weight, 0.0) for weight in weights), 100 * sum(max(weight, 0.0) for weight in weights)


def _points(cell: Outcomes, part: npt.NDArray[np.bool_]) -> Floats:
    return 100 * np.asarray(cell.correct[:, part], np.float64)


def _subjects(means: list[float], sizes: list[int]) -> Term:
    """The variance of a mean over subjects; where none differs, that of two who differ by one sequence."""
    spread = float(np.var(means, ddof=1)) or 2 * (100 / float(np.mean(sizes))) ** 2 / len(means)
    return Term(spread / len(means), len(means) - 1)


def _few(values: Floats, cells: Sequence[tuple[float, Outcomes]]) -> float:
    """What two made-up sequences, one on each side, add to a variance of which few sequences tell anything; else 0.

    After Bonett and Price 2012. Sequences tell something by not having the commonest value; the made-up ones differ from it
    as much as those do, or by one whole answer where there are none.
    """
    kinds, counts = np.unique(values.round(9), return_counts=True)
    away = np.abs(values - kinds[counts.argmax()])
    away = away[away > 1e-6]
    if len(away) >= FEW:
        return 0.0
    size = float(away.mean()) if len(away) else 50 * sum(abs(weight) for weight, _ in cells)
    return float(2 * size**2 / len(values) ** 2)


def _runs(cell: Outcomes) -> tuple[Term, Term]:
    """The parts between runs and residual of a cell's accuracy, with weight 1; both empty with one seed."""
    runs, residual = Term(), Term()
    seeds, count = len(cell.seeds), len(np.unique(cell.folds))
    if seeds < 2:
        return runs, residual
    for fold in np.unique(cell.folds):
        right = _points(cell, cell.folds == fold)  # [S, n]
        size, means = right.shape[1], right.mean(axis=1)
        rest = right - means[:, None] - right.mean(axis=0) + means.mean()
        runs = runs.plus(float(means.var(ddof=1)) / seeds / count**2, seeds - 1)
        if size > 1:
            freedom = (seeds - 1) * (size - 1)
            residual = residual.plus(float((rest**2).sum()) / freedom / seeds / size / count**2, freedom)
    return runs, residual


def _lent(parts: list[tuple[float, int, Term, Term]]) -> list[tuple[Term, Term]]:
    """The parts of each cell (weight, seeds, runs, residual) times its squared weight; with one seed they are the others'."""
    known = [part for part in parts if part[1] > 1]
    lent = tuple(_mean([(seeds, pair[kind]) for _, seeds, *pair in known]) for kind in (0, 1))
    found = [(weight, lent if seeds < 2 else pair) for weight, seeds, *pair in parts]
    return [(pair[0].times(weight**2), pair[1].times(weight**2)) for weight, pair in found]


def _mean(terms: list[tuple[int, Term]]) -> Term:
    """What one seed would add, on the mean of cells with so many seeds."""
    if not terms:
        return Term()
    return Term(sum(seeds * term.value for seeds, term in terms) / len(terms), sum(term.degrees for _, term in terms))
