"""What `check` notices of accuracy alone, by checks drawn from one pool of really trained runs.

    python -m benchmarks.gate FOLDER pool --seeds 48       # train the guarded cells of the demo; interrupted, it goes on
    python -m benchmarks.gate FOLDER power                 # honest checks, and checks in which one cell fell
    python -m benchmarks.gate FOLDER faults                # ten broken models (benchmarks/faults.py)
    python -m benchmarks.gate FOLDER baseline --seeds 20   # the predictions of the first seeds as FOLDER/demo.csv.gz

A check takes `--baseline` seeds of the pool for the baseline and others for the runs of now, as many as the demo runs; networks
of different folds share nothing, so a run is put together of folds of different seeds. An honest check alarms where a cell does.
A fall is made of honest runs: right answers become wrong, the hard samples' first, by a share that differs from run to run as
much as the runs' own shares of wrong answers do (`fallen`). Checks share the pool's runs, so the limits, binomial in the number
of checks, leave out the chance that made the pool.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from benchmarks import demo_runs, faults
from pipeline.config import params as parameters
from pipeline.config.commands import Check
from pipeline.core.files import write_digest
from pipeline.results import regression
from pipeline.results.regression import Change, Pair
from pipeline.results.statistics import Outcomes, outcomes, run_accuracies

CHECKS = 2000
Change_of = Callable[[Outcomes, np.random.Generator], Outcomes]


def pool(folder: Path, kind: str, name: str) -> Outcomes:
    """All runs of a cell that are there."""
    files = sorted((folder / "pool" / kind).glob(f"{name}-*.csv.gz"))
    return outcomes(pd.concat([pd.read_csv(file) for file in files]))


def some(result: Outcomes, places: npt.ArrayLike) -> Outcomes:
    """These runs of a pool, as runs of seeds that no baseline has."""
    chosen = np.asarray(places)
    seeds = tuple(result.seeds[i] for i in chosen)
    return Outcomes(seeds, result.folds, result.names, result.labels, result.predicted[chosen])


def shuffled(whole: Outcomes, rng: np.random.Generator) -> Outcomes:
    """The runs of a pool in another order, fold by fold: a run's networks of different folds have nothing in common."""
    predicted = whole.predicted.copy()
    for fold in np.unique(whole.folds):
        own = whole.folds == fold
        predicted[:, own] = predicted[:, own][rng.permutation(len(predicted))]
    return Outcomes(whole.seeds, whole.folds, whole.names, whole.labels, predicted)


def fallen(result: Outcomes, rng: np.random.Generator, whole: Outcomes, points: float) -> Outcomes:
    """The runs with more wrong answers: `points` fewer right ones in expectation, samples that the pool finds hard first.

    A run's own share varies as the pool's shares of wrong answers do from run to run (a gamma distribution of mean 1).
    """
    wrong = 100 - run_accuracies(whole)
    apart = float(wrong.std(ddof=1) / wrong.mean())
    hard = 1 - whole.correct.mean(axis=0) + 0.05  # [N]; every sample may be lost
    predicted = result.predicted.copy()
    for run, right in enumerate(result.correct):
        share = points / 100 * len(right) * rng.gamma(1 / apart**2, apart**2)
        weight = hard * right
        lost = rng.random(len(right)) < capped(weight, share)
        predicted[run, lost] = -1
    return Outcomes(result.seeds, result.folds, result.names, result.labels, predicted)


def capped(weight: npt.NDArray[np.float64], total: float) -> npt.NDArray[np.float64]:
    """Probabilities in proportion to the weights, none above 1, that add up to `total`."""
    chance, left = np.zeros(len(weight)), weight > 0
    while left.any() and total > chance[~left].sum():
        scale = (total - chance[~left].sum()) / weight[left].sum()
        chance[left] = weight[left] * scale
        if not (chance > 1).any():
            return chance
        left &= chance <= 1
        chance = np.minimum(chance, 1)
    return chance


def as_it_is(result: Outcomes, rng: np.random.Generator) -> Outcomes:
    """No change."""
    return result


def drawn(
    pools: Mapping[str, Outcomes], sizes: tuple[int, int], rng: np.random.Generator, change: Mapping[str, Change_of]
) -> bool:
    """Whether one check alarms; baseline and runs of now are different seeds of the pool; `change` changes those of now."""
    rule = rule_of()
    alarms = []
    for name, whole in pools.items():
        runs, size = shuffled(whole, rng), min(sizes[0], len(whole.seeds) - sizes[1])
        before, after = some(runs, range(size)), some(runs, range(size, size + sizes[1]))
        alarms.append(alarm(Pair(before, change.get(name, as_it_is)(after, rng)), len(pools), rule))
    return any(alarms)


