"""`ui`: real pages on loopback, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from pipeline import tracking
from pipeline.tracking.errors import TrackingUnavailable


def test_server_elsewhere_has_its_own_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example")
    with pytest.raises(TrackingUnavailable, match=r"open https://mlflow\.example in a browser"):
        tracking.check_servable(tmp_path, 5000)


def test_port_in_use_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(TrackingUnavailable, match=f"port {port} .*--port"):
            tracking.check_servable(tmp_path, port)
    tracking.check_servable(tmp_path, port)


@pytest.mark.parametrize(("ended_by", "code"), [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_ui_answers_and_ends_with_all_its_processes(ended_by: signal.Signals, code: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    command = [sys.executable, "-m", "pipeline", "ui", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
        try:
            assert answer(port, process) == b"OK", (tmp_path / "log").read_text()
            group = group_of(process.pid)
            process.send_signal(ended_by)
            assert process.wait(30) == code
        finally:
            process.kill()
            process.wait()
    assert "added 0 experiment(s)" in (tmp_path / "log").read_text()
    deadline = time.monotonic() + 30  # one that is killed tells nobody: the others look
    while (any(map(runs, group)) or in_use(port)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(runs, group))
    tracking.check_servable(tmp_path, port)


def in_use(port: int) -> bool:
    """Whether something listens there: threads of a killed process may do so for a moment after its first one has ended."""
    with socket.socket() as probe:
        return bool(probe.connect_ex(("127.0.0.1", port)) == 0)


def answer(port: int, process: subprocess.Popen[bytes]) -> bytes:
    """What /health says, once it does; empty where the process ended or two minutes passed."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as page:
                return bytes(page.read())
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return b""


def runs(pid: int) -> bool:
    """Whether a process is there and is more than its exit code, for which nobody has asked."""
    return bool(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def group_of(pid: int) -> list[int]:
    """The processes below one, where the system lists them (Linux)."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *group_of(child)]
    return found
