"""How often `check` raises an alarm, honest or not, on simulated predictions: `python -m benchmarks.power`.

Sequences differ in hardness and runs in skill, drawn anew for every fold; a fall lowers the skill of all runs, or of one fold's.
The rule's random differences are taken for normal with their exact variance, which saves drawing them in every check.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.results.regression import Pair, spread, tests
from pipeline.results.statistics import Outcomes

Floats = npt.NDArray[np.float64]
CHECKS = 400
FALSE_ALARMS, SPREAD = 0.01, 4.0  # as in params.yaml


@dataclass(frozen=True)
class Case:
    """Cells of one check, sequences a fold, seeds before and after, accuracy, and how unlike the runs are (probit units)."""

    cells: int
    sizes: tuple[int, ...]
    before: int
    after: int
    accuracy: float = 0.88
    skill: float = 0.15
    hardness: float = 1.5

    @property
    def folds(self) -> npt.NDArray[np.int64]:
        """The fold of every sequence."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def runs(self, easy: Floats, points: Floats, seeds: int, rng: np.random.Generator) -> Outcomes:
        """Runs whose expected accuracy is `points` lower, by sequence."""
        scale = np.sqrt(1 + self.hardness**2 + self.skill**2)
        lower = scale * (stats.norm.ppf(self.accuracy) - stats.norm.ppf(self.accuracy - points / 100))
        skill = rng.normal(0, self.skill, (seeds, len(self.sizes)))[:, self.folds]
        right = rng.normal(size=(seeds, len(easy))) < easy + skill - lower
        names = tuple(map(str, range(len(easy))))
        return Outcomes(tuple(range(seeds)), self.folds, names, np.zeros(len(easy), np.int64), (~right).astype(np.int64))

    def alarm(self, points: float, fold: int | None, rng: np.random.Generator) -> bool:
        """Whether a check fails in which the first cell falls, everywhere or in one fold."""
        scale = np.sqrt(1 + self.hardness**2 + self.skill**2)
        fall = np.full(len(self.folds), points) * (1 if fold is None else self.folds == fold)
        pairs = {}
        for cell in range(self.cells):
            easy = rng.normal(scale * stats.norm.ppf(self.accuracy), self.hardness, len(self.folds))
            before = self.runs(easy, 0 * fall, self.before, rng)
            pairs[str(cell)] = Pair(before, self.runs(easy, fall * (cell == 0), self.after, rng))
        level, spreads = FALSE_ALARMS / tests(pairs), spread(pairs, SPREAD)
        return any(fell(pair, spreads[name].widening(level) * float(stats.norm.isf(level))) for name, pair in pairs.items())


def fell(pair: Pair, errors: float) -> bool:
    """Whether the mean or a fold fell by more than this many standard errors of independent answers."""
    points, variances = [], []
    for before, after in map(pair.fold, pair.folds):
        b, a, right = len(before), len(after), before.sum(0) + after.sum(0)
        dealt = right * (a + b - right) / (a * b * (a + b - 1))  # variance of the difference of one sequence
        points.append(float(after.mean() - before.mean()))
        variances.append(float(dealt.sum()) / len(right) ** 2)
    whole = np.mean(points) < -errors * np.sqrt(np.sum(variances)) / len(points) - 1e-12
    return bool(whole or any(p < -errors * np.sqrt(v) - 1e-12 for p, v in zip(points, variances, strict=True)))


CASES = {
    "SBU, 6 cells, 5 seeds": Case(6, (56, 56, 56, 57, 57), 5, 5),
    "SBU, 6 cells, 3 seeds": Case(6, (56, 56, 56, 57, 57), 3, 3),
    "demo-like, 4 cells, 5 seeds against 1": Case(4, (64, 64, 64, 64, 80), 5, 1, 0.95),
    "demo-like, 4 cells, 1 seed against 1": Case(4, (64, 64, 64, 64, 80), 1, 1, 0.95),
}


def main() -> None:
    """Print the share of checks with an alarm for falls of growing size."""
    for name, case in CASES.items():
        for fold, falls in ((None, (0, 2, 3, 4, 5, 6, 8, 12)), (0, (6, 10, 15, 20, 30))):
            rng = np.random.default_rng(1)
            rates = {p: np.mean([case.alarm(p, fold, rng) for _ in range(CHECKS)]) for p in falls}
            where = "all folds" if fold is None else "one fold"
            print(f"{name}, {where}: " + ", ".join(f"{points}: {rate:.4f}" for points, rate in rates.items()), flush=True)


if __name__ == "__main__":
    main()
