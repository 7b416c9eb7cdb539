"""The command line: one command a stage, plus the ones around them. Heavy packages are imported inside the commands."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.addresses import shown
from pipeline.core.errors import UNWRITABLE, Interrupted, PipelineError, unwritable

F = TypeVar("F", bound=Callable[..., Any])

# Before anything heavy is imported: no telemetry, one thread a process (two OpenMP pools on two cores are many times slower).
os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
os.environ["MPLBACKEND"] = "agg"  # no window is ever opened; a notebook hands down a backend that is not there
# For the processes that train: a step frees and asks again for the same tensors; glibc keeps that memory instead of giving it
# back to the system every time, which changes no number and makes a step faster (benchmarks/train_step.py).
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32), "MALLOC_TOP_PAD_": str(1 << 26)}
for _name, _size in MEMORY.items():
    os.environ.setdefault(_name, _size)
WRITTEN = click.Path(path_type=Path, dir_okay=False)
PLATFORM = sys.platform


class Group(click.Group):
    """Shows a `PipelineError`, or a disk that is full, as a message without stack trace and secrets, and exits with its code."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; translate failures for people."""
        try:
            return super().invoke(ctx)
        except PipelineError as error:
            click.echo(f"error: {shown(error)}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("error: stopped by Ctrl-C", err=True)
            sys.exit(Interrupted.exit_code)
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            click.echo(f"error: {shown(unwritable(error))}", err=True)
            sys.exit(PipelineError.exit_code)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="sta-lstm-pipeline")
@click.pass_context
def main(context: click.Context) -> None:
    """STA-LSTM (AAAI 2017) as a pipeline: download, normalize, split, pretrain, finetune, evaluate, report.

    `dvc repro` runs these stages in order; each can also be run alone.
    """
    if PLATFORM == "win32":  # no fcntl, forkserver or process groups there
        raise PipelineError("Windows itself is not supported; in WSL 2 (Ubuntu) everything works as on Linux: docs/install.md")
    context.obj = Path.cwd()  # what paths on the command line are relative to
    _to_the_project(Path.cwd())


def _to_the_project(here: Path) -> None:
    """From a folder inside a project to the project's own, as git and DVC do."""
    for folder in (here, *here.parents):
        if (folder / "params.yaml").exists() and (folder / "dvc.yaml").exists():
            os.chdir(folder)
            return


TRAIN = ("pretrain", "finetune")


def _run(stage: str, target: str) -> None:
    from pipeline.commands import took  # noqa: PLC0415
    from pipeline.core.training.ranks import is_main  # noqa: PLC0415
    from pipeline.running.alone import alone  # noqa: PLC0415

    only = alone(target, stage) if is_main() else nullcontext()
    with _stopping_is_stopping(f"{stage} {target}".rstrip()), only, took.measured(stage, target):
        work = importlib.import_module(f"pipeline.stages.{stage}").main  # long imports, in which Ctrl-C may be lost
        if stage != "resolve":
            _up_to_date()
        if stage not in (*TRAIN, "evaluate"):
            work(target)
            return
        from pipeline import tracking  # noqa: PLC0415 (here, not in the stages: a change in tracking must not train anew)
        from pipeline.running.runs import of_stage  # noqa: PLC0415 (nor must one in how runs are handed out)

        _data_are_there(target, stage)
        with tracking.Live(Path.cwd()) if stage in TRAIN and is_main() else nullcontext():
            work(target, of_stage)


def _data_are_there(cell: str, stage: str) -> None:
    """`ResultsMissing` where the skeletons or the split of a cell are not on disk."""
    from pipeline.core import cell as cells  # noqa: PLC0415
    from pipeline.core.errors import ResultsMissing  # noqa: PLC0415

    found = cells.load(cell, stage)
    for path in (found.store / "meta.json", found.split):
        if not path.exists():
            raise ResultsMissing(f"{path}: expected the data of {cell}, found none; run `dvc repro split@{found.dataset}` first")


