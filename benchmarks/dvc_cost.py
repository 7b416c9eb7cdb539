"""What DVC and the demo pipeline cost at two commits, side by side, in CPU seconds of all processes.

    python -m benchmarks.dvc_cost --against REV                    # the last commit against REV; the demo takes minutes
    python -m benchmarks.dvc_cost --against REV --only noop-grid   # one measure; again for more
    python -m benchmarks.dvc_cost --against REV --of REV           # how far apart the same commit is from itself

Both commits are cloned into a temporary folder and run by this interpreter's DVC, in turns. `demo` is `dvc repro` from nothing:
all processes, and the DVC process alone. The others run no stage of the pipeline: placeholders, as many small files as dvc.lock
lists, stand for recordings and results, and the locks are made to agree with them. `noop-demo` and `noop-grid` are a `dvc repro`
with nothing to do. `ran` is what DVC itself spends on one more evaluate stage that runs, its work left out (a stand-in for
`python` puts the placeholders back), with a small and with the whole grid in use. `bytes` are those of all dvc.lock files.
"""

from __future__ import annotations

import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.cost import git, machine, tree_cost

GROUPS = {"demo": ("demo",), "sbu": ("sbu",), "grid": ("sbu", "sbu-switches", "sbu-more", "sbu-earlier")}
NOTHING_TO_DO, RUNS, UNCHANGED = "Data and pipelines are up to date.", "Running stage", "didn't change, skipping"
STALE = 4  # evaluate stages that run for `ran`
DVC = """if True:
    import atexit, pathlib, resource, sys
    own = pathlib.Path(sys.argv.pop(1))
    atexit.register(lambda: own.write_text(str(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))))
    from dvc.cli import main
    sys.exit(main(sys.argv[1:]))
"""
PYTHON = """#!/bin/sh
# Instead of a stage: puts back what is kept of its outputs.
exec cp -r "{kept}/$*/." "{root}"
"""


class Cost(NamedTuple):
    """CPU seconds of a `dvc repro`: all processes, and the DVC process alone; and what it printed."""

    tree: float
    own: float
    printed: str


class Row(NamedTuple):
    """A line of the table: what was measured, at both commits."""

    label: str
    values: tuple[float, float]
    unit: str = "s"


class Evaluate(NamedTuple):
    """An evaluate stage: the lock that it stands in, its command, and its outputs."""

    lock: Path
    command: str
    outs: tuple[Path, ...]


@dataclass(frozen=True)
class Checkout:
    """A clone of one commit, with some groups of cells in use."""

    root: Path
    stand_in: Path  # a folder with another `python`, for the stages that `ran` runs

    def environment(self, *first: Path) -> dict[str, str]:
        """This interpreter and the clone's code for the stages; folders that come before on the path."""
        path = os.pathsep.join(map(str, [*first, Path(sys.executable).parent, os.environ["PATH"]]))
        ours = {"PATH": path, "PYTHONPATH": str(self.root), "PIPELINE_TRACK": "off", "DVC_NO_ANALYTICS": "1"}
        return os.environ | ours | {"OMP_NUM_THREADS": "1"}

    def repro(self, *first: Path) -> Cost:
        """`dvc repro`; a `ClickException` with what it printed where it fails."""
        own = self.stand_in / "own"
        command = [sys.executable, "-c", DVC, str(own), "repro"]
        code, printed, tree = tree_cost(command, self.root, self.environment(*first))
        if code:
            raise click.ClickException(f"{self.root.name}: dvc repro ended with {code}:\n{printed[-3000:]}")
        return Cost(tree, float(own.read_text()), printed)

    def noop(self) -> Cost:
        """`dvc repro` with nothing to do; a `ClickException` where there was something."""
        cost = self.repro()
        if RUNS in cost.printed or NOTHING_TO_DO not in cost.printed:
            raise click.ClickException(f"{self.root.name}: not measured, not everything was up to date:\n{cost.printed[-3000:]}")
        return cost


@dataclass(frozen=True)
class Bench:
    """Clones of the two commits in a folder."""

    folder: Path
    repository: Path
    commits: tuple[str, str]
    rounds: int

    def checkouts(self, selection: str) -> tuple[Checkout, Checkout]:
        """The clones, A and B, with a selection of groups in use; a new one is made once."""
        a, b = (self.folder / f"{side}-{selection}" for side in "AB")
        return self._checkout(a, self.commits[0], selection), self._checkout(b, self.commits[1], selection)

    def _checkout(self, root: Path, commit: str, selection: str) -> Checkout:
        checkout = Checkout(root, self.folder / f"{root.name}-stand-in")
        if not root.exists():
            checkout.stand_in.mkdir()
            say(f"{root.name}: {commit[:7]}, {', '.join(GROUPS[selection])} in use")
            subprocess.run(["git", "clone", "-q", "--no-checkout", self.repository, root], check=True)
            subprocess.run(["git", "-c", "advice.detachedHead=false", "checkout", "-q", commit], cwd=root, check=True)
            use = [sys.executable, "-m", "pipeline", "use", *GROUPS[selection]]
            subprocess.run(use, cwd=root, env=checkout.environment(), check=True, stdout=subprocess.DEVNULL)
        return checkout


