"""One process at a time at a cell or data set: a second one would write beside the first, or read what it is writing."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from pipeline.core.places import WORK
from pipeline.running.errors import AlreadyRunning

FOLDER = WORK / "locks"


@contextmanager
def alone(target: str, stage: str) -> Iterator[None]:
    """Raises `AlreadyRunning`, which names the other process, where one is at a stage of this cell or data set.

    The system frees the lock of a process that was killed, whatever is left of its workers. On a filesystem without locks this
    looks for nobody.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / (quote(target, safe="")[:100] or "all")).open("a+") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunning(
                f"{stage} {target}: {file.read().strip() or 'another process'} is at work there; wait for it, or end it first"
            ) from None
        except OSError:
            pass
        file.truncate(0)
        file.write(f"{stage} {target} (process {os.getpid()} on {socket.gethostname()})\n")
        file.flush()
        yield