def _up_to_date() -> None:
    """Resolve `params.yaml` again where it changed since; under DVC that is a stage of its own, which has run."""
    from pipeline.core.places import PARAMS, SOURCE  # noqa: PLC0415

    made = PARAMS / SOURCE
    own = hashlib.sha256(Path("params.yaml").read_bytes()).hexdigest() if Path("params.yaml").exists() else ""
    if "DVC_ROOT" in os.environ or (made.exists() and made.read_text().strip() == own):
        return
    if "TORCHELASTIC_RUN_ID" in os.environ:  # one of several processes: they would all write at once
        raise PipelineError("params.yaml changed: run `python -m pipeline resolve` first, then torchrun again")
    from pipeline.commands import use as choice  # noqa: PLC0415
    from pipeline.stages import resolve  # noqa: PLC0415

    choice.check(Path.cwd())
    resolve.main()


@contextmanager
def _stopping_is_stopping(title: str) -> Iterator[None]:
    """Ctrl-C, SIGTERM, a closed terminal, and the end of DVC or make around it end a stage and all that it has started."""
    from pipeline.running import lifetime  # noqa: PLC0415

    again = "run it again to go on"
    try:
        with lifetime.ended_by_signals():
            yield
    except KeyboardInterrupt:
        raise Interrupted(f"{title}: stopped; {again}") from None
    except SystemExit as end:
        names = {lifetime.code_of(number): number.name for number in lifetime.ENDS}
        if end.code in names:
            with suppress(OSError):  # the terminal may be gone
                click.echo(f"error: {title}: ended by {names[end.code]}; {again}", err=True)
        raise


def _scheduler(command: F) -> F:
    """`--scheduler`, which lasts as long as this process: stages find it in the environment."""

    def choose(_context: click.Context, _option: click.Parameter, address: str | None) -> None:
        if address:
            os.environ["PIPELINE_SCHEDULER"] = address

    text = "Let the workers of this Dask scheduler do it (or PIPELINE_SCHEDULER; docs/clusters.md)."
    return click.option("--scheduler", metavar="tcp://HOST:PORT", help=text, callback=choose, expose_value=False)(command)


@main.command()
def resolve() -> None:
    """Write what each stage reads of params.yaml into data/params, and say what reads otherwise than before."""
    from pipeline.commands import use as choice  # noqa: PLC0415

    choice.check(Path.cwd())
    _run("resolve", "")


@main.command()
@click.argument("dataset")
def download(dataset: str) -> None:
    """Fetch or check the raw files of a data set (demo: make the synthetic ones)."""
    _run("download", dataset)


@main.command()
@click.argument("dataset")
@_scheduler
def normalize(dataset: str) -> None:
    """Turn raw files into the skeleton store, with every repair counted."""
    _run("normalize", dataset)


@main.command()
@click.argument("dataset")
def split(dataset: str) -> None:
    """Divide the samples into train, validation and test by the official protocols."""
    _run("split", dataset)


@main.command()
@click.argument("cell")
@_scheduler
def pretrain(cell: str) -> None:
    """Train the attention networks of a cell (protocol, recipe, method), steps 2 to 7 of Algorithm 1."""
    _run("pretrain", cell)


@main.command()
@click.argument("cell")
@_scheduler
def finetune(cell: str) -> None:
    """Train the main network and everything jointly, steps 8 and 9."""
    _run("finetune", cell)


@main.command()
@click.argument("cell")
@_scheduler
def evaluate(cell: str) -> None:
    """Write logits, accuracy and mean attention on the test samples."""
    _run("evaluate", cell)


@main.command()
@click.argument("dataset")
def report(dataset: str) -> None:
    """Write the report of a data set into `reports/`."""
    _run("report", dataset)


@main.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.option("--to", required=True, type=WRITTEN, help="The copy.")
@click.pass_obj
def stamp(here: Path, /, page: Path, to: Path) -> None:
    """Copy a report.html with the commit, date and machine that it comes from; the report itself has none of them."""
    from pipeline.commands import stamp as work  # noqa: PLC0415

    click.echo(work.main(_seen_from(here, page) or page, _seen_from(here, to) or to))


@main.command()
@click.argument("groups", nargs=-1, required=True)
def use(groups: tuple[str, ...]) -> None:
    """Choose the groups of cells that `dvc repro` runs: rewrites the `use:` line of params.yaml."""
    from pipeline.commands import use as line  # noqa: PLC0415

    click.echo(line.switch(list(groups)))


@main.command()
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
    click.echo(f"{shown(tracking.uri(root))}: added {counts}")


