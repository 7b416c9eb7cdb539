"""A small project on synthetic data for trials of robustness: one cell, one seed, tiny networks, trained in seconds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import params as parameters
from pipeline.stages import download, evaluate, finetune, normalize, pretrain, resolve, split

ROOT = Path(__file__).parents[1]
CELL = "p-sta-lstm"
LENGTHS: dict[str, dict[str, Any]] = {
    "model": {"hidden": 8, "attention_hidden": 8},
    "pretrain": {"attention": 1, "main": 1, "tune": 1},
    "finetune": {"main": 1, "joint": 1},
    "evaluate": {"time_bins": 4},
}


def document(changes: dict[str, dict[str, Any]] = LENGTHS) -> dict[str, Any]:
    """The `params.yaml` of this project with the one cell `p-sta-lstm` on the demo's SBU files, and other settings."""
    made = parameters.overlay(parameters.read(ROOT / "params.yaml"), changes, "small project")
    line = {"protocols": ["demo-sbu"], "recipes": ["paper"], "methods": ["sta-lstm"], "seeds": "demo", "names": "p-{method}"}
    made["grid"], made["seeds"]["demo"] = {"p": [line]}, [1]
    made["use"] = {"groups": ["p"], "datasets": {"demo": "pipeline/datasets"}}
    return made


def make(folder: Path, trained: bool = True) -> None:
    """Write it into the current folder, which is `folder`: parameters, raw files, stores, splits, and what training leaves."""
    shutil.copytree(ROOT / "reports", folder / "reports", ignore=shutil.ignore_patterns("baseline", "runs", "figures"))
    shutil.copy(ROOT / "dvc.yaml", folder)
    write(document())
    for stage in (download, normalize, split):
        stage.main("demo")
    for stage in (pretrain, finetune, evaluate) if trained else ():
        stage.main(CELL)


def write(made: dict[str, Any]) -> None:
    """Make it the `params.yaml` of the current folder, and resolve it."""
    Path("params.yaml").write_text(yaml.safe_dump(made, sort_keys=False))
    resolve.main()
