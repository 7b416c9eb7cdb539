"""Command `confirm`: one run of a cell shows that changed code comes to the same bytes; only then DVC's entries follow it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline.commands import recorded
from pipeline.commands.use import switch
from pipeline.config import params as parameters
from tests.conftest import ROOT, document_of_params, toy_grid

CELL, LOCK = "p-sta-lstm", "cells/p/p-sta-lstm/dvc.lock"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH": str(folder), "PIPELINE_TRACK": "off", "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=folder, env=os.environ | own, capture_output=True, text=True, check=False)


def ok(folder: Path, *command: str) -> str:
    done = run(folder, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def confirm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", "pipeline", "confirm", *arguments)


def dvc(folder: Path, *arguments: str) -> str:
    return ok(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two cells of a toy protocol, made up to `evaluate` by DVC, its runs recorded."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".dvc").mkdir()
    for name in (".gitignore", ".dvcignore", ".dvc/config", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    small = {
        "model": {"hidden": 8, "attention_hidden": 8},
        "pretrain": {"attention": 1, "main": 1, "tune": 1},
        "finetune": {"main": 2, "joint": 2},
    }
    document = toy_grid(parameters.overlay(document_of_params(), small, "test"), ["lstm", "sta-lstm"])
    document["seeds"]["demo"] = [1, 2]
    (folder / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    ok(folder, "git", "init", "-q")
    assert "p-lstm, p-sta-lstm" in switch(["p"], folder / "params.yaml")
    ok(folder, sys.executable, "-m", "pipeline", "resolve")
    ok(folder, sys.executable, "-c", STORE)
    for name in ("p-lstm", CELL):
        dvc(folder, "repro", "-q", "--single-item", f"cells/p/{name}/dvc.yaml")
    assert confirm(folder, "--record").stdout == "reports/runs/demo.csv: 8 runs of 2 cells\n"
    return folder


STORE = """
from pathlib import Path
import numpy as np, pandas as pd
from pipeline.core.skeletons import Sample, Writer, Meta
META = Meta(joints=("a", "b"), bones=((1, 0),), mirror=(0, 1), actions=("x", "y"), bodies=1, fps=1.0, unit="m")
rng, rows = np.random.default_rng(0), []
with Writer(Path("data/skeletons/demo/sbu"), META) as writer:
    for i in range(12):
        clip = rng.normal(0, 0.1, (6, 1, 2, 3)).astype("float32")
        clip[:, 0, 1, i % 2] += np.linspace(0, 1, 6, dtype="float32")
        writer.add(Sample(f"c{i}", i, 0, 0, 0, 1, i % 2 + 1), clip)
        rows += [(f, f"c{i}", "test" if i % 2 + 1 == f else "train" if i > 3 else "validation") for f in (1, 2)]
