"""The commands around a run: what runs and what it costs, the search, MLflow, and the state of this project."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.addresses import shown
from pipeline.cli.running import up_to_date
from pipeline.core.errors import PipelineError


@click.command()
@click.argument("groups", nargs=-1, required=True)
def use(groups: tuple[str, ...]) -> None:
    """Choose the groups of cells that `dvc repro` runs: rewrites the `use:` line of params.yaml."""
    from pipeline.commands import mend  # noqa: PLC0415
    from pipeline.commands import use as line  # noqa: PLC0415

    if found := mend.running(Path()):
        raise PipelineError(f"{found} and reads params.yaml, which was left as it is; choose groups when it has ended")
    click.echo(line.switch(list(groups)))


@click.command()
@click.argument("groups", nargs=-1)
def costs(groups: tuple[str, ...]) -> None:
    """Say beforehand what groups of cells take: networks, time and disk, from what was measured (default: those in use)."""
    from pipeline.commands import costs as work  # noqa: PLC0415
    from pipeline.config import params  # noqa: PLC0415

    for line in work.lines(params.load(), groups):
        click.echo(line)


@click.command()
@click.option("--since", type=float, default=0.0, help="Seconds since 1970: only stages that ended later.")
def took(since: float) -> None:
    """Say which stages ran, how long they took and their peak memory, and how many DVC had already."""
    from pipeline.commands import took as work  # noqa: PLC0415
    from pipeline.config import params  # noqa: PLC0415

    for line in work.lines(params.load(), since):
        click.echo(line)


@click.command()
@click.argument("candidates", nargs=-1)
@click.option("--method", help="Search for another method, in a record of its own.  [default: that of search.cell]")
def search(candidates: tuple[str, ...], method: str | None) -> None:
    """Search for a recipe by nested validation (params.yaml, section search); with names, score these candidates alone."""
    from pipeline.commands import search as nested  # noqa: PLC0415

    up_to_date()
    nested.main(list(candidates), method)


@click.command()
@click.argument("cells", nargs=-1)
@click.option("--fold", type=click.IntRange(min=1), default=1, show_default=True, help="Of the run that is trained again.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the run that is trained again.")
@click.option("--record", is_flag=True, help="Write the table of runs instead, from outputs that DVC's lock vouches for.")
def confirm(cells: tuple[str, ...], fold: int, seed: int, record: bool) -> None:
    """Show that changed code comes to the same bytes, one run a cell, and bring DVC's entries to it (default: cells in use)."""
    from pipeline.commands import confirm as work  # noqa: PLC0415

    up_to_date()
    if record:
        work.record(cells)
        return
    work.main(cells, fold, seed)


@click.command()
@click.option("--watch", is_flag=True, help="Go on until the process given by --parent ends (the stages start this).")
@click.option("--parent", type=click.IntRange(min=1), help="Process id to watch beside.")
@click.option("--models", is_flag=True, help="Log and register one model a cell as well; needs the weights on disk.")
def track(watch: bool, parent: int | None, models: bool) -> None:
    """Fill MLflow with what it lacks of the histories on disk; twice adds nothing."""
    from pipeline import tracking  # noqa: PLC0415

    root = Path.cwd()
    if watch:
        if parent is None:
            raise click.UsageError("--watch needs --parent")
        tracking.watch(root, tracking.INTERVAL_S, parent)
        return
    _fill(root)
    if models:
        _models(root)


def _fill(root: Path) -> None:
    from pipeline import tracking  # noqa: PLC0415

    counts = tracking.sync(root, tracking.connect(root))
    for reason in counts.unreadable:
        click.echo(f"left out: {reason}", err=True)
    click.echo(f"{shown(tracking.uri(root))}: added {counts}, beyond what was tracked while it ran")


def _models(root: Path) -> None:
    from pipeline import tracking  # noqa: PLC0415
    from pipeline.commands import export  # noqa: PLC0415

    def write(cell: str, path: Path) -> tracking.Exported:
        return tracking.Exported(*export.described(cell, path))

    added, left_out = tracking.add_models(root, tracking.connect(root), write, (PipelineError,))
    for reason in left_out:
        click.echo(f"left out: {reason}", err=True)
    click.echo(f"{added} model(s) logged and registered")


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Fill MLflow and open its pages on this machine (127.0.0.1) until Ctrl-C."""
    from pipeline import tracking  # noqa: PLC0415

    tracking.check_servable(Path.cwd(), port)
    _fill(Path.cwd())
    tracking.serve(Path.cwd(), port)


@click.command()
def doctor() -> None:
    """Look at packages, data, DVC, MLflow, device and cores; a line each, with how to mend it. Code 1 where something must be."""
    from pipeline import tracking  # noqa: PLC0415
    from pipeline.commands import doctor as work  # noqa: PLC0415

    findings = work.main(Path.cwd(), tracking.state)
    for finding in findings:
        click.echo(str(finding))
    sys.exit(int(any(finding.remedy for finding in findings)))


@click.command()
def mend() -> None:
    """Repair what a killed DVC left empty or cut: locks, and its note of who is at work."""
    from pipeline.commands import mend as work  # noqa: PLC0415

    for line in work.main(Path.cwd()):
        click.echo(line, err=True)


@click.command()
def plots() -> None:
    """Let `dvc plots show` and `dvc plots diff` draw without a network."""
    from pipeline.commands import plots as work  # noqa: PLC0415

    work.main()


COMMANDS = (use, costs, took, search, confirm, track, ui, doctor, mend, plots)
