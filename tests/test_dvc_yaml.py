"""dvc.yaml against the source: a stage depends on exactly the modules that it imports, and on its own parameters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import cli
from tests import import_graph
from tests.conftest import ROOT

STAGES = ["download", "normalize", "split", "pretrain", "finetune", "evaluate", "report"]
DOCUMENT = yaml.safe_load((ROOT / "dvc.yaml").read_text())
GRAPH = import_graph.read(ROOT / "pipeline")
DYNAMIC = {"pipeline.datasets": [name for name in GRAPH if name.startswith("pipeline.datasets.")]}  # `datasets.load`


def body(stage: str) -> dict[str, Any]:
    """What a stage says, with or without `foreach`."""
    definition: dict[str, Any] = DOCUMENT["stages"][stage]
    return definition.get("do", definition)


def listed(stage: str) -> set[Path]:
    """The project's modules among a stage's dependencies, folders taken apart."""
    paths = [ROOT / dep for dep in body(stage)["deps"] if str(dep).startswith("pipeline/")]
    assert [path for path in paths if not path.exists()] == []
    files = {file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))}
    bare = {module.path for module in GRAPH.values() if import_graph.is_bare_package(module)}
    return {file.relative_to(ROOT) for file in files - bare if file.suffix == ".py"}


def imported(stage: str) -> set[Path]:
    """The modules that a stage runs; an `__init__.py` without code is none."""
    names = import_graph.closure(f"pipeline.stages.{stage}", GRAPH, DYNAMIC)
    return {GRAPH[name].path.relative_to(ROOT) for name in names if not import_graph.is_bare_package(GRAPH[name])}


def test_stages_are_the_seven() -> None:
    assert list(DOCUMENT["stages"]) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_dependencies_are_what_the_stage_imports(stage: str) -> None:
    wanted, found = imported(stage), listed(stage)
    assert {"missing": sorted(map(str, wanted - found)), "not imported": sorted(map(str, found - wanted))} == {
        "missing": [],
        "not imported": [],
    }


@pytest.mark.parametrize("stage", STAGES)
def test_command_line_and_tracking_retrain_nothing(stage: str) -> None:
    parts = {path.parts[1] for path in listed(stage)}
    assert parts.isdisjoint({"cli.py", "__main__.py", "tracking"})
    assert f"pipeline/stages/{stage}.py" in map(str, listed(stage))


def sections(stage: str) -> set[str]:
    """The sections of params.yaml among a stage's parameters."""
    entries = [next(iter(entry.values())) if isinstance(entry, dict) else [entry] for entry in body(stage)["params"]]
    return {name.split(".")[0] for names in entries for name in names}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_its_own_parameters(stage: str) -> None:
    assert stage in sections(stage)


def test_every_section_of_the_parameters_is_some_stages_or_a_commands_own() -> None:
    whole = set(yaml.safe_load((ROOT / "params.yaml").read_text()))
    own = {"check", "search"}
    assert set().union(*map(sections, STAGES)) == whole - own - {"cells"}  # what runs of the cells is in `use`
    assert own <= whole & cli.main.commands.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_one_line_says_whether_what_is_made_of_recordings_may_be_pushed(stage: str) -> None:
    line = DOCUMENT["vars"][0]["licensed"]
    assert line == {"push": False}
    options = [value for out in body(stage)["outs"] for value in out.values()]
    assert [value for value in options if value is not line and value.get("cache", True)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_command_is_the_stage(stage: str) -> None:
    assert body(stage)["cmd"].startswith(f"python -m pipeline {stage} ${{")


def test_dvc_understands_the_file() -> None:
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "-m", "dvc", "stage", "list", "--name-only"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert {name.split("@")[0] for name in run.stdout.split()} == set(STAGES)