def say(line: str) -> None:
    """How far it is, beside the table."""
    click.echo(line, err=True)


@cache
def recorded(checkout: Checkout) -> tuple[Evaluate, ...]:
    """Let everything in use look as if it had run, with placeholders for what is missing; the evaluate stages."""
    from dvc.repo import Repo  # noqa: PLC0415

    say(f"{checkout.root.name}: placeholders")
    logging.getLogger("dvc").setLevel(logging.WARNING)  # it says of every lock that it writes it
    with Repo(str(checkout.root)) as repo, repo.lock:
        stages = list(repo.index.stages)
        place(entry for stage in stages for entry in [*stage.deps, *stage.outs])
        record(repo, stages)
    checkout.noop()  # what it finds on the way it keeps for the next time
    return tuple(
        Evaluate(lock_of(stage), stage.cmd, tuple(Path(out.fs_path) for out in stage.outs))
        for stage in stages
        if stage.name.partition("@")[0] == "evaluate"
    )


def lock_of(stage: Any) -> Path:
    """The lock that a stage of DVC stands in."""
    return Path(stage.path).with_suffix(".lock")


def place(entries: Iterable[Any]) -> None:
    """Placeholders for dependencies and outputs of DVC that are not there; the deepest first, which make their parents."""
    for entry in sorted(entries, key=lambda entry: -len(Path(entry.fs_path).parts)):
        path = Path(entry.fs_path)
        if path.exists():
            continue
        folder = entry.hash_info.isdir if entry.hash_info else not path.suffix  # as its lock says, if it stands there
        count = (entry.meta and entry.meta.nfiles) or 1
        for file in [path / f"{i}.bin" for i in range(count)] if folder else [path]:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"placeholder: {file}\n")


def record(repo: Any, stages: Iterable[Any]) -> None:
    """Write into the cache and the locks what the stages' files and parameters are now; every lock once, unlike `dvc commit`."""
    from dvc.dvcfile import Lockfile  # noqa: PLC0415

    locks: dict[Path, list[Any]] = {}
    for stage in stages:
        stage.save(run_cache=False)
        stage.commit()
        locks.setdefault(lock_of(stage), []).append(stage)
    for lock, several in locks.items():
        Lockfile(repo, str(lock)).dump_stages(several)


def in_turns(bench: Bench, checkouts: tuple[Checkout, Checkout], measure: Callable[[Checkout], float]) -> tuple[float, float]:
    """Medians of some rounds, A and B in turns."""
    rounds = [(measure(checkouts[0]), measure(checkouts[1])) for _ in range(bench.rounds)]
    a, b = (statistics.median(values) for values in zip(*rounds, strict=True))
    say(f"rounds: {', '.join(f'{x:.2f} and {y:.2f}' for x, y in rounds)}")
    return a, b


def demo(bench: Bench) -> list[Row]:
    """The demo pipeline from nothing, once."""
    a, b = (checkout.repro() for checkout in bench.checkouts("demo"))
    stages = a.printed.count(RUNS), b.printed.count(RUNS)
    label = "demo from nothing"
    return [
        Row(f"{label}: all processes", (a.tree, b.tree)),
        Row(f"{label}: DVC itself", (a.own, b.own)),
        Row(f"{label}: stages that ran", stages, ""),
    ]


def noop(bench: Bench, selection: str) -> list[Row]:
    """Nothing to do; and how many stages were looked at."""
    checkouts = bench.checkouts(selection)
    for checkout in checkouts:
        recorded(checkout)
    stages: dict[Checkout, int] = {}

    def measure(checkout: Checkout) -> float:
        cost = checkout.noop()
        stages[checkout] = cost.printed.count(UNCHANGED)
        return cost.tree

    label = f"nothing to do, {selection}"
    seconds = in_turns(bench, checkouts, measure)
    return [Row(label, seconds), Row(f"{label}: stages looked at", (stages[checkouts[0]], stages[checkouts[1]]), "")]


