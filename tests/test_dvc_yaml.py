"""dvc.yaml and the cells' pipelines against the source: a stage depends on exactly the modules that it imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli
from pipeline.commands import imports, pipelines
from pipeline.config import params as parameters
from pipeline.config.resolve import stages_of, switches
from pipeline.core.settings import Method
from tests.conftest import ROOT

OF_DATASETS = ["download", "normalize", "split", "report"]
OF_CELLS = ["pretrain", "finetune", "evaluate"]
DOCUMENT = parameters.parse((ROOT / "dvc.yaml").read_text())
CONFIG = parameters.load(ROOT / "params.yaml")
GRAPH = imports.read(ROOT / "pipeline")
REGISTRY = "pipeline.datasets.shared.registry"  # imports a data set by its name
BARE = {module.path for module in GRAPH.values() if imports.is_bare_package(module)}


def body(stage: str) -> dict[str, Any]:
    """What a stage of the root says, with or without `foreach`."""
    definition: dict[str, Any] = DOCUMENT["stages"][stage]
    return definition.get("do", definition)


def files(deps: list[str]) -> set[Path]:
    """The modules among dependencies, folders taken apart."""
    paths = [ROOT / dep for dep in deps if dep.startswith("pipeline/")]
    assert [path for path in paths if not path.exists()] == []
    found = {file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))}
    return {file.relative_to(ROOT) for file in found - BARE if file.suffix == ".py"}


def imported(stage: str, dynamic: dict[str, list[str]]) -> set[Path]:
    """The modules that a stage runs; an `__init__.py` without code is none."""
    names = imports.closure(f"pipeline.stages.{stage}", GRAPH, dynamic)
    return {GRAPH[name].path.relative_to(ROOT) for name in names if GRAPH[name].path not in BARE}


def compared(wanted: set[Path], found: set[Path]) -> dict[str, list[str]]:
    return {"missing": sorted(map(str, wanted - found)), "not imported": sorted(map(str, found - wanted))}


EQUAL: dict[str, list[str]] = {"missing": [], "not imported": []}


def test_stages_are_the_seven_and_resolve() -> None:
    assert list(DOCUMENT["stages"]) == ["resolve", *OF_DATASETS]


@pytest.mark.parametrize("stage", ["resolve", *OF_DATASETS])
def test_dependencies_are_what_a_stage_of_data_sets_imports(stage: str) -> None:
    """With the demo, which reads the formats of the others, as the data set."""
    every = [name for name in GRAPH if name.startswith("pipeline.datasets.")]
    wanted = imported(stage, {REGISTRY: every})
    found = files([dep.replace("${item}", "pipeline/datasets") for dep in body(stage)["deps"]])
    assert compared(wanted, found) == EQUAL


OWN = ("sbu", "ntu", "florence3d", "utkinect", "nw_ucla")


@pytest.mark.parametrize(("dataset", "code"), [*((name, name) for name in OWN), ("ntu120", ""), ("demo", "")])
def test_code_of_a_data_set(dataset: str, code: str) -> None:
    """Its own folder, unless it reads the formats of others; what it reads is then inside of what it names."""
    place = pipelines.code_of_dataset(dataset)
    assert place == f"pipeline/datasets/{code}".rstrip("/")
    own = {GRAPH[n].path.relative_to(ROOT) for n in imports.closure(f"pipeline.datasets.{dataset}.dataset", GRAPH)}
    foreign = [path for path in own if path.parts[1] == "datasets" and path.parts[2] != "shared"]
    assert [path for path in foreign if not str(path).startswith(place) and ROOT / path not in BARE] == []


def methods() -> list[tuple[str, str]]:
    return [(name, stage) for name, method in CONFIG.params.methods.items() for stage in stages_of(method)]


@pytest.mark.parametrize(("name", "stage"), methods())
def test_dependencies_are_what_a_stage_of_cells_imports(name: str, stage: str) -> None:
    """The core, the stage's own module, and the network of the method: no other network, nothing that hands out runs."""
    method = Method(**switches(CONFIG.params.methods[name]))
    kind = [f"pipeline.networks.{method.network['kind'].replace('-', '_')}"] if method.network else []
    wanted = imported(stage, {"pipeline.core.training.phases": kind})
    assert compared(wanted, files(pipelines.code(method, stage))) == EQUAL
    assert {path.parts[1] for path in wanted} <= {"core", "stages", "networks"}


def committed() -> list[Path]:
    return sorted((ROOT / "cells").glob("*/*/dvc.yaml"))


