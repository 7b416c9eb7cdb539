"""Command `doctor`: each fault that stops the pipeline is a line with its remedy, and nothing is touched."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pipeline import tracking
from pipeline.commands import doctor, mend
from pipeline.core.skeletons import Sample, Writer
from tests.conftest import META, ROOT

LOCK = "schema: '2.0'\nstages:\n  a:\n    cmd: make a\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which nothing must be mended: parameters, a lock, a store of one clip, a checkpoint."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("params.yaml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "dvc.lock").write_text(LOCK)
    with Writer(tmp_path / "data/skeletons/demo/sbu", META) as writer:
        writer.add(Sample("a", 1, 0, 0, 0, 1, 1), np.zeros((3, 1, 4, 3), np.float32))
    checkpoint = tmp_path / ".work/checkpoints/c/finetune-1/fold-1-seed-1.pt"
    checkpoint.parent.mkdir(parents=True)
    with zipfile.ZipFile(checkpoint, "w") as file:
        file.writestr("a", "b")
    return tmp_path


def looked_at(root: Path) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.main(root, tracking.state)}


def must(root: Path) -> dict[str, str]:
    """What must be mended, but for packages: those of the machine are its own affair."""
    return {what: str(found) for what, found in looked_at(root).items() if found.remedy and what != "packages"}


def test_where_all_is_well_nothing_must_be_mended(project: Path) -> None:
    found = looked_at(project)
    assert must(project) == {}
    assert list(found) == [
        *("Python", "packages", "disk", "params.yaml", "data of demo", "store data/skeletons/demo/sbu"),
        *("DVC's locks", "DVC at work", "MLflow", "checkpoints", "device", "cores"),
    ]
    assert str(found["data of demo"]) == "ok    data of demo: not there yet; `dvc repro` makes it"
    assert found["MLflow"].state == f"{project}/mlflow.db is made when something is tracked"
    assert not (project / "mlflow.db").exists()


def test_packages_that_differ_or_are_missing_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "constraints.txt").write_text("numpy==0.1\nnot-there==1\nscipy==1.2\n")
    versions = {"numpy": "2.0", "torch": "", "not-there": "", "scipy": "1.2+cpu"}
    monkeypatch.setattr(doctor, "installed", lambda name: versions.get(name, "1"))
    found = looked_at(project)["packages"]
    assert found.state == "torch is missing, numpy 2.0, not 0.1"
    assert "pip install -c constraints.txt" in found.remedy


def test_files_that_a_kill_cut_are_named(project: Path) -> None:
    cell = project / "cells/g/c"
    cell.mkdir(parents=True)
    (cell / "dvc.lock").write_text(LOCK[:30])
    (project / ".dvc/tmp").mkdir(parents=True)
    (project / ".dvc/tmp/rwlock").write_text("")
    (project / ".work/checkpoints/c/finetune-1/fold-2-seed-1.pt").write_bytes(b"")
    with closing(sqlite3.connect(project / "mlflow.db")) as database:
        database.execute("CREATE TABLE secrets (id INTEGER)")
    assert must(project) == {
        "DVC's locks": "MEND  DVC's locks: cells/g/c/dvc.lock cut or empty; run python -m pipeline mend",
        "DVC at work": "MEND  DVC at work: a note of one that is gone; run python -m pipeline mend",
        "MLflow": f"MEND  MLflow: {project}/mlflow.db is half made; {tracking.store.HALF_MADE}",
        "checkpoints": "MEND  checkpoints: .work/checkpoints/c/finetune-1/fold-2-seed-1.pt cut or empty; "
        "remove them: these runs start again",
    }
    assert (cell / "dvc.lock").read_text() == LOCK[:30]


def test_a_note_of_a_dvc_that_is_gone_blocks(project: Path) -> None:
    note = project / ".dvc/tmp/rwlock"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"read": {}, "write": {"a": {"pid": 2**22 + 1, "cmd": "dvc repro"}}}))
    assert list(must(project)) == ["DVC at work"]
    note.write_text(json.dumps({"read": {}, "write": {}}))
    assert must(project) == {}


def test_a_bit_that_turned_in_a_store_is_found(project: Path) -> None:
    frames = project / "data/skeletons/demo/sbu/frames.npy"
    content = bytearray(frames.read_bytes())
    content[-1] ^= 1
    frames.write_bytes(content)
    assert must(project) == {
        "store data/skeletons/demo/sbu": "MEND  store data/skeletons/demo/sbu: frames.npy is not what was written; "
        "make it again: dvc repro --force --single-item normalize@demo"
    }
    frames.unlink()
    assert "cannot be read (FileNotFoundError" in must(project)["store data/skeletons/demo/sbu"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "not there, and nobody said where it is; set NTU_SOURCE to the files"),
        ("/nowhere/a.zip", "NTU_SOURCE is /nowhere/a.zip, which is not there; set NTU_SOURCE to the files"),
    ],
)
def test_data_that_the_user_must_bring_are_asked_for(
    source: str, said: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (project / "params.yaml").read_text()
    line = "use: {groups: [ntu], datasets: {ntu: pipeline/datasets}}"
    (project / "params.yaml").write_text("\n".join(line if old.startswith("use:") else old for old in text.splitlines()) + "\n")
    monkeypatch.setenv("NTU_SOURCE", source)
    assert said in must(project)["data of ntu"]
    monkeypatch.setenv("NTU_SOURCE", str(project))
    assert must(project) == {}


def test_wrong_parameters_are_told_in_one_line(project: Path) -> None:
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("  batch: 16  #", "  batch: -1  #", 1))
    [line] = must(project).values()
    assert "training.batch: Input should be greater than or equal to 1" in line
    assert "\n" not in line


def test_a_server_that_does_not_answer_is_told_without_its_password(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    assert must(project)["MLflow"].startswith("MEND  MLflow: http://***@127.0.0.1:9 cannot be used (")


def test_the_command_ends_with_1_where_something_must_be_mended(project: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    (project / "dvc.lock").write_text("")
    command = [sys.executable, "-m", "pipeline", "doctor"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "MEND  DVC's locks: dvc.lock cut or empty; run python -m pipeline mend\n" in done.stdout


def test_a_dvc_at_work_is_no_fault_and_mend_agrees(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the note says, and a lock that it may just be writing."""
    (project / "dvc.lock").write_text("")
    note = project / mend.BUSY
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"write": {"/a": {"pid": 4_000_000, "cmd": "dvc repro"}}}))
    program = tmp_path_factory.mktemp("bin") / "dvc"
    program.write_text("input()\n")
    with subprocess.Popen([sys.executable, str(program)], cwd=project, stdin=subprocess.PIPE) as running:
        told = f"DVC runs here (process {running.pid})"
        assert must(project) == {}
        assert str(looked_at(project)["DVC at work"]) == f"ok    DVC at work: {told}; its locks were not looked at"
        assert mend.main(project) == [f"{told}: nothing was touched"]
        running.communicate(b"\n")
    assert list(must(project)) == ["DVC's locks", "DVC at work"]


def test_a_conflict_is_for_people_and_not_for_mend(project: Path) -> None:
    (project / "dvc.lock").write_text("<<<<<<< ours\nschema: '2.0'\n=======\nschema: '2.0'\n>>>>>>> theirs\n")
    assert must(project) == {"DVC's locks": "MEND  DVC's locks: dvc.lock with a conflict of git; solve it"}