def ran(bench: Bench) -> list[Row]:
    """One stage that ran, with a small and with the whole grid in use."""
    rows = []
    for selection in ("sbu", "grid"):
        checkouts = bench.checkouts(selection)
        for checkout in checkouts:
            keep(checkout, recorded(checkout)[:STALE])
        rows.append(Row(f"DVC itself for a stage that ran, {selection}", in_turns(bench, checkouts, one_stage)))
    return rows


def keep(checkout: Checkout, stages: Iterable[Evaluate]) -> None:
    """Make a `python` that, called as these stages call it, puts their outputs there."""
    for stage in stages:
        arguments = stage.command.removeprefix("python ")
        if arguments == stage.command:
            raise click.ClickException(f"{checkout.root.name}: expected a stage that calls python, found {stage.command!r}")
        for out in stage.outs:
            to = checkout.stand_in / arguments / out.relative_to(checkout.root)
            to.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if out.is_dir() else shutil.copy)(out, to)
    python = checkout.stand_in / "python"
    python.write_text(PYTHON.format(kept=checkout.stand_in, root=checkout.root))
    python.chmod(0o755)


def one_stage(checkout: Checkout) -> float:
    """CPU seconds of the DVC process for one stage that ran: those of a few, less those of none."""
    for stage in recorded(checkout)[:STALE]:
        text, recorded_as = stage.lock.read_text(), f"cmd: {stage.command}\n"
        if text.count(recorded_as) != 1:
            raise click.ClickException(f"{stage.lock}: expected one line {recorded_as!r}, found {text.count(recorded_as)}")
        stage.lock.write_text(text.replace(recorded_as, "cmd: another\n"))
    shutil.rmtree(checkout.root / ".dvc/cache/runs", ignore_errors=True)  # or DVC knows their outputs already
    cost = checkout.repro(checkout.stand_in)
    if (count := cost.printed.count(RUNS)) != STALE:
        raise click.ClickException(f"{checkout.root.name}: {count} stages ran, expected {STALE}:\n{cost.printed[-3000:]}")
    return (cost.own - checkout.noop().own) / STALE


def size(bench: Bench) -> list[Row]:
    """Bytes and number of the locks, as committed and with placeholders for the whole grid."""
    rows = []
    checkouts = bench.checkouts("grid")
    for state in ("as committed", "the whole grid recorded"):
        if state != "as committed":
            for checkout in checkouts:
                recorded(checkout)
        a, b = ([path.stat().st_size for path in checkout.root.rglob("dvc.lock")] for checkout in checkouts)
        rows += [Row(f"dvc.lock, {state}", (sum(a), sum(b)), "B"), Row(f"dvc.lock, {state}: files", (len(a), len(b)), "")]
    return rows


MEASURES: dict[str, Callable[[Bench], list[Row]]] = {
    "bytes": size,  # first: `as committed`
    "demo": demo,
    "noop-demo": lambda bench: noop(bench, "demo"),
    "noop-grid": lambda bench: noop(bench, "grid"),
    "ran": ran,
}


def line(row: Row) -> str:
    """A row as a line of the table."""
    a, b = row.values
    x, y = (f"{value:.2f} s" if row.unit == "s" else f"{value:,} {row.unit}".strip() for value in row.values)
    return f"{row.label:<52}{x:>12}{y:>12}{b / a if a else float('nan'):>8.2f}"


@click.command()
@click.option("--against", required=True, metavar="REV", help="Commit A.")
@click.option("--of", default="HEAD", metavar="REV", show_default=True, help="Commit B.")
@click.option("--only", multiple=True, type=click.Choice(list(MEASURES)), help="This measure alone; again for more.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="Of every measure but the demo.")
def main(against: str, of: str, only: tuple[str, ...], rounds: int) -> None:
    """Print a table of what DVC and the demo cost at two commits."""
    commits = git("rev-parse", "--verify", f"{against}^{{commit}}"), git("rev-parse", "--verify", f"{of}^{{commit}}")
    click.echo(f"{machine()}\n{'':<52}{commits[0][:7]:>12}{commits[1][:7]:>12}{'B/A':>8}")
    with tempfile.TemporaryDirectory(prefix="dvc-cost-") as folder:
        os.environ["DVC_SITE_CACHE_DIR"] = f"{folder}/site-cache"  # of both: nothing of it stays, here or elsewhere
        bench = Bench(Path(folder).resolve(), Path(git("rev-parse", "--show-toplevel")), commits, rounds)
        for name in [name for name in MEASURES if name in (only or MEASURES)]:
            for row in MEASURES[name](bench):
                click.echo(line(row))


if __name__ == "__main__":
    main()
