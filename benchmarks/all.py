"""The regression of speed: what two commits cost, side by side, in CPU seconds of all processes.

    python -m benchmarks.all --against REV                   # this commit against REV
    python -m benchmarks.all --against REV --only normalize  # one measure; again for more
    python -m benchmarks.all --against HEAD                  # how far apart the same commit is from itself

Both commits are cloned into a temporary folder, run by this interpreter, in turns; a row is the medians and their ratio. Nothing
asserts it: machines differ, and so do their other users. All data are synthetic. `normalize`: NTU's raw archive to the store, a
small and a large one, and whether the stores are the same bytes. `start`: `finetune` and `evaluate` of a cell that takes a step.
`step`: a training step at SBU's sizes. `predict`: clips of an archive, reading included. `demo` is `benchmarks.dvc_cost`'s.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
from ruamel.yaml import YAML

from benchmarks import ntu_archive
from benchmarks.cost import git, machine, tree_cost
from pipeline.core.files import sha256

SMALL, LARGE = 1200, 5001  # clips of the two archives, 0.27 and 1.1 GB of text
CELL = "demo-sbu-lstm"
STEP = """if True:
    import statistics, time, torch
    from benchmarks.train_step import ours
    torch.set_num_threads(1)
    step = ours(24, {batch}, False)
    step()
    times = []
    for _ in range(60):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    print(statistics.median(times))
"""
PREDICT = """if True:
    import time, torch
    from pipeline.predict.model import load
    torch.set_num_threads(1)
    model = load({model!r})
    files = model.files([{archive!r}])
    list(model.stream(files[:40]))
    start = time.process_time()
    count = sum(1 for _ in model.stream(files[40:840]))
    print((time.process_time() - start) / count)
"""


class Row(NamedTuple):
    """A line of the table: what was measured at both commits, in `unit`."""

    label: str
    values: tuple[float, float]
    unit: str = "s"


@dataclass(frozen=True)
class Side:
    """A clone of one commit."""

    root: Path

    def run(self, *command: str, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> tuple[str, float]:
        """What a command of this interpreter printed, and its CPU seconds; a `ClickException` where it fails."""
        own = {"PYTHONPATH": str(self.root), "PIPELINE_TRACK": "off", "OMP_NUM_THREADS": "1"}
        code, printed, cost = tree_cost(
            [sys.executable, *command], folder or self.root, os.environ | own | dict(environment or {})
        )
        if code:
            raise click.ClickException(f"{self.root.name}: {' '.join(command)[:80]} ended with {code}:\n{printed[-3000:]}")
        return printed, cost

    def project(self, name: str) -> Path:
        """A folder with the commit's parameters, made once."""
        folder = self.root.with_name(f"{self.root.name}-{name}")
        if not folder.exists():
            folder.mkdir()
            shutil.copy(self.root / "params.yaml", folder)
        return folder


@dataclass(frozen=True)
class Bench:
    """The clones of A and B in a folder."""

    folder: Path
    commits: tuple[str, str]
    rounds: int

    @property
    def sides(self) -> tuple[Side, Side]:
        """Cloned when they are first asked for."""
        a, b = (self._side(name, commit) for name, commit in zip("AB", self.commits, strict=True))
        return a, b

    def _side(self, name: str, commit: str) -> Side:
        root = self.folder / name
        if not root.exists():
            subprocess.run(["git", "clone", "-q", "--no-checkout", Path.cwd(), root], check=True)
            subprocess.run(["git", "-c", "advice.detachedHead=false", "checkout", "-q", commit], cwd=root, check=True)
        return Side(root)

    def in_turns(self, measure: Callable[[Side], float]) -> tuple[float, float]:
        """Medians of some rounds, A and B in turns."""
        rounds = [tuple(measure(side) for side in self.sides) for _ in range(self.rounds)]
        click.echo(f"rounds: {', '.join(f'{a:.3g} and {b:.3g}' for a, b in rounds)}", err=True)
        a, b = (statistics.median(values) for values in zip(*rounds, strict=True))
        return a, b

    def archive(self, clips: int) -> Path:
        """A synthetic archive of NTU's format, made once; the number of bytes of its text stands beside it."""
        path = self.folder / f"{clips}.zip"
        if not path.exists():
            recipe = ntu_archive.Recipe(ntu_archive.demo_section(), 0)
            size = ntu_archive.write(path, ntu_archive.part(clips, 20), recipe)
            path.with_suffix(".size").write_text(str(size))
        return path


