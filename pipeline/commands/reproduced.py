"""`check --reproduced`: did the runs of the same seeds come out on this machine as those of the committed baseline?

Other kernels (another processor, another build of torch) round otherwise, and training carries that into other weights. So this
asks for each cell, over the seeds that both have: are the predictions the same? If not, is accuracy better, worse, or equivalent
(within `report.margin` points), or can that not be told?
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.commands import locks
from pipeline.commands.baseline import fresh, read, selected
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core.errors import ResultsMissing
from pipeline.errors import AccuracyFell
from pipeline.results.regression import Pair
from pipeline.results.statistics import compare, of_seeds, outcomes

NOTHING = ("new", "not run", "no seed", "tested on other")


def main(names: Sequence[str] = (), against: str = "") -> None:
    """Print of the cells in use, of those of `baseline.selected` where names are given, how the runs of the same seeds came out.

    Raises `AccuracyFell` where a cell is worse, `ResultsMissing` where there is nothing to compare, `BaselineMissing` where there
    is no baseline.
    """
    config, lines = parameters.load(), dict[str, str]()
    chosen = selected(config, names)
    locks.refuse_stale(config, [name for own in chosen.values() for name in own])
    for dataset, own in chosen.items():
        before = read(dataset, against)
        for name in own:
            try:
                lines[name] = answer(config, Pair(outcomes(before[name]), outcomes(fresh(name)))) if name in before else "new"
            except ResultsMissing as error:
                lines[name] = f"not run here ({error})"
            print(f"{name}: {lines[name]}")
    if all(line.startswith(NOTHING) for line in lines.values()):
        raise ResultsMissing("none of these cells has predictions of the same seeds here and in the baseline; run `dvc repro`")
    if worse := [name for name, line in lines.items() if line.endswith("worse")]:
        raise AccuracyFell(f"worse than the baseline with the same seeds: {', '.join(worse)}")


def answer(config: Config, pair: Pair) -> str:
    """Whether the runs of the same seeds came out alike."""
    seeds = [seed for seed in pair.after.seeds if seed in pair.before.seeds]
    if not seeds:
        return f"no seed of {list(pair.after.seeds)} is among the baseline's {list(pair.before.seeds)}"
    if pair.others is None:
        return "tested on other samples than the baseline; make the data again (`dvc repro`)"
    total, text = len(seeds) * len(pair.after.names), f"seed {', '.join(map(str, seeds))}: "
    if pair.others == 0:
        return f"{text}identical, all {total} predictions"
    text += f"{pair.others} of {total} predictions differ"
    difference = compare(of_seeds(pair.after, seeds), of_seeds(pair.before, seeds), config.params.report)
    interval = f"{difference.points:+.1f} points [{difference.low:+.1f}, {difference.high:+.1f}]"
    return f"{text}, accuracy {interval}: {difference.verdict}"
