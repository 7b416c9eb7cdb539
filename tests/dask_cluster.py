"""A Dask scheduler and workers as processes of their own on 127.0.0.1, for the tests of executors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.conftest import ROOT

PATIENCE_S = 300.0  # only a test that fails waits that long
PRELOAD = "from pipeline.core.training import run\nrun.CHECKPOINT_EVERY_S = -1.0  # a checkpoint an epoch\n"


def until(true: Callable[[], object], what: str) -> None:
    """Wait for something that is bound to come."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Cluster:
    """Processes by name; each leads a group, so that a worker ends with its nanny, as when a machine dies."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.file = folder / "scheduler.json"

    def scheduler(self) -> None:
        self.start("scheduler", "--port", "0")
        until(self.file.exists, "the scheduler")
        until(lambda: self.file.read_text().endswith("}"), "the scheduler's address")
        self.address: str = json.loads(self.file.read_text())["address"]

    def worker(self, name: str, *options: str) -> None:
        self.start(name, "--nthreads", "1", "--local-directory", str(self.folder), *options)

    def trainer(self, name: str) -> None:
        """A worker that has imported torch and keeps a checkpoint of every epoch."""
        preload = self.folder / "preload.py"
        preload.write_text(PRELOAD)
        self.worker(name, "--preload", str(preload))

    def start(self, name: str, *options: str) -> None:
        kind = "scheduler" if name == "scheduler" else "worker"
        common = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(self.file)]
        command = [sys.executable, "-m", "dask", kind, *common, *options]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PIPELINE_TRACK": "off"}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def signal(self, name: str, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, number)

    def kill(self, name: str) -> None:
        self.signal(name, signal.SIGKILL)
        self.processes.pop(name).wait()

    def end(self) -> None:
        for name in list(self.processes):
            self.kill(name)