def alarm(pair: Pair, tests: int, rule: Check) -> bool:
    """Whether a guarded cell of a check ends in a finding."""
    return regression.judge(pair, tests, rule).alarm


@cache
def rule_of() -> Check:
    """Section `check` of this project."""
    return parameters.load(Path(__file__).parents[1] / "params.yaml").check


def rate(found: Sequence[bool]) -> str:
    """A share with its exact binomial limits."""
    hits, total = int(np.sum(found)), len(found)
    low, high = stats.binomtest(hits, total).proportion_ci(0.95)
    return f"{100 * hits / total:.1f} % of {total} [{100 * low:.1f}, {100 * high:.1f}]"


def power(folder: Path, names: Sequence[str], sizes: tuple[int, int]) -> None:
    """Print spreads, false alarms, and how often falls of single cells are noticed."""
    pools, rng = {name: pool(folder, "honest", name) for name in names}, np.random.default_rng(1)
    for name, whole in pools.items():
        runs = run_accuracies(whole)
        print(f"{name}: {len(runs)} seeds, {runs.mean():.1f} ± {runs.std(ddof=1):.2f} % ({runs.min():.1f} to {runs.max():.1f})")
    print(f"baseline of {sizes[0]} seeds, {sizes[1]} now, {len(names)} cells")
    print(f"honest checks with an alarm: {rate([drawn(pools, sizes, rng, {}) for _ in range(CHECKS)])}", flush=True)
    for points in (3.0, 4.0, 5.0, 6.0):
        for name, whole in pools.items():
            change = {name: partial(fallen, whole=whole, points=points)}
            seen = [drawn(pools, sizes, rng, change) for _ in range(CHECKS // 2)]
            print(f"{name} falls by {points:g}: noticed in {rate(seen)}", flush=True)


def broken(folder: Path, names: Sequence[str], size: int, seeds: Sequence[int]) -> None:
    """Print what each fault costs and whether `check` notices it, cell by cell; the baseline is the pool's first seeds."""
    pools = {name: pool(folder, "honest", name) for name in names}
    print(f"| fault | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    for kind, fault in {"none": contextlib.nullcontext, **faults.FAULTS}.items():
        changes = []
        for name, whole in pools.items():
            found = [demo_runs.predictions(folder, name, seed, kind, fault) for seed in seeds]
            before = some(whole, range(min(size, len(whole.seeds))))
            changes.append(regression.judge(Pair(before, outcomes(pd.concat(found))), len(rule_of().guarded["demo"]), rule_of()))
        print(f"| {kind} | {' | '.join(cost(change) for change in changes)} |", flush=True)


def cost(change: Change) -> str:
    """The difference from the mean of the baseline, in bold where it is noticed."""
    return f"**{change.points:+.1f}**" if change.alarm else f"{change.points:+.1f}"


def baseline(folder: Path, size: int) -> None:
    """Write the runs of the first seeds of every cell that the pool has as `demo.csv.gz` in the folder: a baseline."""
    files = sorted((folder / "pool" / "honest").glob("*.csv.gz"))
    tables = [pd.read_csv(file).assign(cell=file.name.rpartition("-")[0]) for file in files]
    table = pd.concat(tables)[["cell", *demo_runs.COLUMNS]].sort_values(["cell", "fold", "seed", "name"])
    table = table[table["seed"] <= size]
    text = table.to_csv(index=False, lineterminator="\n").encode()
    (folder / "demo.csv.gz").write_bytes(gzip.compress(text, mtime=0))
    write_digest(folder / "demo.csv.gz")
    print(table.groupby("cell")["seed"].nunique().to_string())


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=["pool", "power", "faults", "baseline"])
    parser.add_argument("--seeds", type=int, default=48)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--baseline", type=int, default=20)
    parser.add_argument("--now", type=int, default=2)
    parser.add_argument("--cells", nargs="*")
    given = parser.parse_args()
    folder, names = given.folder.resolve(), given.cells or rule_of().guarded["demo"]
    demo_runs.make(folder, demo_runs.document({}))
    seeds = range(given.first, given.first + given.seeds)
    if given.what == "pool":
        for name, seed, accuracy in demo_runs.fill(folder, names, seeds):
            print(f"{name}, seed {seed}: {accuracy:.1f} %", flush=True)
    elif given.what == "power":
        power(folder, names, (given.baseline, given.now))
    elif given.what == "faults":
        broken(folder, names, given.baseline, seeds)
    else:
        baseline(folder, given.seeds)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