def _models(root: Path) -> None:
    from pipeline import tracking  # noqa: PLC0415
    from pipeline.commands import export  # noqa: PLC0415

    def write(cell: str, path: Path) -> tracking.Exported:
        return tracking.Exported(*export.described(cell, path))

    added, left_out = tracking.add_models(root, tracking.connect(root), write, (PipelineError,))
    for reason in left_out:
        click.echo(f"left out: {reason}", err=True)
    click.echo(f"{added} model(s) logged and registered")


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Fill MLflow and open its pages on this machine (127.0.0.1) until Ctrl-C."""
    from pipeline import tracking  # noqa: PLC0415

    tracking.check_servable(Path.cwd(), port)
    _fill(Path.cwd())
    tracking.serve(Path.cwd(), port)


@main.command()
@click.argument("candidates", nargs=-1)
@click.option("--method", help="Search for another method, in a record of its own.  [default: that of search.cell]")
def search(candidates: tuple[str, ...], method: str | None) -> None:
    """Search for a recipe by nested validation (params.yaml, section search); with names, score these candidates alone."""
    from pipeline.commands import search as nested  # noqa: PLC0415

    _up_to_date()
    nested.main(list(candidates), method)


@main.command()
def answer() -> None:
    """Answer RQ1 to RQ3 over all data sets, from the committed predictions, in `reports/answers/`."""
    from pipeline.commands import answer as work  # noqa: PLC0415

    click.echo(work.main())


@main.command()
@click.argument("datasets", nargs=-1)
@click.option("--accept", is_flag=True, help="Make the present results the baseline instead.")
@click.option("--against", metavar="REV", default="", help="Compare with the baseline that this git revision has.")
@click.option("--accuracy-alone", is_flag=True, help="Test equal predictions like others, too.")
@click.option("--reproduced", is_flag=True, help="Ask instead whether the runs of the same seeds came out as the baseline's.")
def check(datasets: tuple[str, ...], accept: bool, against: str, accuracy_alone: bool, reproduced: bool) -> None:
    """Compare accuracy with the committed baseline; ends with code 1 where it fell (default: the data sets in use)."""
    from pipeline.commands import baseline  # noqa: PLC0415
    from pipeline.commands import check as work  # noqa: PLC0415
    from pipeline.commands import reproduced as same  # noqa: PLC0415

    if accept and (against or accuracy_alone or reproduced):
        raise click.UsageError("--accept goes with no other option")
    if reproduced and accuracy_alone:
        raise click.UsageError("--reproduced looks at bytes first; it does not go with --accuracy-alone")
    _up_to_date()
    if accept:
        baseline.accept(datasets)
    elif reproduced:
        same.main(datasets, against)
    else:
        work.main(datasets, against, bytes_count=not accuracy_alone)


@main.command()
@click.argument("dataset")
@click.option("--to", type=WRITTEN, help="The zip to write [default: <dataset>-results.zip].")
def pack(dataset: str, to: Path | None) -> None:
    """Pack what a reader needs to check the results of a data set: predictions, report, parameters, versions; no recordings."""
    from pipeline.commands import pack as work  # noqa: PLC0415

    click.echo(work.main(dataset, to or Path(f"{dataset}-results.zip")))


@main.command()
@click.argument("cells", nargs=-1)
def knockout(cells: tuple[str, ...]) -> None:
    """Replace the attention of trained networks when they predict, and report what that does (default: cells in use)."""
    from pipeline.commands import knockout as work  # noqa: PLC0415

    _up_to_date()
    work.main(cells)


def _run_of_a_cell(command: F) -> F:
    """`--fold` and `--seed`: which trained run, or runs."""
    seed = "Of the run [default: the cell's first]; several: their mean."
    command = click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, help=seed)(command)
    return click.option("--fold", type=click.IntRange(min=1), default=1, show_default=True, help="Of the trained run.")(command)


@main.command()
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
    _up_to_date()
    for cell in cells:
        click.echo(work.main(cell, work.Run(**run), _seen_from(here, to)))


@main.command()
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
@click.pass_obj
def predict(here: Path, /, files: tuple[Path, ...], file: Path | None, cell: str | None, **options: Any) -> None:
    """Say which actions raw recordings show: files, folders or zips under any names, in the format of the model's data set."""
    to, html = (_seen_from(here, options[name]) for name in ("to", "html"))
    if to and to.suffix not in (".csv", ".json"):
        raise click.UsageError(f"--to {to}: expected a name that ends with .csv or .json")
    if (file is None) == (cell is None):
        known = ", ".join(map(str, sorted(Path("models").glob("*.safetensors")))) or "none"
        raise click.UsageError(f"expected --model FILE or --cell NAME; in models/: {known}")
    if cell:
        _up_to_date()
    from pipeline.commands import predict as work  # noqa: PLC0415
    from pipeline.commands.export import Run  # noqa: PLC0415

    model = work.opened(_seen_from(here, file), cell, Run(options["fold"], options["seeds"]))
    wanted = work.Wanted(to, html, options["clips"], options["allow_unreadable"])
    click.echo(work.main(model, [_seen_from(here, path) or path for path in files], wanted), err=True)


