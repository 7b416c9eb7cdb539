"""What several test files use: the real data where they are, small stores, parameters with small changes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.config import params as parameters
from pipeline.config.resolve import plain
from pipeline.core.settings import Method, Settings
from pipeline.core.skeletons import Meta, Sample, Writer
from pipeline.stages import resolve

ROOT = Path(__file__).parent.parent
META = Meta(
    joints=("head", "left hand", "right hand", "foot"),
    bones=((1, 0), (2, 0), (3, 0)),
    mirror=(0, 2, 1, 3),
    actions=("up", "down", "aside"),
    bodies=2,
    fps=15.0,
    unit="metres",
)


@pytest.fixture(scope="session", autouse=True)
def signals() -> None:
    """Let Ctrl-C and a closed terminal reach the programs under test, also where nohup or a background shell ignores them."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def own_surroundings() -> None:
    """What somebody has set for work of their own, such as where tracking goes or data lie, is not the tests'."""
    for name in [name for name in os.environ if name.startswith("PIPELINE_") or name.endswith("_SOURCE")]:
        del os.environ[name]
    os.environ.pop("MLFLOW_TRACKING_URI", None)


def as_git_has_it(folder: Path) -> None:
    """The committed pipelines, locks, code and reports in a repository of their own: no data, no results."""
    for name in ("pipeline", "cells", "reports"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".dvc").mkdir()
    for name in (".gitignore", ".dvcignore", ".dvc/config", "dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def in_a_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the folder the current one, with the parameters of this project, resolved."""
    shutil.copy(ROOT / "params.yaml", folder)
    monkeypatch.chdir(folder)
    resolve.main()


def document_of_params() -> dict[str, Any]:
    """The content of this project's `params.yaml`."""
    return parameters.read(ROOT / "params.yaml")


def write_params(document: dict[str, Any]) -> None:
    """Make a document the `params.yaml` of the current folder, and resolve it."""
    Path("params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    resolve.main()


def toy_grid(document: dict[str, Any], methods: list[str], **line: object) -> dict[str, Any]:
    """The document with a grid of one protocol `p` of the demo: cells `p-<method>` of recipe paper."""
    own = {"protocols": ["p"], "recipes": ["paper"], "methods": methods, "seeds": "demo", "names": "{protocol}-{method}"}
    document["protocols"] = {"p": {"dataset": "demo", "store": "sbu"}}
    document["grid"] = {"p": [own | line]}
    document["use"] = {"groups": ["p"], "datasets": {"demo": "pipeline/datasets"}}
    return document


@dataclass(frozen=True)
class Plain(Settings):
    """All settings, and any method by its name."""

    methods: dict[str, Method] = field(default_factory=dict)


@pytest.fixture
def real() -> Callable[[str], Path]:
    """A folder of the licensed recordings, or a skip that says so."""

    def folder(name: str) -> Path:
        path = ROOT.parent / "shared" / "data" / name
        if not path.exists():
            pytest.skip(f"the real {name} recordings are not on this machine (looked in ../shared/data)")
        return path

    return folder


@pytest.fixture
def small_params() -> Callable[..., Plain]:
    """The project's settings with a tiny network and short phases; keyword arguments change sections further."""

    def make(**changes: dict[str, object]) -> Plain:
        document = document_of_params()
        small = {
            "model": {"hidden": 8, "attention_hidden": 8},
            "training": {"batch": 4, "unit": "epochs", "fit": "train"},
            "pretrain": {"attention": 2, "main": 2, "tune": 1},
            "finetune": {"main": 2, "joint": 2},
        }
        for overlay in (small, changes):
            document = parameters.overlay(document, overlay, "test")
        params = parameters.build(document).params
        _, settings = plain(params, "sta-lstm")
        own = {f.name: getattr(settings, f.name) for f in fields(Settings)}
        return Plain(**own, methods={name: plain(params, name)[0] for name in params.methods})

    return make


@pytest.fixture
def small_store(tmp_path: Path) -> tuple[Path, Path]:
    """A store of 24 clips of 3 actions that differ in how one hand moves, and a split with all three parts."""
    folder, rng = tmp_path / "store", np.random.default_rng(0)
    split = []
    with Writer(folder, META) as writer:
        for i in range(24):
            action, length = i % 3 + 1, 5 + i % 4
            frames = rng.normal(0, 0.05, (length, 1 + i % 2, 4, 3)).astype(np.float32)
            frames[:, 0, 2, action - 1] += np.linspace(0, 2, length, dtype=np.float32)
            writer.add(Sample(f"clip-{i:02}", i // 6 + 1, 0, 0, 0, 1, action), frames)
            split.append((1, f"clip-{i:02}", "test" if i < 6 else "validation" if i < 12 else "train"))
    table = tmp_path / "split.csv"
    pd.DataFrame(split, columns=["fold", "name", "part"]).to_csv(table, index=False)
    return folder, table


@pytest.fixture
def small_project(small_store: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder, made the current one: two folds of small data, two seeds, tiny networks, cells `p-<method>`."""
    project = tmp_path / "project"
    small = {
        "model": {"hidden": 8, "attention_hidden": 8},
        "training": {"batch": 4},
        "pretrain": {"attention": 1, "main": 1, "tune": 1},
        "finetune": {"main": 1, "joint": 1},
        "evaluate": {"time_bins": 4},
    }
    document = parameters.overlay(document_of_params(), small, "test")
    toy_grid(document, list(document["methods"]))
    document["seeds"]["demo"] = [1, 2]
    folder = project / "data" / "skeletons" / "demo"
    folder.mkdir(parents=True)
    small_store[0].rename(folder / "sbu")
    one = pd.read_csv(small_store[1])
    two = one.assign(fold=2, part=one["part"].map({"train": "test", "test": "train", "validation": "validation"}))
    splits = project / "data" / "splits" / "demo"
    splits.mkdir(parents=True)
    pd.concat([one, two]).to_csv(splits / "p.csv", index=False)
    monkeypatch.chdir(project)
    write_params(document)
    return project
