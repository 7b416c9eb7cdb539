"""What becomes stale when something changes: `dvc status` over the committed pipelines and locks, without training or data.

A stage counts as stale where DVC finds a dependency of it modified. What is merely not there (data, outputs) is no change.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.commands import imports
from pipeline.config import params as parameters
from pipeline.config.resolve import stages_of
from pipeline.core.cell import network_code
from tests.conftest import ROOT, as_git_has_it

GROUPS = ["demo", "sbu", "sbu-switches", "sbu-more", "sbu-earlier"]
REPORTS = {  # reports that anyone can make, since the results behind them are kept: the groups that each is of
    "utkinect": ["utkinect"],
    "sbu": ["sbu", "sbu-switches", "sbu-earlier", "sbu-classic", "sbu-nets"],
}
CONFIG = parameters.load(ROOT / "params.yaml")
CELLS = {name: cell for name, cell in CONFIG.every.items() if cell.group in GROUPS}
TRAIN = ("pretrain", "finetune", "evaluate")
GRAPH = imports.read(ROOT / "pipeline")
BARE = {module.path for module in GRAPH.values() if imports.is_bare_package(module)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as git has it, all groups of the committed locks in use, parameters resolved."""
    folder = tmp_path_factory.mktemp("clone")
    as_git_has_it(folder)
    pipeline(folder, "use", *GROUPS)
    pipeline(folder, "resolve")
    return folder


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pipeline(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", "pipeline", *arguments)


def stale(folder: Path, *targets: str) -> set[str]:
    """The stages with a modified dependency: `pretrain@cell`, `normalize@sbu`, `resolve`."""
    status = json.loads(run(folder, sys.executable, "-m", "dvc", "status", "--json", *targets))
    found = set()
    for name, entries in status.items():
        changed = [deps for entry in entries if isinstance(entry, dict) for deps in entry.get("changed deps", {}).values()]
        if "changed command" in entries or any(what != "deleted" for what in changed):
            cell = re.fullmatch(r"cells/[\w-]+/([\w-]+)/dvc\.yaml:(\w+)", name)
            found.add(f"{cell[2]}@{cell[1]}" if cell else name)
    return found


@pytest.fixture
def after(clone: Path) -> Iterator[Callable[..., set[str]]]:
    """What of the stages that train is stale after a change; every change is taken back."""
    kept: dict[Path, bytes | None] = {}

    def edit(path: str, old: str, new: str) -> None:
        file = clone / path
        kept.setdefault(file, file.read_bytes() if file.exists() else None)
        text = file.read_text() if file.exists() else ""
        assert old in text, f"{path} has no {old!r}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(old, new, 1) if old else text + new)

    def check(*edits: tuple[str, str, str]) -> set[str]:
        for one in edits:
            edit(*one)
        if any(path == "params.yaml" or path.startswith("pipeline/config") for path, _, _ in edits):
            pipeline(clone, "resolve")
        return stale(clone)

    yield check
    for path, content in kept.items():
        path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
    pipeline(clone, "resolve")


def trained(found: set[str]) -> set[str]:
    return {name for name in found if name.split("@")[0] in TRAIN}


def of(stages: tuple[str, ...], wanted: Callable[[str], bool]) -> set[str]:
    """The stages of the cells with a property; a cell has `pretrain` where its attention learns first."""
    own = {name: stages_of(CONFIG.params.methods[cell.method]) for name, cell in CELLS.items()}
    return {f"{stage}@{name}" for name in CELLS if wanted(name) for stage in stages if stage in own[name]}


def method(name: str) -> str:
    return CELLS[name].method


def recipe(name: str) -> dict[str, dict[str, object]]:
    return CONFIG.params.recipes[CELLS[name].recipe]


def test_as_committed_nothing_is_stale(clone: Path) -> None:
    """But `resolve`, since params.yaml as committed uses the demo alone, and SBU's report, which is of other groups."""
    assert len(CELLS) == 56
    assert stale(clone) <= {"resolve", "report@sbu"}


@pytest.mark.parametrize("dataset", REPORTS)
def test_reports_that_anyone_can_make_are_of_the_code_as_it_is(clone: Path, dataset: str) -> None:
    kept = {path.stem for path in (ROOT / "reports/results" / dataset).glob("*.zip")}
    assert {name for name, cell in CONFIG.every.items() if cell.group in REPORTS[dataset]} <= kept
    pipeline(clone, "use", *REPORTS[dataset])
    pipeline(clone, "resolve")
    found = stale(clone, f"report@{dataset}")
    pipeline(clone, "use", *GROUPS)
    pipeline(clone, "resolve")
    assert not found


NEW_PARAMETER = (
    ("params.yaml", "  label_smoothing: 0.0", "  entropy: 0.0  # [ours] new\n  label_smoothing: 0.0"),
    (
        "pipeline/config/sections.py",
        "    label_smoothing: ",
        "    entropy: Annotated[Share, Neutral(0.0)]\n    label_smoothing: ",
    ),
)
NEW_DATASET = (
    ("pipeline/datasets/toys.py", "", '"""Toys."""\n\nPROTOCOLS = {"toys": ("toys", "toys")}\n'),
    ("params.yaml", "protocols:\n", "protocols:\n  toys: {dataset: toys, store: toys}\n"),
    ("params.yaml", "download:\n", 'download:\n  toys:\n    source: ""\n'),
    ("params.yaml", "normalize:\n", "normalize:\n  toys:\n    centre: true\n"),
)
PARTS = ("spatial", "temporal", "staged", "regularised")
NEW_NETWORK = (
    ("pipeline/networks/gru.py", "", '"""GRU."""\n\nNETWORK = None\n'),
    (
        "params.yaml",
        "\nmethods:\n",
        f"\nmethods:\n  gru: {{{', '.join(f'{part}: false' for part in PARTS)}, network: {{kind: gru, hidden: 8}}}}\n",
    ),
)
UNUSED = "\n\nclass Unused(PipelineError):\n    pass\n"


@pytest.mark.parametrize(
    "edits",
    [
        (("pipeline/errors.py", "", UNUSED),),
        (("pipeline/datasets/shared/errors.py", "", UNUSED), ("pipeline/running/errors.py", "", UNUSED)),
        NEW_DATASET,
        NEW_NETWORK,
        (("pipeline/commands/hello.py", "", '"""A command."""\n'), ("pipeline/cli/upkeep.py", "", "\n# and its lines here\n")),
        (("pipeline/report/chapter.py", "", '"""A chapter."""\n'), ("pipeline/report/page.py", "", "\n# and its lines here\n")),
        (("pipeline/running/executors.py", "", "\n# how runs are handed out\n"), ("pipeline/tracking/fill.py", "", "\n# new\n")),
        (("pipeline/results/statistics.py", "", "\n# new\n"), ("pipeline/config/grid.py", "", "\n# new\n")),
        NEW_PARAMETER,
        (("params.yaml", "seeds:\n", "# a comment\nseeds:\n"),),
    ],
    ids=["error", "errors", "data set", "network", "command", "chapter", "running", "results", "neutral parameter", "comment"],
)
def test_nothing_that_trains_is_stale(after: Callable[..., set[str]], edits: tuple[tuple[str, str, str], ...]) -> None:
    assert trained(after(*edits)) == set()


def test_a_parameter_that_a_recipe_sets_is_read_by_the_other_recipes_alone(after: Callable[..., set[str]]) -> None:
    """Recipe demo has its own learning rate; liblinear has no use for one."""
    found = trained(after(("params.yaml", "  learning_rate: 0.003", "  learning_rate: 0.004")))
    svm = ("raw-skeleton-yun2012", "joint-feature-yun2012")
    assert found == of(TRAIN[:2], lambda n: "learning_rate" not in recipe(n).get("training", {}) and method(n) not in svm)
    assert found and not any("@demo-" in name for name in found)


def test_a_parameter_is_read_by_the_methods_that_have_a_use_for_it(after: Callable[..., set[str]]) -> None:
    """lambda1 weighs the spatial term: methods with spatial attention and regularisers, recipes that do not set it."""
    found = trained(after(("params.yaml", "  lambda1: 0.001", "  lambda1: 0.002")))
    methods = CONFIG.params.methods

    def reads(name: str) -> bool:
        own = methods[method(name)]
        return own.spatial and own.regularised and "lambda1" not in recipe(name).get("objective", {})

    assert found == of(TRAIN[:2], reads)
    assert "finetune@sbu-paper-ta-lstm" not in found and "finetune@sbu-paper-sta-lstm" in found


def test_lengths_of_finetuning_leave_pretraining(after: Callable[..., set[str]]) -> None:
    found = trained(after(("params.yaml", "  joint: 40", "  joint: 41")))
    svm = ("raw-skeleton-yun2012", "joint-feature-yun2012")
    assert found == of(("finetune",), lambda n: "joint" not in recipe(n).get("finetune", {}) and method(n) not in svm)


def test_augmentation_is_training_s_alone(after: Callable[..., set[str]]) -> None:
    """No augmentation in the body of params.yaml; with one, all that do not set it are stale, but no evaluation."""
    found = trained(after(("params.yaml", "  noise: 0.0 ", "  noise: 0.01 ")))
    svm = ("raw-skeleton-yun2012", "joint-feature-yun2012")
    assert found == of(TRAIN[:2], lambda n: "noise" not in recipe(n).get("augment", {}) and method(n) not in svm)


@pytest.mark.parametrize(
    "module", ["model/attention.py", "model/objective.py", "training/batches.py", "training/augment.py", "skeletons.py"]
)
def test_what_all_training_shares_makes_all_of_it_stale(after: Callable[..., set[str]], module: str) -> None:
    """The model, the objective, batches, augmentation, the store: a room whose every module enters every weight or prediction."""
    assert trained(after((f"pipeline/core/{module}", "", "\nCHANGED = 1\n"))) == of(TRAIN, lambda n: True)


@pytest.mark.parametrize("stage", TRAIN)
def test_a_stage_s_own_module_is_its_own(after: Callable[..., set[str]], stage: str) -> None:
    assert trained(after((f"pipeline/stages/{stage}.py", "", "\nCHANGED = 1\n"))) == of((stage,), lambda n: True)


@pytest.mark.parametrize(
    ("module", "kinds"),
    [
        ("hbrnn", {"hbrnn"}),
        ("bidirectional", {"hbrnn", "co-occurrence"}),
        ("liblinear", {"window-svm"}),
        ("parts", {"hbrnn", "p-lstm"}),
    ],
)
def test_a_network_is_that_of_its_cells(after: Callable[..., set[str]], module: str, kinds: set[str]) -> None:
    found = trained(after((f"pipeline/networks/{module}.py", "", "\nCHANGED = 1\n")))
    networks = {name: own.network.kind for name, own in CONFIG.params.methods.items() if own.network}
    assert found == of(TRAIN, lambda n: networks.get(method(n)) in kinds) != set()


def test_a_repair_of_one_data_set(after: Callable[..., set[str]], clone: Path) -> None:
    """First what reads its raw files; then, where the store came out otherwise, exactly the cells of that store."""
    found = after(("pipeline/datasets/sbu/dataset.py", "", "\nCHANGED = 1\n"))
    stages = ("download", "normalize", "split", "report")
    assert found - {"resolve"} == {f"{stage}@{dataset}" for stage in stages for dataset in ("sbu", "demo")}, (
        "both read SBU's files"
    )
    store = "data/skeletons/sbu/sbu-file-order/frames.npy"
    assert trained(after((store, "", "other frames"))) == of(TRAIN, lambda n: CELLS[n].store == "sbu-file-order")
    shutil.rmtree(clone / "data/skeletons")


def test_a_protocol(after: Callable[..., set[str]], clone: Path) -> None:
    """Another split: the cells of that protocol."""
    found = after(("data/splits/demo/demo-ntu-cv.csv", "", "fold,name,part\n"))
    assert trained(found) == of(TRAIN, lambda n: CELLS[n].protocol == "demo-ntu-cv") != set()
    shutil.rmtree(clone / "data/splits")


def reached() -> list[tuple[str, str, Path]]:
    """(cell, stage, module) of every module that a stage of a cell imports, for a method of ours and each kind of network."""
    found = []
    for name in ("demo-sbu-sta-lstm", "sbu-paper-hbrnn", "sbu-paper-co-occurrence-rnn", "sbu-paper-raw-skeleton-yun2012"):
        network = CONFIG.params.methods[method(name)].network
        dynamic = {"pipeline.core.training.phases": [f"pipeline.networks.{network.kind.replace('-', '_')}"] if network else []}
        for stage in TRAIN if not network else TRAIN[1:]:
            paths = {GRAPH[n].path for n in imports.closure(f"pipeline.stages.{stage}", GRAPH, dynamic)}
            assert not network or set(network_code(network.kind)) <= paths
            found += [(name, stage, path) for path in sorted(paths - BARE)]
    return found


def test_every_module_that_training_imports_makes_its_stage_stale(clone: Path) -> None:
    """Each module in turn raises an error where it is imported: it could not matter more, and DVC sees it."""
    modules: dict[Path, set[tuple[str, str]]] = {}
    for name, stage, path in reached():
        modules.setdefault(path, set()).add((name, stage))
    assert len(modules) > 25
    targets = [f"cells/{CELLS[n].group}/{n}/dvc.yaml" for n in sorted({n for n, _, _ in reached()})]
    for path, users in modules.items():
        file = clone / path.relative_to(ROOT)
        text = file.read_text()
        file.write_text(text + "\nraise RuntimeError\n")
        found = stale(clone, *targets)
        file.write_text(text)
        assert {f"{stage}@{name}" for name, stage in users} <= found, path
