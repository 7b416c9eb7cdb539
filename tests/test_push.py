"""What `dvc push` sends to a remote: with `push: false` no byte of data, with `push: true` all that a clone needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

STAGES = ("download@demo", "normalize@demo", "split@demo")
SMALL = {"sbu_repeats": 1, "ntu_training": 1, "ntu_test": 1, "ntu_visitors": 0, "ntu_repeats": 1}


def run(folder: Path, *command: str) -> str:
    """What a command prints; fails the test where the command fails."""
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(folder), "PIPELINE_TRACK": "off"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments)


def commit(folder: Path) -> None:
    run(folder, "git", "add", ".")
    run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x")


def switch(folder: Path, value: str) -> None:
    """Edit the one line of dvc.yaml, as a user does."""
    text, count = re.subn(r"(&licensed \{push: )\w+", rf"\g<1>{value}", (folder / "dvc.yaml").read_text())
    assert count == 1
    (folder / "dvc.yaml").write_text(text)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The demo, smaller, up to `split`, in a repository with a folder as its remote."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".dvc").mkdir()
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore", "dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder / name)
    text = (folder / "params.yaml").read_text()
    for key, value in SMALL.items():
        text = re.sub(rf"(?m)^(    {key}:) \d+", rf"\1 {value}", text)
    (folder / "params.yaml").write_text(text)
    run(folder, "git", "init", "-q")
    dvc(folder, "remote", "add", "--default", "team", str(tmp_path / "remote"))
    dvc(folder, "repro", "-q", STAGES[-1])
    commit(folder)
    return folder


def test_only_a_remote_declared_private_gets_data_and_a_clone_then_has_them_all(project: Path, tmp_path: Path) -> None:
    recorded, remote = (project / "dvc.lock").read_bytes(), tmp_path / "remote"
    dvc(project, "push", "--with-deps", *STAGES)
    dvc(project, "push", "--run-cache")
    pushed = contents(remote)
    assert {path.split("/")[0] for path in pushed} == {"files", "runs"}  # `runs`: hashes of the stages that ran
    params = set(contents(project / "data/params").values())
    recordings = {text for name in ("raw", "skeletons", "splits") for text in contents(project / "data" / name).values()}
    assert recordings and not recordings & set(pushed.values())
    listed = {text for path, text in pushed.items() if path.startswith("files") and not path.endswith(".dir")}
    assert listed == params, "what the stages read of params.yaml, and nothing else"

    switch(project, "true")
    assert "Running stage" not in dvc(project, "repro", STAGES[-1])
    assert (project / "dvc.lock").read_bytes() == recorded
    dvc(project, "push", "--with-deps", *STAGES)
    made = contents(project / "data")
    assert set(made.values()) <= set(contents(remote).values())
    commit(project)

    clone = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(project), str(clone))
    assert not (clone / "data").exists()
    dvc(clone, "pull", "--with-deps", STAGES[-1])
    assert contents(clone / "data") == made
    assert "Running stage" not in dvc(clone, "repro", STAGES[-1])
    assert run(clone, "git", "status", "--porcelain") == ""
