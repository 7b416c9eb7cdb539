"""Stopping is stopping: whatever ends a stage, or what it runs under, ends all that it started; and it goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from pipeline.running import lifetime
from tests.conftest import ROOT, write_params
from tests.dask_cluster import until

STAGE = [sys.executable, "-m", "pipeline", "pretrain", "p-sta-lstm"]
TOOL = "import subprocess, sys\nsys.exit(subprocess.run(' '.join(sys.argv[1:]), shell=True).returncode)\n"


@pytest.fixture
def long_stage(small_project: Path) -> Iterator[dict[str, str]]:
    """The environment of a stage that trains for hours in the current folder."""
    document = yaml.safe_load(Path("params.yaml").read_text())
    document["pretrain"] |= {"main": 100_000}  # the attention phases end with a checkpoint
    write_params(document)
    yield os.environ | {"PYTHONPATH": str(ROOT), "PIPELINE_TRACK": "off"}
    for process in psutil.process_iter():  # where one goes on the test has failed; it leaves nothing behind
        if runs_here(process):
            process.kill()


def runs_here(process: psutil.Process) -> bool:
    try:
        return process.pid != os.getpid() and process.cwd() == str(Path.cwd())
    except psutil.Error:
        return False


def at_work(stage: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The stage and all its processes, once it has a checkpoint."""
    until(lambda: any(Path(".work/checkpoints").rglob("*.pt")) or stage.poll() is not None, "a checkpoint")
    top = psutil.Process(stage.pid)
    found = [top, *top.children(recursive=True)]
    assert len(found) > 3
    return found


def ended(processes: list[psutil.Process]) -> None:
    assert psutil.wait_procs(processes, timeout=60)[1] == []
    assert not Path("data/runs/demo/p-sta-lstm").exists()
    assert any(Path(".work/checkpoints").rglob("*.pt")), "what it had done is kept"


def test_a_killed_stage_leaves_no_worker(long_stage: dict[str, str]) -> None:
    with subprocess.Popen(STAGE, env=long_stage) as stage:
        started = at_work(stage)
        stage.kill()
    ended(started[1:])


def test_a_closed_terminal_ends_a_stage(long_stage: dict[str, str]) -> None:
    with subprocess.Popen(STAGE, env=long_stage, start_new_session=True, stderr=subprocess.PIPE) as stage:
        started = at_work(stage)
        os.killpg(stage.pid, signal.SIGHUP)
        _, told = stage.communicate(timeout=60)
    assert stage.returncode == 129
    assert told.decode().splitlines()[-1] == "error: pretrain p-sta-lstm: ended by SIGHUP; run it again to go on"
    ended(started[1:])


@pytest.mark.parametrize("killed", [0, 1], ids=["make", "dvc"])
def test_a_killed_dvc_or_make_ends_the_stage(killed: int, long_stage: dict[str, str], tmp_path: Path) -> None:
    for name in ("make", "dvc"):
        (tmp_path / name).write_text(TOOL)
    command = [sys.executable, str(tmp_path / "make"), sys.executable, str(tmp_path / "dvc"), *STAGE]
    with subprocess.Popen(command, env=long_stage | {"DVC_ROOT": str(Path.cwd())}, stderr=subprocess.PIPE) as outer:
        started = at_work(outer)
        tools = [process for process in started if lifetime.is_tool(process)]
        assert len(tools) == 2
        tools[killed].kill()
        ended([process for process in started if process not in tools])
        for process in tools:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def test_who_was_started_by_hand_watches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MAKELEVEL", raising=False)
    assert lifetime.tools_around() == []


def test_nohup_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with lifetime.ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(SystemExit) as end:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            assert end.value.code == 143
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_exception_that_a_library_loses_is_no_way_on(number: int, code: int) -> None:
    text = f"""
import os, time
from pipeline.running import lifetime
lifetime.PATIENCE_S = 0.1
with lifetime.ended_by_signals():
    try:
        os.kill(os.getpid(), {int(number)})
        time.sleep(60)
    except BaseException:
        pass
    time.sleep(3600)
"""
    assert subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=False, timeout=300).returncode == code
