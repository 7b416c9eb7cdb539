"""Nobody writes where another run has begun: neither weights nor checkpoints nor histories."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import params as parameters
from pipeline.core import owners
from pipeline.core.errors import Superseded
from pipeline.core.files import whole
from pipeline.core.training import run
from pipeline.core.training.job import Job
from pipeline.running.alone import alone
from pipeline.running.errors import AlreadyRunning
from pipeline.stages import pretrain
from tests.conftest import ROOT, write_params
from tests.dask_cluster import until
from tests.late_worker import GO, READY, SAID

CELL = "p-sta-lstm"


def test_the_last_claim_owns(tmp_path: Path) -> None:
    first = owners.claim(tmp_path / "owners/pretrain")
    with whole(tmp_path / "a", allowed=first.alone) as path:
        path.write_text("first")
    second = owners.claim(tmp_path / "owners/pretrain")
    with pytest.raises(Superseded, match="another run has begun"), whole(tmp_path / "a", allowed=first.alone) as path:
        path.write_text("late")
    assert (tmp_path / "a").read_text() == "first"
    with whole(tmp_path / "a", allowed=second.alone) as path:
        path.write_text("second")
    assert (tmp_path / "a").read_text() == "second"
    second.note.unlink()  # `make clean`
    with pytest.raises(Superseded, match="found none"), whole(tmp_path / "a", allowed=second.alone) as path:
        path.write_text("late")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "owners"]


def test_to_claim_waits_for_who_is_putting_a_file_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "WAIT_S", 0.1)
    first = owners.claim(tmp_path / "note")
    with first.alone(), pytest.raises(Superseded, match="held by a process that does not go on"):
        owners.claim(tmp_path / "note")
    with first.alone():  # still the owner
        pass


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for top in ("data/runs", ".work") for path in Path(top).rglob("*") if path.is_file()}


def test_a_worker_that_outlived_its_run_puts_nothing_in_place(small_project: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"from tests.late_worker import main\nmain({CELL!r})"]
    with subprocess.Popen(command, env=environment) as stage:
        until(lambda: READY.exists() or stage.poll() is not None, "trained weights")
        stage.kill()
    document = parameters.read()
    document["pretrain"] |= {"attention": 2}
    write_params(document)
    pretrain.main(CELL)
    expected = contents()
    assert sum(path.endswith("model.pt") for path in expected) == 4
    GO.touch()
    until(SAID.exists, "the end of the late worker")
    assert SAID.read_text().startswith("Superseded: .work/owners/p-sta-lstm/pretrain: another run has begun")
    assert contents() == expected


@pytest.mark.parametrize("write", [lambda job: run.save(run.Checkpoint(), job), lambda job: run.write_live(job, [])])
def test_checkpoints_and_histories_neither(write: Callable[[Job], None], small_project: Path) -> None:
    seen: list[Job] = []
    with pytest.raises(ZeroDivisionError):
        pretrain.main(CELL, lambda work, jobs, title, training: seen.extend(jobs) or [1 // 0])
    write(seen[0])
    owners.claim(Path(".work/owners", CELL, "pretrain"))
    with pytest.raises(Superseded):
        write(seen[0])


def test_two_processes_at_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with alone("p-sta-lstm", "pretrain"), alone("p-lstm", "finetune"):
        said = rf"finetune p-sta-lstm: pretrain p-sta-lstm \(process {os.getpid()} on .*\) is at work there; wait for it"
        with pytest.raises(AlreadyRunning, match=said), alone("p-sta-lstm", "finetune"):
            pass
    with alone("p-sta-lstm", "finetune"), alone("../x", "download"):
        assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["..%2Fx", "p-lstm", "p-sta-lstm"]