def normalize(bench: Bench) -> Iterator[Row]:
    """NTU's raw archive to the store, two sizes; what a further GB of text costs; whether the stores are equal."""
    found = {}
    for clips in (SMALL, LARGE):
        for side in bench.sides:
            normalized(bench, side, clips, "download")
            normalized(bench, side, clips)  # numba compiles
        found[clips] = bench.in_turns(partial(normalized, bench, clips=clips))
        yield Row(f"normalize ntu, {clips:,} clips", found[clips])
    small, large = (int(bench.archive(clips).with_suffix(".size").read_text()) / 1e9 for clips in (SMALL, LARGE))
    a, b = ((found[LARGE][i] - found[SMALL][i]) / (large - small) for i in (0, 1))
    yield Row("normalize ntu, a further GB of text", (a, b))
    stores = [side.project(f"ntu-{LARGE}") / "data" / "skeletons" / "ntu" / "ntu" for side in bench.sides]
    same = all(sha256(stores[0] / name) == sha256(stores[1] / name) for name in ("frames.npy", "index.csv"))
    yield Row("normalize ntu, frames and index are the same bytes", (1, int(same)), "")


def normalized(bench: Bench, side: Side, clips: int, stage: str = "normalize") -> float:
    """CPU seconds of a stage of NTU on an archive."""
    source = {"NTU_SOURCE": str(bench.archive(clips))}
    return side.run("-m", "pipeline", stage, "ntu", folder=side.project(f"ntu-{clips}"), environment=source)[1]


def start(bench: Bench) -> Iterator[Row]:
    """A stage that has next to nothing to do: two runs of one step each."""
    for side in bench.sides:
        folder = side.project("start")
        yaml = YAML()
        document = yaml.load((side.root / "params.yaml").read_text())
        document["recipes"]["demo"]["finetune"] = {"main": 1, "joint": 0}
        document["recipes"]["demo"]["training"]["unit"] = "iterations"
        document["seeds"]["demo"] = [1, 2]
        yaml.dump(document, folder / "params.yaml")
        for stage in ("download", "normalize", "split"):
            side.run("-m", "pipeline", stage, "demo", folder=folder)
        if "demo-sbu-lstm:" in (side.root / "params.yaml").read_text():  # before cells had the stages that they need alone
            side.run("-m", "pipeline", "pretrain", CELL, folder=folder)
    for stage in ("finetune", "evaluate"):
        measured = bench.in_turns(lambda side: side.run("-m", "pipeline", stage, CELL, folder=side.project("start"))[1])  # noqa: B023
        yield Row(f"{stage} with next to nothing to do", measured)


def step(bench: Bench) -> Iterator[Row]:
    """A training step at SBU's sizes."""
    for batch in (8, 16, 32):
        code = STEP.format(batch=batch)
        seconds = bench.in_turns(lambda side: float(side.run("-c", code, environment=memory())[0].split()[-1]))  # noqa: B023
        yield Row(f"a training step, batch {batch}", (1e3 * seconds[0], 1e3 * seconds[1]), "ms")


def memory() -> dict[str, str]:
    """The memory settings that the pipeline's processes have."""
    from pipeline.cli import MEMORY  # noqa: PLC0415 (sets them for this process)

    return MEMORY


def predict(bench: Bench) -> Iterator[Row]:
    """Predictions from an archive with the demo's model, where both commits have the command."""
    if not all((side.root / "pipeline" / "predict").exists() for side in bench.sides):
        click.echo("predict: one of the commits has no such command", err=True)
        return
    model = Path.cwd() / "models" / "demo-ntu-cs-sta-lstm.safetensors"
    code = PREDICT.format(model=str(model), archive=str(bench.archive(SMALL)))
    seconds = bench.in_turns(lambda side: float(side.run("-c", code, environment=memory())[0].split()[-1]))
    yield Row("predict, a clip of NTU", (1e3 * seconds[0], 1e3 * seconds[1]), "ms")


MEASURES: dict[str, Callable[[Bench], Iterator[Row]]] = {"normalize": normalize, "start": start, "step": step, "predict": predict}


def line(row: Row) -> str:
    """A row as a line of the table."""
    a, b = row.values
    return f"{row.label:<52}{a:>10.2f} {row.unit:<3}{b:>10.2f} {row.unit:<3}{b / a if a else float('nan'):>8.2f}"


@click.command()
@click.option("--against", required=True, metavar="REV", help="Commit A.")
@click.option("--of", default="HEAD", metavar="REV", show_default=True, help="Commit B.")
@click.option("--only", multiple=True, type=click.Choice([*MEASURES, "demo"]), help="This measure alone; again for more.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
def main(against: str, of: str, only: tuple[str, ...], rounds: int) -> None:
    """Print a table of what two commits cost, and the ratios B/A."""
    commits = git("rev-parse", "--verify", f"{against}^{{commit}}"), git("rev-parse", "--verify", f"{of}^{{commit}}")
    click.echo(f"{machine()}\n{'':<52}{commits[0][:7]:>10}    {commits[1][:7]:>10}    {'B/A':>8}")
    with tempfile.TemporaryDirectory(prefix="all-") as folder:
        bench = Bench(Path(folder), commits, rounds)
        for name, measure in MEASURES.items():
            for row in measure(bench) if not only or name in only else ():
                click.echo(line(row))
    if not only or "demo" in only:
        sides = ["--against", commits[0], "--of", commits[1]]
        subprocess.run([sys.executable, "-m", "benchmarks.dvc_cost", *sides, "--only", "demo"], check=True)


if __name__ == "__main__":
    main()