def test_committed_pipelines_are_those_of_the_grid() -> None:
    assert committed(), "the demo's at least"
    for path in committed():
        assert path.read_text() == pipelines.pipeline_of(CONFIG, path.parent.name, push=False), (
            f"run use {path.parent.parent.name}"
        )
        assert CONFIG.every[path.parent.name].group == path.parent.parent.name


@pytest.mark.parametrize("name", ["sbu-paper-sta-lstm", "sbu-paper-lstm", "sbu-tuned-hbrnn"])
def test_pipeline_of_a_cell(name: str) -> None:
    stages = parameters.parse(pipelines.pipeline_of(CONFIG, name, push=False))["stages"]
    assert list(stages) == (OF_CELLS if name.endswith("sta-lstm") else OF_CELLS[1:])
    for stage, what in stages.items():
        assert what["cmd"] == f"python -m pipeline {stage} {name}"
        assert f"data/params/{name}/{stage}.json" in what["deps"]
        assert {"data/skeletons/sbu/sbu", "data/splits/sbu/sbu.csv"} <= set(what["deps"])
        assert all(list(out.values()) == [{"push": False}] for out in what["outs"])
    assert f"data/runs/sbu/{name}/finetune" in stages["evaluate"]["deps"]
    assert (f"data/runs/sbu/{name}/pretrain" in stages["finetune"]["deps"]) == ("pretrain" in stages)
    assert ("pipeline/networks/hbrnn.py" in stages["finetune"]["deps"]) == (name == "sbu-tuned-hbrnn")


def test_groups_that_are_not_in_use_are_hidden_and_other_lines_stay() -> None:
    text = pipelines.ignored("*.pyc\n/cells/*\n!/cells/demo/\n.venv/\n", ["sbu", "sbu-more"])
    assert text == "*.pyc\n.venv/\n/cells/*\n!/cells/sbu\n!/cells/sbu-more\n"
    assert pipelines.ignored(text, ["sbu", "sbu-more"]) == text
    used = "".join(f"!/cells/{group}\n" for group in CONFIG.params.use.groups)
    assert (ROOT / ".dvcignore").read_text().endswith(f"/cells/*\n{used}")


def test_every_section_of_the_parameters_is_some_stages_or_a_commands_own() -> None:
    """What is no stage's and no command's says what runs, or with which settings."""
    whole = set(parameters.read(ROOT / "params.yaml"))
    settings = {"protocols", "grid", "use", "seeds", "recipes", "methods", "model", "objective", "training", "augment"}
    stages = {*OF_DATASETS, *OF_CELLS}
    commands = {"answer", "check", "search", "knockout", "saliency"}
    assert whole - settings - stages == commands <= cli.main.commands.keys()
    assert stages <= whole & cli.main.commands.keys()


@pytest.mark.parametrize("stage", OF_DATASETS)
def test_one_line_says_whether_what_is_made_of_recordings_may_be_pushed(stage: str) -> None:
    line = DOCUMENT["vars"][0]["licensed"]
    assert line == {"push": False}
    options = [value for out in body(stage)["outs"] for value in out.values()]
    assert [value for value in options if value is not line and value.get("cache", True)] == []


@pytest.mark.parametrize("stage", OF_DATASETS)
def test_command_is_the_stage(stage: str) -> None:
    assert body(stage)["cmd"] == f"python -m pipeline {stage} ${{key}}"
    assert f"data/params/${{key}}/{stage}.json" in body(stage)["deps"]
    assert f"pipeline/stages/{stage}.py" in body(stage)["deps"]


def test_dvc_understands_the_files() -> None:
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "-m", "dvc", "stage", "list", "--all", "--name-only"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    names = {name.split(":")[-1].split("@")[0] for name in run.stdout.split()}
    assert names == {"resolve", *OF_DATASETS, *OF_CELLS}


def test_committed_settings_hold_no_path() -> None:
    """Cases D1 and D2: a relative one is another folder for a queue, a temporary copy and a subfolder."""
    text = (ROOT / ".dvc" / "config").read_text()
    assert [line.split("=")[0].strip() for line in text.splitlines() if "=" in line] == ["analytics", "check_update"]


def test_what_dvc_hashes_is_the_same_whatever_git_does_with_line_ends(tmp_path: Path) -> None:
    """Case D9."""
    first, clone = tmp_path / "first", tmp_path / "clone"
    first.mkdir()
    (first / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    (first / "code.py").write_bytes(b"a = 1\nb = 2\n")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], cwd=first, check=True)
    subprocess.run(["git", "clone", "-q", "-c", "core.autocrlf=true", str(first), str(clone)], check=True)
    assert (clone / "code.py").read_bytes() == b"a = 1\nb = 2\n"
