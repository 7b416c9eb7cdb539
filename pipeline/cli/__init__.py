"""The command line: one command a stage, plus the ones around them. Heavy packages are imported inside the commands."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from pipeline.addresses import shown
from pipeline.cli import results, stages, upkeep
from pipeline.core.errors import UNWRITABLE, Interrupted, PipelineError, unwritable

# Before anything heavy is imported: no telemetry, one thread a process (two OpenMP pools on two cores are many times slower).
os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
os.environ["MPLBACKEND"] = "agg"  # no window is ever opened; a notebook hands down a backend that is not there
# For the processes that train: a step frees and asks again for the same tensors; glibc keeps that memory instead of giving it
# back to the system every time, which changes no number and makes a step faster (benchmarks/train_step.py).
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32), "MALLOC_TOP_PAD_": str(1 << 26)}
for _name, _size in MEMORY.items():
    os.environ.setdefault(_name, _size)
PLATFORM = sys.platform


class Group(click.Group):
    """Shows a `PipelineError`, or a disk that is full, as a message without stack trace and secrets, and exits with its code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program, with streams that can say every letter, whatever the terminal or the log takes."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **extra)

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


for _command in (*stages.COMMANDS, *results.COMMANDS, *upkeep.COMMANDS):
    main.add_command(_command)