def _seen_from(here: Path, path: Path | None) -> Path | None:
    """A path that the user gave in a folder inside the project, seen from the project's own."""
    return path if path is None or path.is_absolute() or here == Path.cwd() else Path(os.path.relpath(here / path))


@main.command()
@click.argument("cells", nargs=-1)
def saliency(cells: tuple[str, ...]) -> None:
    """Say how much of attention, and of integrated gradients, lies on planted evidence (the demo's cells in use)."""
    from pipeline.commands import saliency as work  # noqa: PLC0415

    _up_to_date()
    work.main(cells)


@main.command()
def doctor() -> None:
    """Look at packages, data, DVC, MLflow, device and cores; a line each, with how to mend it. Code 1 where something must be."""
    from pipeline import tracking  # noqa: PLC0415
    from pipeline.commands import doctor as work  # noqa: PLC0415

    findings = work.main(Path.cwd(), tracking.state)
    for finding in findings:
        click.echo(str(finding))
    sys.exit(int(any(finding.remedy for finding in findings)))


@main.command()
@click.argument("cell")
def trace(cell: str) -> None:
    """Say what a cell's results were made from: commit, data, code, parameters, machine; and how to make them again."""
    from pipeline import tracking  # noqa: PLC0415
    from pipeline.commands import trace as work  # noqa: PLC0415

    for line in work.main(Path.cwd(), cell, tracking.run_of):
        click.echo(shown(line))


@main.command()
def mend() -> None:
    """Repair what a killed DVC left empty or cut: locks, and its note of who is at work."""
    from pipeline.commands import mend as work  # noqa: PLC0415

    for line in work.main(Path.cwd()):
        click.echo(line, err=True)


@main.command()
def plots() -> None:
    """Let `dvc plots show` and `dvc plots diff` draw without a network."""
    from pipeline.commands import plots as work  # noqa: PLC0415

    work.main()


@main.command()
@click.argument("cells", nargs=-1)
@click.option("--fold", type=click.IntRange(min=1), default=1, show_default=True, help="Of the run that is trained again.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the run that is trained again.")
@click.option("--record", is_flag=True, help="Write the table of runs instead, from outputs that DVC's lock vouches for.")
def confirm(cells: tuple[str, ...], fold: int, seed: int, record: bool) -> None:
    """Show that changed code comes to the same bytes, one run a cell, and bring DVC's entries to it (default: cells in use)."""
    from pipeline.commands import confirm as work  # noqa: PLC0415

    _up_to_date()
    if record:
        work.record(cells)
        return
    work.main(cells, fold, seed)


@main.command()
@click.argument("groups", nargs=-1)
def costs(groups: tuple[str, ...]) -> None:
    """Say beforehand what groups of cells take: networks, time and disk, from what was measured (default: those in use)."""
    from pipeline.commands import costs as work  # noqa: PLC0415
    from pipeline.config import params  # noqa: PLC0415

    for line in work.lines(params.load(), groups):
        click.echo(line)


@main.command()
@click.option("--since", type=float, default=0.0, help="Seconds since 1970: only stages that ended later.")
def took(since: float) -> None:
    """Say which stages ran, how long they took and their peak memory, and how many DVC had already."""
    from pipeline.commands import took as work  # noqa: PLC0415
    from pipeline.config import params  # noqa: PLC0415

    for line in work.lines(params.load(), since):
        click.echo(line)


@main.command()
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
                click.echo(f"{protocol}{synthetic}, {recipe}: {ours}")
        click.echo(f"report: {folder / 'report.html'}")
