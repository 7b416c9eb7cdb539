"""Tracking beside a training process: a separate process of low priority that never disturbs the training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from pipeline.running.lifetime import end_soon_after
from pipeline.tracking.fill import sync
from pipeline.tracking.histories import finished
from pipeline.tracking.store import cause, connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

AFTER_S = 10.0
INTERVAL_S = 5.0
FINISH_S = 5.0
"""How long a finished training waits for its last epochs to be logged; what is not, `track` fills in."""
STOPPED_S = 1.0
"""The same for one that was stopped."""
ORPHAN_S = 2.0
"""How long the tracking process goes on at most when the training was killed."""


def watch(root: Path, interval_s: float, parent_pid: int) -> None:
    """Sync until the parent process ends or this one is asked to (SIGTERM), then once more. Never raises.

    For a process of its own: takes over SIGTERM and lowers its priority. The first failure is told on stderr in one line; it is
    tried again every `interval_s` seconds.
    """
    os.nice(10)
    end_soon_after(parent_pid, ORPHAN_S)
    end = End(parent_pid)
    signal.signal(signal.SIGTERM, end.ask)
    filler = Filler(root)
    filler.fill()
    while not end.came_within(interval_s):
        filler.fill()
    filler.fill()


class End:
    """Whether to stop: asked to by a signal, or because the parent process is gone."""

    def __init__(self, parent_pid: int):
        self.parent_pid = parent_pid
        self.is_child = os.getppid() == parent_pid
        self.asked = False

    def ask(self, _signal: int, _frame: FrameType | None) -> None:
        """The signal's handler."""
        self.asked = True

    def came_within(self, seconds: float) -> bool:
        """Wait for the end, at most so long (a flag, not an Event: a handler must not wait for the lock of an Event)."""
        deadline = time.monotonic() + seconds
        while not (self.asked or self.parent_ended()):
            if (left := deadline - time.monotonic()) <= 0:
                return False
            time.sleep(min(0.2, left))
        return True

    def parent_ended(self) -> bool:
        """True once the parent is gone, also where its process id is already another's."""
        if self.is_child:
            return os.getppid() != self.parent_pid
        try:
            os.kill(self.parent_pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


class Filler:
    """Syncs what grows or changes, again and again; a failure costs the round, not the process.

    What was finished at the start is left to `track`: filling a new MLflow with all of it takes the time of the training.
    """

    def __init__(self, root: Path):
        self.root = root
        self.client: MlflowClient | None = None
        self.before = finished(root)
        self.seen = set(self.before)
        self.told = False

    def fill(self) -> None:
        """One round. Forgets the client and what it logged after a failure: the database may be another then."""
        try:
            self.client = self.client or connect(self.root)
            sync(self.root, self.client, self.seen, accuracies=False)
        except Exception as error:  # whatever it is, training goes on
            self.client, self.seen = None, set(self.before)
            if not self.told:
                self.told = True
                tell(cause(error))


def tell(reason: str) -> None:
    """One line on stderr."""
    with suppress(OSError, ValueError):  # stderr may be closed
        print(f"tracking: {reason} (training goes on; `python -m pipeline track` fills in later)", file=sys.stderr, flush=True)


class Live:
    """Around a training stage: `with Live(root): ...` shows it in MLflow while it runs. Nothing in here raises.

    The tracking process starts after `after_s` seconds (default 10, or `PIPELINE_TRACK_AFTER_S`), so that a short stage pays
    nothing, and is ended with the stage. `PIPELINE_TRACK=off` switches it off.
    """

    def __init__(self, root: Path, after_s: float | None = None, finish_s: float = FINISH_S):
        self.root = root
        self.after_s = after_s
        self.finish_s = finish_s
        self.process: subprocess.Popen[bytes] | None = None
        self.timer: threading.Timer | None = None
        self.ended = False
        self.starting = threading.Lock()

    def __enter__(self) -> Self:
        if os.environ.get("PIPELINE_TRACK", "on").lower() != "off":
            self.timer = threading.Timer(delay() if self.after_s is None else self.after_s, self.start)
            self.timer.daemon = True
            with suppress(RuntimeError):  # no thread to be had
                self.timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        with self.starting:
            self.ended = True
        if self.process is not None:
            stopped = kind is not None and not issubclass(kind, Exception)
            finish(self.process, min(self.finish_s, STOPPED_S) if stopped else self.finish_s)

    def start(self) -> None:
        """Start the tracking process, unless the stage is over; in its own group, so that Ctrl-C reaches only the stage."""
        command = [sys.executable, "-m", "pipeline", "track", "--watch", "--parent", str(os.getpid())]
        with self.starting:
            if self.ended:
                return
            try:
                self.process = subprocess.Popen(
                    command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
                )
            except OSError as error:
                tell(cause(error))


def delay() -> float:
    """Seconds until the tracking process starts."""
    try:
        return float(os.environ.get("PIPELINE_TRACK_AFTER_S", AFTER_S))
    except ValueError:
        tell(f"PIPELINE_TRACK_AFTER_S={os.environ['PIPELINE_TRACK_AFTER_S']!r} is no number of seconds, using {AFTER_S:g}")
        return AFTER_S


def finish(process: subprocess.Popen[bytes], patience_s: float = FINISH_S) -> None:
    """Ask a process that leads a group to end; after `patience_s` end the whole group."""
    try:
        process.terminate()
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        pass
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience_s)
