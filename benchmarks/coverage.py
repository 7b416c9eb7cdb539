"""How often intervals and tests of `pipeline.results.statistics` are wrong, on simulated data: `python -m benchmarks.coverage`.

Two methods answer the sequences of five folds of SBU's sizes. An answer is right where c + sequence + sequence of the method
+ run of the fold + residual is above 0, all normal; c sets the accuracy. Everything is drawn anew for every draw, and judged by
the product's own code. Spreads stand in `KINDS`: about as on SBU, hardly any between runs, and a great one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import click
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from pipeline.results.statistics import Outcomes, compare, summarise

SIZES = (55, 52, 56, 54, 65)  # test sequences of SBU's folds
HARD = 1.5  # spread of the sequences, in units of the residual's
KINDS = {"as on SBU": (0.6, 0.2), "runs alike": (0.3, 0.1), "runs unlike": (1.0, 0.5)}  # spread of sequences by method, of runs
FOLDS = np.repeat(np.arange(len(SIZES)), SIZES)
LABELS, NAMES = np.zeros(len(FOLDS), np.int64), tuple(map(str, range(len(FOLDS))))


@dataclass(frozen=True)
class Rule:
    """As in params.yaml."""

    confidence: float = 0.95
    margin: float = 1.0
    power: float = 0.8


@dataclass(frozen=True)
class Case:
    """Expected accuracies of two methods in per cent, their seeds, and the kind of spread."""

    accuracies: tuple[float, float]
    seeds: tuple[int, int]
    kind: str

    def draw(self, rng: np.random.Generator) -> tuple[Outcomes, Outcomes]:
        """Predictions of both methods over the same sequences."""
        own, skill = KINDS[self.kind]
        shared = HARD * rng.standard_normal(len(FOLDS))
        scale = float(np.sqrt(1 + HARD**2 + own**2 + skill**2))
        one, other = (
            self._answers(shared + scale * quantile(accuracy), own, skill, seeds, rng)
            for accuracy, seeds in zip(self.accuracies, self.seeds, strict=True)
        )
        return one, other

    def _answers(self, ease: npt.NDArray[np.float64], own: float, skill: float, seeds: int, rng: np.random.Generator) -> Outcomes:
        runs = skill * rng.standard_normal((seeds, len(SIZES)))[:, FOLDS]
        level = ease + own * rng.standard_normal(len(FOLDS)) + runs + rng.standard_normal((seeds, len(FOLDS)))
        return Outcomes(tuple(range(seeds)), FOLDS, NAMES, LABELS, (level <= 0).astype(np.int64))


@cache
def quantile(accuracy: float) -> float:
    """The normal quantile of an accuracy in per cent."""
    return float(stats.norm.ppf(accuracy / 100))


def measure(case: Case, draws: int, rng: np.random.Generator) -> dict[str, object]:
    """Shares of the draws in per cent: difference found, true difference and true accuracy covered, called equivalent."""
    rule, truth = Rule(), case.accuracies[0] - case.accuracies[1]
    counts = np.zeros(4)
    for _ in range(draws):
        one, other = case.draw(rng)
        found, alone = compare(one, other, rule), summarise(one, rule)
        covered, own = found.low <= truth <= found.high, alone.low <= case.accuracies[0] <= alone.high
        counts += (found.established, covered, own, found.p_equivalent < 1 - rule.confidence)
    shares = np.round(100 * counts / draws, 2)
    named = dict(zip(("found", "difference covered", "accuracy covered", "equivalent"), shares.tolist(), strict=True))
    seeds = " and ".join(map(str, dict.fromkeys(case.seeds)))
    accuracies = " and ".join(f"{accuracy:g}" for accuracy in dict.fromkeys(case.accuracies))
    return {"accuracy": accuracies, "seeds": seeds, "runs": case.kind, **named}


def cases() -> Iterator[Case]:
    """No difference at three accuracies, with several numbers of seeds; then a difference of the margin."""
    for kind in KINDS:
        for seeds in ((5, 5), (2, 2), (5, 2)):
            for accuracy in (88.0, 96.0, 99.0):
                yield Case((accuracy, accuracy), seeds, kind)
    for accuracy in (88.0, 96.0, 99.0):
        yield Case((accuracy, accuracy - 1), (5, 5), "as on SBU")


@click.command()
@click.option("--draws", default=10_000, help="Draws of each case.")
@click.option("--seed", default=1, help="Seed of the draws.")
def main(draws: int, seed: int) -> None:
    """Print a row a case. "found" is the size of the test in all but the last rows, "equivalent" its error in the last ones."""
    rows = []
    for number, case in enumerate(cases()):
        rows.append(measure(case, draws, np.random.default_rng([seed, number])))
        print(rows[-1], flush=True)
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()
