"""How the command line runs a stage: alone at its place, up to date, and ended by what should end it."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path

import click

from pipeline.core.errors import Interrupted, PipelineError

TRAIN = ("pretrain", "finetune")


def run(stage: str, target: str) -> None:
    """Run a stage of a data set or cell; of a cell, its runs on all cores and with MLflow beside it while it trains."""
    from pipeline.commands import took  # noqa: PLC0415
    from pipeline.core.training.ranks import is_main  # noqa: PLC0415
    from pipeline.running.alone import alone  # noqa: PLC0415

    only = alone(target, stage) if is_main() else nullcontext()
    with _stopping_is_stopping(f"{stage} {target}".rstrip()), only, took.measured(stage, target):
        work = importlib.import_module(f"pipeline.stages.{stage}").main  # long imports, in which Ctrl-C may be lost
        if stage != "resolve":
            up_to_date()
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


def up_to_date() -> None:
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
    # What the command itself says may be a table for another program; a first time is no news beside it.
    with redirect_stdout(sys.stderr if made.exists() else io.StringIO()):
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
