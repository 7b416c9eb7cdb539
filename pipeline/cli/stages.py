"""The commands of the stages, one each, in the order in which DVC runs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.cli.running import run

F = TypeVar("F", bound=Callable[..., Any])


def _scheduler(command: F) -> F:
    """`--scheduler`, which lasts as long as this process: stages find it in the environment."""

    def choose(_context: click.Context, _option: click.Parameter, address: str | None) -> None:
        if address:
            os.environ["PIPELINE_SCHEDULER"] = address

    text = "Let the workers of this Dask scheduler do it (or PIPELINE_SCHEDULER; docs/clusters.md)."
    return click.option("--scheduler", metavar="tcp://HOST:PORT", help=text, callback=choose, expose_value=False)(command)


@click.command()
def resolve() -> None:
    """Write what each stage reads of params.yaml into data/params, and say what reads otherwise than before."""
    from pipeline.commands import use as choice  # noqa: PLC0415

    choice.check(Path.cwd())
    run("resolve", "")


@click.command()
@click.argument("dataset")
def download(dataset: str) -> None:
    """Fetch or check the raw files of a data set (demo: make the synthetic ones)."""
    run("download", dataset)


@click.command()
@click.argument("dataset")
@_scheduler
def normalize(dataset: str) -> None:
    """Turn raw files into the skeleton store, with every repair counted."""
    run("normalize", dataset)


@click.command()
@click.argument("dataset")
def split(dataset: str) -> None:
    """Divide the samples into train, validation and test by the official protocols."""
    run("split", dataset)


@click.command()
@click.argument("cell")
@_scheduler
def pretrain(cell: str) -> None:
    """Train the attention networks of a cell (protocol, recipe, method), steps 2 to 7 of Algorithm 1."""
    run("pretrain", cell)


@click.command()
@click.argument("cell")
@_scheduler
def finetune(cell: str) -> None:
    """Train the main network and everything jointly, steps 8 and 9."""
    run("finetune", cell)


@click.command()
@click.argument("cell")
@_scheduler
def evaluate(cell: str) -> None:
    """Write logits, accuracy and mean attention on the test samples."""
    run("evaluate", cell)


@click.command()
@click.argument("dataset")
def report(dataset: str) -> None:
    """Write the report of a data set into `reports/`."""
    run("report", dataset)


COMMANDS = (resolve, download, normalize, split, pretrain, finetune, evaluate, report)
