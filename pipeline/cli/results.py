"""The commands that look at results, compare them, and use trained networks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from pipeline.addresses import shown
from pipeline.cli.running import up_to_date
from pipeline.errors import InputUnusable, ModelUnusable

F = TypeVar("F", bound=Callable[..., Any])
WRITTEN = click.Path(path_type=Path, dir_okay=False)


@click.command()
def where() -> None:
    """Say where the reports of the data sets in use are, and their headline."""
    import json  # noqa: PLC0415

    from pipeline.config import params  # noqa: PLC0415
    from pipeline.datasets.shared import registry as datasets  # noqa: PLC0415

    for dataset in params.load().params.use.datasets:
        folder = Path("reports", dataset)
        if not (folder / "metrics.json").exists():
            click.echo(f"{dataset}: no report yet; run `dvc repro`")
            continue
        synthetic = " (synthetic)" if datasets.synthetic(dataset, Path("data/skeletons", dataset)) else ""
        for protocol, recipes in json.loads((folder / "metrics.json").read_text()).items():
            for recipe, methods in recipes.items():
                ours = ", ".join(f"{m} {r['accuracy']['mean']:.1f} %" for m, r in methods.items() if r.get("accuracy"))
                part = next((f" (a part: {r['part']})" for r in methods.values() if r.get("part")), "")
                click.echo(f"{protocol}{synthetic}, {recipe}: {ours}{part}")
        click.echo(f"report: {folder / 'report.html'}")


@click.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.option("--to", required=True, type=WRITTEN, help="The copy.")
@click.pass_obj
def stamp(here: Path, /, page: Path, to: Path) -> None:
    """Copy a report.html with the commit, date and machine that it comes from; the report itself has none of them."""
    from pipeline.commands import stamp as work  # noqa: PLC0415

    page, to = seen_from(here, page) or page, seen_from(here, to) or to
    _outputs({"--to": (to, (".html",))}, [])
    click.echo(work.main(page, to))


@click.command()
def answer() -> None:
    """Answer RQ1 to RQ4 over all data sets, from the committed predictions, in `reports/answers/`."""
    from pipeline.commands import answer as work  # noqa: PLC0415

    click.echo(work.main())


@click.command()
@click.argument("names", metavar="[DATASET|GROUP|CELL]...", nargs=-1)
@click.option(
    "--accept", is_flag=True, help="Make the present results the baseline instead; of other cells of the grid it stays."
)
@click.option("--against", metavar="REV", help="Compare with the baseline that this git revision has.")
@click.option("--accuracy-alone", is_flag=True, help="Test equal predictions like others, too.")
@click.option("--reproduced", is_flag=True, help="Ask instead whether the runs of the same seeds came out as the baseline's.")
def check(names: tuple[str, ...], accept: bool, against: str | None, accuracy_alone: bool, reproduced: bool) -> None:
    """Compare accuracy with the committed baseline; ends with code 1 where it fell (default: all cells in use)."""
    from pipeline.commands import baseline  # noqa: PLC0415
    from pipeline.commands import check as work  # noqa: PLC0415
    from pipeline.commands import reproduced as same  # noqa: PLC0415

    if against == "":
        raise click.UsageError("--against: expected a git revision, found nothing")
    if accept and (against or accuracy_alone or reproduced):
        raise click.UsageError("--accept goes with no other option")
    if reproduced and accuracy_alone:
        raise click.UsageError("--reproduced looks at bytes first; it does not go with --accuracy-alone")
    up_to_date()
    if accept:
        baseline.accept(names)
    elif reproduced:
        same.main(names, against or "")
    else:
        work.main(names, against or "", bytes_count=not accuracy_alone)


@click.command()
@click.argument("what", metavar="CELL|TABLE.csv")
@click.option("--row", type=click.IntRange(min=1), help="Of the table: this row alone, counted below the heading.")
@click.pass_obj
def trace(here: Path, /, what: str, row: int | None) -> None:
    """Say what a cell's results or a report's table were made from: commit, data, code, parameters; and what makes them again."""
    from pipeline import tracking  # noqa: PLC0415
    from pipeline.commands import trace as work  # noqa: PLC0415
    from pipeline.commands import trace_table  # noqa: PLC0415

    if what.endswith(".csv"):
        lines = trace_table.main(Path.cwd(), seen_from(here, Path(what)) or Path(what), row)
    elif row:
        raise click.UsageError("--row is of a table")
    else:
        lines = work.main(Path.cwd(), what, tracking.run_of)
    for line in lines:
        click.echo(shown(line))


@click.command()
@click.argument("dataset")
@click.option("--to", type=WRITTEN, help="The zip to write [default: <dataset>-results.zip].")
@click.pass_obj
def pack(here: Path, /, dataset: str, to: Path | None) -> None:
    """Pack what a reader needs to check the results of a data set: predictions, report, parameters, versions; no recordings."""
    from pipeline.commands import pack as work  # noqa: PLC0415

    to = seen_from(here, to)
    _outputs({"--to": (to, (".zip",))}, [])
    up_to_date()
    click.echo(work.main(dataset, to or Path(f"{dataset}-results.zip")))


@click.command()
@click.argument("cells", nargs=-1)
def keep(cells: tuple[str, ...]) -> None:
    """Keep results of cells in `reports/results/`, to be committed: histories, predictions, mean attention (default: in use)."""
    from pipeline.commands import kept  # noqa: PLC0415

    up_to_date()
    for line in kept.keep(cells):
        click.echo(line)


@click.command()
@click.argument("cells", nargs=-1)
def restore(cells: tuple[str, ...]) -> None:
    """Put kept results back into `data/results/`, so that reports can be made without training (default: cells in use)."""
    from pipeline.commands import kept  # noqa: PLC0415

    for line in kept.restore(cells):
        click.echo(line)


def _run_of_a_cell(command: F) -> F:
    """`--fold` and `--seed`: which trained run, or runs."""
    seed = "Of the run [default: the cell's first]; several: their mean."
    command = click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, help=seed)(command)
    return click.option("--fold", type=click.IntRange(min=1), default=1, show_default=True, help="Of the trained run.")(command)


@click.command()
@click.argument("cells", nargs=-1)
def knockout(cells: tuple[str, ...]) -> None:
    """Replace the attention of trained networks when they predict, and report what that does (default: cells in use)."""
    from pipeline.commands import knockout as work  # noqa: PLC0415

    up_to_date()
    work.main(cells)


@click.command()
@click.argument("cells", nargs=-1)
def saliency(cells: tuple[str, ...]) -> None:
    """Say how much of attention, and of integrated gradients, lies on planted evidence (the demo's cells in use)."""
    from pipeline.commands import saliency as work  # noqa: PLC0415

    up_to_date()
    work.main(cells)


@click.command()
@click.argument("cells", nargs=-1, required=True)
@_run_of_a_cell
@click.option("--half", is_flag=True, help="Keep 16 bits of each weight: half the size; accuracy is measured again.")
@click.option("--to", type=WRITTEN, help="The file [default: models/<cell>.safetensors].")
@click.pass_obj
def export(here: Path, /, cells: tuple[str, ...], to: Path | None, **run: Any) -> None:
    """Pack trained networks, with all that is needed to use them, into one safetensors file for `predict`."""
    from pipeline.commands import export as work  # noqa: PLC0415

    if to and len(cells) > 1:
        raise click.UsageError("--to is for one cell")
    to = seen_from(here, to)
    _outputs({"--to": (to, (".safetensors",))}, [])
    up_to_date()
    for cell in cells:
        click.echo(work.main(cell, work.Run(**run), to))


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", "file", type=click.Path(path_type=Path), help="A file that `export` wrote.")
@click.option("--cell", help="Instead: a trained cell of this project.")
@_run_of_a_cell
@click.option(
    "--to", type=WRITTEN, help="A table .csv, or .json with alpha and beta of every frame [default: CSV on the screen]."
)
@click.option("--html", type=WRITTEN, help="A page that plays clips with their attention.")
@click.option("--clips", type=click.IntRange(1, 100), default=8, show_default=True, help="In the page at most: the first ones.")
@click.option("--allow-unreadable", type=click.IntRange(min=0), default=0, show_default=True, help="Files to leave out at most.")
@click.pass_context
def predict(context: click.Context, /, files: tuple[Path, ...], file: Path | None, cell: str | None, **options: Any) -> None:
    """Say which actions raw recordings show: files, folders or zips under any names, in the format of the model's data set."""
    here: Path = context.obj
    to, html = (seen_from(here, options[name]) for name in ("to", "html"))
    file = seen_from(here, file)
    paths = [seen_from(here, path) or path for path in files]
    _one_model(context, file, cell)
    _outputs({"--to": (to, (".csv", ".json")), "--html": (html, (".html",))}, [*paths, *([file] if file else [])])
    if not html and context.get_parameter_source("clips") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--clips is of the page that --html writes")
    _inputs(file, paths)
    if cell:
        up_to_date()
    from pipeline.commands import predict as work  # noqa: PLC0415
    from pipeline.commands.export import Run  # noqa: PLC0415

    model = work.opened(file, cell, Run(options["fold"], options["seeds"]))
    wanted = work.Wanted(to, html, options["clips"], options["allow_unreadable"])
    click.echo(work.main(model, paths, wanted), err=True)


def _one_model(context: click.Context, file: Path | None, cell: str | None) -> None:
    """`UsageError` unless there is one source of weights; a file's run is not chosen, `export` did that."""
    if (file is None) == (cell is None):
        known = ", ".join(map(str, sorted(Path("models").glob("*.safetensors")))) or "none"
        both = "" if file is None else ", not both"
        raise click.UsageError(f"expected --model FILE or --cell NAME{both}; in models/: {known}")
    given = [name for name in ("fold", "seeds") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if file and given:
        raise click.UsageError(f"--{given[0].removesuffix('s')} goes with --cell: a file has the runs that `export` put there")


def _outputs(wanted: dict[str, tuple[Path | None, tuple[str, ...]]], inputs: Sequence[Path]) -> None:
    """`UsageError` for an output with another ending than its kind has, for one that is an input, and without its folder."""
    for option, (path, endings) in wanted.items():
        if path and path.suffix not in endings:
            raise click.UsageError(f"{option} {path}: expected a name that ends with {' or '.join(endings)}")
        if path and path.resolve() in [other.resolve() for other in inputs]:
            raise click.UsageError(f"{option} {path}: it is an input, and would be overwritten")
        if path and not path.parent.exists():
            raise click.UsageError(f"{option} {path}: no folder {path.parent}; make it first")


def _inputs(model: Path | None, paths: Sequence[Path]) -> None:
    """`ModelUnusable`, `InputUnusable` for what is not there, before torch is loaded (two seconds)."""
    if model and not model.is_file():
        raise ModelUnusable(f"{model}: no such model; make one with `python -m pipeline export CELL`")
    for path in paths:
        if not path.exists():
            raise InputUnusable(f"{path}: no such file or folder")


def seen_from(here: Path, path: Path | None) -> Path | None:
    """A path that the user gave in a folder inside the project, seen from the project's own."""
    return path if path is None or path.is_absolute() or here == Path.cwd() else Path(os.path.relpath(here / path))


COMMANDS = (where, stamp, answer, check, trace, pack, keep, restore, knockout, saliency, export, predict)