Path("data/splits/demo").mkdir(parents=True)
pd.DataFrame(rows, columns=["fold", "name", "part"]).to_csv("data/splits/demo/p.csv", index=False)
"""


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """A copy without outputs, as a clone has it: entries, the table and the data alone."""
    folder = shutil.copytree(trained, tmp_path / "clone", ignore=shutil.ignore_patterns("runs_", "cache", "tmp"))
    for made in ("runs", "results"):
        shutil.rmtree(folder / "data" / made)
    return folder


def edit(folder: Path, path: str, old: str, new: str) -> None:
    text = (folder / path).read_text()
    assert old in text
    (folder / path).write_text(text.replace(old, new, 1))


def test_the_table_has_what_the_files_have(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    table = recorded.read("demo")
    runs = [[cell, fold, seed] for cell in ("p-lstm", CELL) for fold in (1, 2) for seed in (1, 2)]
    assert table[["cell", "fold", "seed"]].to_numpy().tolist() == runs
    assert set(table["evidence"]) == {"cell"} and set(table.loc[table["cell"] == "p-lstm", "pretrain"]) == {""}
    first = table[(table["cell"] == CELL) & (table["fold"] == 2) & (table["seed"] == 1)].iloc[0]
    weights = Path("data/runs/demo/p-sta-lstm/finetune/weights/fold-2-seed-1/model.pt")
    assert ok(trained, "sha256sum", str(weights)).startswith(first["finetune"])
    history = pd.read_csv("data/results/demo/p-sta-lstm/history.csv", dtype=str)
    own = history[(history["fold"] == "2") & (history["seed"] == "1")]
    assert len(own) == 6 + 4 and first["loss"] == own["loss"].iloc[-1] and len(first["epochs"].split()) == 4  # 1, 2, 4, 8
    predictions = pd.read_csv("data/results/demo/p-sta-lstm/evaluate/predictions.csv")
    right = predictions[(predictions["fold"] == 2) & (predictions["seed"] == 1)]
    assert int(first["right"]) == (right["label"] == right["predicted"]).sum()


def test_code_that_changes_no_number_is_confirmed_in_a_clone_without_outputs(project: Path) -> None:
    before = (project / LOCK).read_text()
    edit(project, "pipeline/core/model/attention.py", "import torch\n", "import torch  # a comment\n")
    assert "pipeline/core" in dvc(project, "status", "cells/p/p-sta-lstm/dvc.yaml")
    done = confirm(project, "--fold", "2", "--seed", "2")
    assert done.returncode == 0, done.stderr
    assert "p-sta-lstm: fold 2, seed 2: weights, history and predictions as recorded; entries follow the code" in done.stdout
    assert done.stdout.endswith("confirmed 2 cell(s); 0 had nothing to confirm\n")
    after = (project / LOCK).read_text()
    assert "pipeline/core" not in dvc(project, "status", "cells/p/p-sta-lstm/dvc.yaml")
    changed = [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(changed) == 3 * 2, "hash and size of the code, in three stages; outputs and data as they were"
    assert confirm(project).stdout == "confirmed 0 cell(s); 2 had nothing to confirm\n"
    assert not (project / "data/runs").exists() and not (project / ".work/confirm").exists()


def test_a_number_that_changed_is_named_and_nothing_is_written(project: Path) -> None:
    """The learning rate of the third epoch on is another: what came before is the same."""
    locks = {path: path.read_bytes() for path in project.glob("cells/*/*/dvc.lock")}
    edit(project, "pipeline/core/training/loop.py", "rate * group", "(rate if rate > 0.0029 else 2 * rate) * group")
    done = confirm(project)
    assert done.returncode == 1
    assert "nothing was written; 2 cell(s) cannot be confirmed:" in done.stderr
    assert "p-lstm: finetune, history, predictions differ; the history first differs in epoch " in done.stderr
    assert "last loss " in done.stderr and "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in locks} == locks


def test_a_cell_whose_parameters_changed_is_for_repro(project: Path) -> None:
    edit(project, "params.yaml", "hidden: 8", "hidden: 9")
    edit(project, "pipeline/core/model/attention.py", "import torch\n", "import torch  # a comment\n")
    done = confirm(project, CELL)
    assert done.returncode == 1
    assert f"{CELL}: stale through more than code (pretrain: data/params/p-sta-lstm/pretrain.json" in done.stderr
    assert "`dvc repro cells/p/p-sta-lstm/dvc.yaml` trains it" in done.stderr


def test_without_data_or_a_recorded_run_it_says_what_to_do(project: Path) -> None:
    edit(project, "pipeline/core/model/attention.py", "import torch\n", "import torch  # a comment\n")
    assert "no run of fold 1, seed 3 of p-sta-lstm; it has [[1, 1], [1, 2], " in confirm(project, CELL, "--seed", "3").stderr
    shutil.rmtree(project / "data/skeletons")
    assert "expected the data of p-sta-lstm, found none; run `dvc repro split@demo` first" in confirm(project, CELL).stderr


def test_only_what_the_lock_vouches_for_is_recorded(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "copy")
    weights = folder / "data/runs/demo/p-sta-lstm/finetune/weights/fold-1-seed-1/model.pt"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes() + b"x")
    done = confirm(folder, "--record", CELL)
    assert done.returncode == 1 and "data/runs/demo/p-sta-lstm/finetune: not on disk as DVC's lock has it" in done.stderr
    assert confirm(folder, "--record").stdout == "reports/runs/demo.csv: 4 runs of 1 cells\n"


@pytest.mark.parametrize(
    ("before", "now", "where"),
    [("a b c d", "a b c e", "5 to 8"), ("a b c", "x b c", "1"), ("a b c", "a x y", "2"), ("a b", "a b", "3 to 4")],
)
def test_where_a_history_first_differs(before: str, now: str, where: str) -> None:
    """Digests of the first 1, 2, 4, 8 lines."""
    row = {"pretrain": "", "finetune": "1", "predictions": "1", "loss": "0.5", "right": "3"}
    text = recorded.differences(row | {"history": "1", "epochs": before}, row | {"history": "2", "epochs": now, "loss": "0.6"})
    assert text == (
        f"history differ; the history first differs in epoch {where}; last loss 0.6, recorded 0.5;"
        " 3 test samples right, recorded 3"
    )
    assert recorded.differences(row | {"history": "1", "epochs": before}, row | {"history": "1", "epochs": before}) == ""


def test_results_of_other_parameters_are_not_packed(trained: Path, tmp_path: Path) -> None:
    """By DVC's locks, before anything else is looked at: `check`, `pack` and whatever uses results or weights."""
    folder = shutil.copytree(trained, tmp_path / "whole", ignore=shutil.ignore_patterns("cache", "tmp"))
    assert "expected a report of these results" in pack(folder)
    document = yaml.safe_load((folder / "params.yaml").read_text())
    document["finetune"]["joint"] = 3
    (folder / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    said = pack(folder)
    assert "results are not those of the parameters, data and code that are here; run `dvc repro` first:" in said
    assert "cells/p/p-lstm/dvc.yaml:finetune: data/params/p-lstm/finetune.json" in said


def pack(folder: Path) -> str:
    return run(folder, sys.executable, "-m", "pipeline", "pack", "demo").stderr


def test_other_kernels_are_named_beside_a_difference() -> None:
    assert recorded.about("AVX512", "AVX512") == ""
    said = recorded.about("AVX512", "AVX2")
    assert (
        said
        == "; recorded with torch's kernels for AVX512, here they are those for AVX2, which round otherwise: confirm it there"
    )
    assert recorded.about("", "AVX2").endswith("here they are those for AVX2: others round otherwise")


def test_a_table_from_before_the_kernels_were_noted_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reports/runs").mkdir(parents=True)
    Path("reports/runs/old.csv").write_text(",".join(recorded.ALL[:-1]) + "\nc,1,2,,a,b,c,0.5,d,7,cell\n")
    (row,) = recorded.read("old").to_dict("records")
    assert (row["cell"], row["fold"], row["right"], row["kernels"]) == ("c", 1, "7", "")
