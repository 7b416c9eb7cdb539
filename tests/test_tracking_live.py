"""Tracking beside a training, in processes of its own: it shows what grows, and is never in the way."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import tracking
from pipeline.cli import running
from pipeline.tracking import live
from pipeline.tracking.errors import TrackingUnavailable
from pipeline.tracking.live import Filler
from pipeline.tracking.store import check_sqlite
from tests import tracking_project
from tests.tracking_project import Project, losses

database, project = tracking_project.database, tracking_project.project  # fixtures
# MLflow 3.17 uses what SQLAlchemy 2.1 is to remove
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow")


def test_two_processes_on_a_new_database(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    project.finish(2, 2, [(1, 1), (2, 1)])
    both = [pipeline(project.root, "track") for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("added 1 experiment(s), 1 cell(s), 2 run(s), 8 epoch(s)" in out for out, _ in outputs) == [False, True]
    parents, children = project.runs()
    assert (len(parents), len(children)) == (1, 2)
    assert not (project.root / "mlruns").exists()
    assert children[1, 1].info.artifact_uri.startswith(f"file://{project.root}/mlruns/")


def pipeline(root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(params=["file in the way", "folder instead of a file", "no server"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "file").touch()
    addresses = {
        "file in the way": f"sqlite:///{tmp_path}/file/mlflow.db",
        "folder instead of a file": f"sqlite:///{tmp_path}",
        "no server": f"http://127.0.0.1:{closed_port}",
    }
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", addresses[request.param])
    return addresses[request.param]


def test_track_says_what_to_do_where_mlflow_cannot_be_used(unusable: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingUnavailable, match=r"cannot be used: .*MLFLOW_TRACKING_URI") as failure:
        tracking.connect(tmp_path)
    assert unusable in str(failure.value)


def test_watching_without_mlflow_tells_once_and_ends_well(unusable: str, tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    watcher = pipeline(tmp_path, "track", "--watch", "--parent", str(parent.pid))
    lines: list[str] = []
    assert watcher.stderr is not None
    lines.append(watcher.stderr.readline())
    parent.communicate(b"\n", timeout=60)
    out, err = watcher.communicate(timeout=60)
    assert (watcher.returncode, out, err) == (0, "", "")
    assert lines[0].startswith("tracking: ")
    assert unusable in lines[0]


def test_missing_folder_of_the_database_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/not/there/mlflow.db")
    check_sqlite(tracking.uri(tmp_path))  # before MLflow's own, which takes seconds to fill it
    assert (tmp_path / "not" / "there" / "mlflow.db").exists()


def test_vanished_database_is_told_once_and_raises_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = project.root / "mlflow.db"
    project.client()
    shutil.copy(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"), copy)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    project.grow("pretrain", (1, 1), 0, 1)
    filler = Filler(project.root)
    filler.fill()
    assert (len(filler.seen), capsys.readouterr().err) == (1, "")
    copy.unlink()
    for count in (2, 3):
        project.grow("pretrain", (1, 1), 0, count)
        filler.fill()
    assert capsys.readouterr().err.count("\n") == 1
    assert filler.seen == set()


def test_watching_leaves_what_was_finished_before_to_track(project: Project) -> None:
    project.finish(1, 1, [(1, 1)])
    filler = Filler(project.root)
    filler.fill()
    assert project.client().get_experiment_by_name(project.protocol) is None
    project.finish(1, 2, [(1, 1)])  # now it changes
    filler.fill()
    _, children = project.runs()
    assert project.curve(children[1, 1]) == losses(1, 3)


def until(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def test_training_is_shown_while_it_runs(project: Project) -> None:
    project.grow("pretrain", (1, 1), 0, 2)
    client = project.client()
    with tracking.Live(project.root, after_s=0, finish_s=60) as shown:
        until(lambda: client.get_experiment_by_name(project.protocol) is not None and len(project.runs()[1]) == 1)
        project.grow("pretrain", (1, 1), 0, 3)  # seen at the end, if not before
    assert shown.process is not None
    assert shown.process.returncode == 0
    _, children = project.runs()
    assert project.curve(children[1, 1]) == losses(1, 3)
    assert children[1, 1].info.status == "RUNNING"  # `finetune` is to come


def test_short_stage_starts_no_process(tmp_path: Path) -> None:
    with tracking.Live(tmp_path, after_s=3600) as shown:
        pass
    assert shown.process is None
    shown.start()  # a timer that fires at the last moment
    assert shown.process is None


@pytest.mark.parametrize(("value", "expected"), [("0.5", 0.5), ("soon", live.AFTER_S)])
def test_delay_comes_from_the_environment(value: str, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_TRACK_AFTER_S", value)
    assert live.delay() == expected


def test_tracking_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_TRACK", "off")
    with tracking.Live(tmp_path, after_s=0) as shown:
        assert shown.timer is None
    assert shown.process is None


def test_failure_of_the_stage_passes_and_the_process_is_ended(
    tmp_path: Path, silent_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent_server)
    shown = tracking.Live(tmp_path, after_s=0, finish_s=0.5)
    with pytest.raises(ValueError, match="of the stage"), shown:
        until((tmp_path / ".work" / "track.lock").exists)  # it is asking the server
        raise ValueError("of the stage")
    assert shown.process is not None
    assert shown.process.returncode == -9


def test_no_process_to_be_had_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with tracking.Live(tmp_path, after_s=3600) as shown:
        shown.start()
    assert shown.process is None
    assert capsys.readouterr().err.startswith("tracking: ")


def test_command_line_tracks_training_stages_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    around: list[str] = []
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))  # under DVC parameters are resolved by a stage of their own
    monkeypatch.setattr(tracking.Live, "__enter__", lambda self: around.append("begin") or self)
    monkeypatch.setattr(tracking.Live, "__exit__", lambda *_: around.append("end"))
    monkeypatch.setattr(running, "_data_are_there", lambda *_: None)
    for stage in ("split", "pretrain", "finetune", "evaluate"):
        module = types.SimpleNamespace(main=lambda target, *_run_all, stage=stage: around.append(f"{stage} {target}"))
        monkeypatch.setitem(sys.modules, f"pipeline.stages.{stage}", module)
        running.run(stage, "x")
    assert around == ["split x", "begin", "pretrain x", "end", "begin", "finetune x", "end", "evaluate x"]
