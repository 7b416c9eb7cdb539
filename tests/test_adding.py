"""The examples of docs/adding.md, as a user copies them: they run, and make no other cell stale."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "adding.md").read_text()
BLOCKS = re.findall(r"```(python|yaml)\n(.*?)```", PAGE, re.DOTALL)
DATASET, DATASET_LINES, NETWORK, NETWORK_LINES = (text for _, text in BLOCKS)
SMALL = {"pretrain: {attention: 6, main: 1, tune: 1}": "pretrain: {attention: 1, main: 1, tune: 1}"}
SMALL |= {"finetune: {main: 8, joint: 14}": "finetune: {main: 2, joint: 2}"}


def add_lines(document: str, lines: str) -> str:
    """Put each section's lines below the section's head, as the page says."""
    for section, body in re.findall(r"(?m)^(\w+):\n((?:  .*\n)+)", lines):
        document, count = re.subn(rf"(?m)^{section}:\n", lambda _, s=section, b=body: f"{s}:\n{b}", document)
        assert count == 1
    return document


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with both examples added, the recipe demo made short, and a folder of made-up clips beside it."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "reports", folder / "reports", ignore=shutil.ignore_patterns("sbu", "demo"))
    (folder / ".dvc").mkdir()
    for name in (".gitignore", ".dvcignore", ".dvc/config", "dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "pipeline/datasets/gestures.py").write_text(DATASET)
    (folder / "pipeline/networks/gru.py").write_text(NETWORK)
    text = add_lines(add_lines((folder / "params.yaml").read_text(), DATASET_LINES), NETWORK_LINES)
    for long, short in SMALL.items():
        assert long in text
        text = text.replace(long, short)
    line = "{protocols: [gestures], recipes: [demo], methods: [lstm, sta-lstm]"
    assert line in text
    text = text.replace(line, line.replace("sta-lstm]", "sta-lstm, gru]"))
    (folder / "params.yaml").write_text(text)
    clips(tmp_path / "clips")
    run(folder, "git", "init", "-q")
    return folder


def clips(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(1)
    for subject in range(1, 7):
        for action in (1, 2, 3):
            for take in (1, 2):
                frames = rng.normal(0, 0.05, (8, 9))
                frames[:, 3 * action - 1] += np.linspace(0, 1, 8)
                np.savetxt(folder / f"s{subject}_a{action}_t{take}.csv", frames, delimiter=",", fmt="%.4f")


def run(folder: Path, *command: str) -> str:
    own = {
        "PYTHONPATH": str(folder),
        "PIPELINE_TRACK": "off",
        "DVC_NO_ANALYTICS": "1",
        "GESTURES_SOURCE": str(folder.parent / "clips"),
    }
    done = subprocess.run(command, cwd=folder, env=os.environ | own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_data_set_is_one_short_module() -> None:
    assert DATASET.count("\n") < 110


def test_a_new_data_set_and_a_new_network_go_through_all_stages(project: Path) -> None:
    run(project, sys.executable, "-m", "pipeline", "use", "gestures")
    run(project, sys.executable, "-m", "dvc", "repro", "-q")
    split = pd.read_csv(project / "data/splits/gestures/gestures.csv")
    assert split["part"].value_counts().to_dict() == {"test": 18, "train": 12, "validation": 6}
    for method in ("lstm", "sta-lstm", "gru"):
        folder = project / "data/results/gestures" / f"gestures-demo-{method}"
        assert len(pd.read_csv(folder / "evaluate/predictions.csv")) == 18
    run(project, sys.executable, "-m", "pipeline", "export", "gestures-demo-gru")
    raw, model = project.parent / "clips/s2_a1_t1.csv", "models/gestures-demo-gru.safetensors"
    table = run(project, sys.executable, "-m", "pipeline", "predict", str(raw), "--model", model).splitlines()
    shown = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    assert (len(table), shown["frames"], shown["true"], shown["repaired"]) == (2, "8", "wave", "")
    report = (project / "reports/gestures/report.md").read_text()
    assert "gru" in report and "Gestures are your own." in report


def test_they_change_nothing_that_another_cell_reads(project: Path, tmp_path: Path) -> None:
    """The files on which the stages of all other cells depend are the same with and without them; so is the code."""
    run(project, sys.executable, "-m", "pipeline", "resolve")
    with_them = {p.relative_to(project): p.read_bytes() for p in (project / "data/params").rglob("*.json")}
    shutil.copy(ROOT / "params.yaml", project / "params.yaml")
    text = (project / "params.yaml").read_text()
    for long, short in SMALL.items():
        text = text.replace(long, short)
    (project / "params.yaml").write_text(text)
    run(project, sys.executable, "-m", "pipeline", "resolve")
    without = {p.relative_to(project): p.read_bytes() for p in (project / "data/params").rglob("*.json")}
    assert len(without) > 200
    assert {path: with_them[path] for path in without} == without
    assert {path.parts[2].split("-")[0] for path in with_them.keys() - without.keys()} == {"gestures"}
