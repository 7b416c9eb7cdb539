"""Nothing outlives what it was started for: workers end with their parent, a stage with the `dvc repro` or `make` around it.

Each watches the process that it belongs to, since a process that is killed can tell nobody.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

ENDS = (signal.SIGTERM, signal.SIGHUP)
"""Signals that ask for the end: of a batch system, a container or a service; of a terminal that was closed."""
EVERY_S = 0.5
PATIENCE_S = 3.0
"""How long a stage may take to end by itself once it must."""
PR_SET_PDEATHSIG = 1
"""Of Linux: a process gets this signal when the one that started it ends."""
TOOLS = ("dvc", "make", "gmake")


def end_with_parent() -> None:
    """What each worker does first: leave the terminal to the process that waits for it, and end with it, however it ends."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":  # at once, also in the middle of a compiler that lets no thread of Python's run
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()  # its end of a pipe: told at once, whatever ended it
        os._exit(1)


@contextmanager
def left_alone_by_the_terminal() -> Iterator[None]:
    """What is started meanwhile, a server of workers or the keeper of their semaphores, is not told by the terminal to end.

    The signals are held back, not lost: they come to this process afterwards.
    """
    held = {signal.SIGINT, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        resource_tracker.ensure_running()  # lets SIGINT through at its end
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def code_of(number: int) -> int:
    """The exit code of a process that a signal ended, as shells have it."""
    return 128 + number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end all that this process has started, then raise `SystemExit` in it; so does the end of its tool.

    Ctrl-C is a `KeyboardInterrupt` as everywhere. What has not come to its end `PATIENCE_S` later is ended all the same: an
    exception may be lost in a callback of some library. A signal that is ignored stays so (`nohup`).
    """
    import psutil  # noqa: F401, PLC0415 (now: the handlers must be quick)

    done = threading.Event()

    def handler(number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=_end_at_last, args=(number, done), daemon=True).start()
        end_children()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(code_of(number))

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDS)}
    for number, own in before.items():
        if own is not signal.SIG_IGN:
            signal.signal(number, handler)
    if tools := tools_around():
        threading.Thread(target=_watch, args=(tools, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        for number, own in before.items():
            signal.signal(number, own)


def _end_at_last(number: int, done: threading.Event) -> None:
    if not done.wait(PATIENCE_S):
        end_children(force=True)
        os._exit(code_of(number))


def end_children(force: bool = False) -> None:
    """Ask all processes under this one to end: a pool would wait for what its workers are doing."""
    import psutil  # noqa: PLC0415

    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill() if force else process.terminate()


def tools_around() -> list[psutil.Process]:
    """DVC or make, where this process was started by them, and what is between: it must not outlive any of these."""
    if not {"DVC_ROOT", "MAKELEVEL"} & set(os.environ):
        return []
    import psutil  # noqa: PLC0415

    with suppress(psutil.Error):
        parents = psutil.Process().parents()
        last = max((place for place, process in enumerate(parents) if is_tool(process)), default=-1)
        around: list[psutil.Process] = parents[: last + 1]
        return around
    return []


def is_tool(process: psutil.Process) -> bool:
    """Whether this is DVC (Python with a script of that name, or module) or make."""
    import psutil  # noqa: PLC0415

    with suppress(psutil.Error):
        names = [os.path.basename(word) for word in process.cmdline()[:3]]  # noqa: PTH119 (a word need not be a path)
        return any(name in TOOLS for name in names)
    return False


def _watch(tools: list[psutil.Process], done: threading.Event) -> None:
    while not done.wait(EVERY_S):
        if not all(alive(process) for process in tools):
            os.kill(os.getpid(), signal.SIGTERM)
            _end_at_last(signal.SIGTERM, done)  # here too: the main thread may not come to its signals
            return


def alive(process: psutil.Process) -> bool:
    """Whether a process is there and runs; one that ended and was not waited for does not."""
    import psutil  # noqa: PLC0415

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def end_soon_after(process_id: int, seconds: float) -> None:
    """End this process at the latest so long after another one has ended; for one that has work to finish."""
    import psutil  # noqa: PLC0415

    def watch() -> None:
        with suppress(psutil.NoSuchProcess):
            other = psutil.Process(process_id)
            while alive(other):
                time.sleep(EVERY_S)
        time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
