"""The rules of the house: imports run one way, without circles, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.commands import imports
from tests.conftest import ROOT

LAYERS = [
    {"__main__"},
    {"cli"},
    {"commands"},
    {"stages", "knockout", "saliency", "predict"},
    {"answers"},
    {"report", "tracking"},
    {"networks"},
    {"config", "results"},
    {"datasets"},
    {"running"},
    {"section"},
    {"errors"},
    {"addresses"},
    {"core"},
]
LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer}
GRAPH = imports.read(ROOT / "pipeline")
HEAVY = ("torch", "mlflow", "pandas", "numpy", "scipy", "matplotlib", "dvc")


def part(name: str) -> str:
    """The part of the house that a module belongs to: its file or folder directly under `pipeline/`."""
    return [*name.split("."), ""][1]


def test_every_module_has_its_layer() -> None:
    assert {part(name) for name in GRAPH} - {""} == set(LEVEL)


@pytest.mark.parametrize("name", sorted(GRAPH))
def test_imports_run_downwards(name: str) -> None:
    upwards = [other for other in GRAPH[name].inside if part(other) != part(name) and LEVEL[part(other)] <= LEVEL[part(name)]]
    assert upwards == []


def test_no_circle() -> None:
    assert imports.cycle(GRAPH) is None


@pytest.mark.parametrize("name", sorted(name for name in GRAPH if part(name) == "stages"))
def test_no_stage_imports_another(name: str) -> None:
    assert [other for other in GRAPH[name].inside if part(other) == "stages"] == []


def room(name: str) -> str:
    """The part, and within `core` the folder or file."""
    return ".".join(name.split(".")[1:3]) if part(name) == "core" else part(name)


@pytest.mark.parametrize("name", sorted(name for name in GRAPH if part(name) == "core"))
def test_core_knows_nothing_of_the_rest(name: str) -> None:
    assert {part(other) for other in GRAPH[name].inside} <= {"core"}


@pytest.mark.parametrize("name", sorted(name for name in GRAPH if room(name) == "core.model"))
def test_model_can_be_copied_into_another_project(name: str) -> None:
    assert {room(other) for other in GRAPH[name].inside} <= {"core.model"}
    assert GRAPH[name].outside <= {"torch"} | sys.stdlib_module_names


@pytest.mark.parametrize("name", sorted(name for name in GRAPH if part(name) in ("core", "networks")))
def test_what_trains_knows_nothing_of_parameters_files_and_tools(name: str) -> None:
    tools = {"dvc", "mlflow", "click", "pydantic", "ruamel", "yaml", "tqdm", "distributed"}
    assert GRAPH[name].outside & tools == set()


def test_torch_is_for_models_and_training_alone() -> None:
    users = {room(name) for name, module in GRAPH.items() if "torch" in module.outside}
    assert users == {"core.model", "core.training", "networks", "knockout", "predict", "running", "saliency"}
    running = {name for name, module in GRAPH.items() if part(name) == "running" and "torch" in module.outside}
    assert running == {"pipeline.running.precision", "pipeline.running.ranks", "pipeline.running.runs"}


def importers(wanted: str) -> set[str]:
    """The modules outside of a part that import from it."""
    return {name for name, m in GRAPH.items() if part(name) != wanted and wanted in {part(other) for other in m.inside}}


def test_nothing_but_the_command_line_imports_tracking() -> None:
    assert {part(name) for name in importers("tracking")} == {"cli"}


def test_mlflow_is_for_tracking_alone() -> None:
    assert {part(name) for name, module in GRAPH.items() if "mlflow" in module.outside} == {"tracking"}


def test_report_reads_results_only() -> None:
    reached = {part(other) for name, module in GRAPH.items() if part(name) == "report" for other in module.inside}
    assert reached <= {"report", "config", "core", "datasets", "results", "section"}


@pytest.mark.parametrize("arguments", [["--help"], ["track", "--help"], ["pretrain", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from pipeline.cli import main
main({arguments!r}, standalone_mode=False)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.startswith("Usage: ")
    assert run.stdout.splitlines()[-1] == "[]"


SOURCES = {
    "__init__.py": '"""A package."""\n__version__ = "1"\n',
    "a.py": "import os\nfrom typing import TYPE_CHECKING\nfrom small import b\nif TYPE_CHECKING:\n    from small import d\n",
    "b.py": "def f():\n    from .inner import x\n    import torch.nn as nn\n",
    "d.py": "from small.b import f\n",
    "inner/__init__.py": "from small.inner.x import y\n",
    "inner/x.py": "y = 1\n",
    "lazy/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import small.d\ndef __getattr__(name): ...\n",
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        path = tmp_path / "small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "small"


def test_graph_of_a_known_package(small: Path) -> None:
    graph = imports.read(small)
    edges = {(name, other) for name, module in graph.items() for other in module.inside}
    s = "small"
    assert edges == {(f"{s}.a", f"{s}.b"), (f"{s}.b", f"{s}.inner.x"), (f"{s}.d", f"{s}.b"), (f"{s}.inner", f"{s}.inner.x")}
    assert (graph["small.a"].outside, graph["small.b"].outside) == ({"os", "typing"}, {"torch"})
    assert imports.closure("small.a", graph) == {"small", "small.a", "small.b", "small.inner", "small.inner.x"}
    assert "small.d" in imports.closure("small.a", graph, {"small.b": ["small.d"]})
    bare = [imports.is_bare_package(graph[name]) for name in ("small", "small.lazy", "small.inner", "small.a")]
    assert bare == [True, True, False, False]


def test_circle_in_a_known_package(small: Path) -> None:
    assert imports.cycle(imports.read(small)) is None
    (small / "inner" / "x.py").write_text("def f():\n    from small import d\n")
    found = imports.cycle(imports.read(small))
    assert found is not None
    assert set(found) == {"small.d", "small.b", "small.inner.x"}
    graph = imports.read(small)
    assert all(earlier in graph[later].inside for earlier, later in pairwise(found))
