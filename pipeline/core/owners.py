"""Whose a place is, where several processes could write it: that of the run which claimed it last.

A worker may outlive the process that started it, or be thought dead. What it trains is then nobody's: when it comes to put a file
in place, another run may have begun there, with other parameters. So a run that begins writes a token into a note, its jobs
carry that token along, and a file is put in place only while the note still has it.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

from pipeline.core.errors import Superseded

WAIT_S = 30.0


@dataclass(frozen=True)
class Owner:
    """A run that claimed a place: the file that names the owner, and the token of this one."""

    note: Path
    token: str

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody claims the place while this lasts. Raises `Superseded` where somebody has, or the note is gone."""
        try:
            file = self.note.open("rb")
        except FileNotFoundError:
            raise Superseded(f"{self.note}: expected the note of this run, found none; nothing was written") from None
        with file:
            _lock(file, fcntl.LOCK_SH)
            if file.read().decode(errors="replace") != self.token:
                raise Superseded(f"{self.note}: another run has begun in the place of this one; nothing was written")
            yield


def claim(note: Path) -> Owner:
    """Become the owner; who was it before writes nothing more.

    Raises `Superseded` where a process holds the place for `WAIT_S`: to put a file there takes milliseconds.
    """
    owner = Owner(note, uuid4().hex)
    note.parent.mkdir(parents=True, exist_ok=True)
    with note.open("a+b") as file:
        _lock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(owner.token.encode())
    return owner


def _lock(file: IO[bytes], kind: int) -> None:
    """Wait for a lock that closing the file ends. On a filesystem without locks the token alone must do."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise Superseded(f"{file.name}: held by a process that does not go on; end it, then run this again") from None
            time.sleep(0.02)
        except OSError:
            return
        else:
            return
