"""Members of zip archives on a web server, without fetching the rest of the archives.

With HTTP range requests only the zip directory and the wanted members travel; where the server has no ranges the whole
archive is streamed to a temporary file. Interrupted transfers are tried again; what had arrived complete is kept. A `Budget`
bounds time and data, whatever the server does.
"""

from __future__ import annotations

import signal
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import remotezip
import requests
import urllib3
from tqdm import tqdm

from pipeline.addresses import shown
from pipeline.datasets.shared.errors import DownloadFailed, RawDataMissing
from pipeline.datasets.shared.sources import check_size

BACKOFF_S = 1.0  # wait before the first repetition; doubled each time
LONGEST_WAIT_S = 30.0
_TAIL = 1024  # bytes first read from the end: enough for the end record, so that no unwanted member is touched
_BLOCK = 1 << 16
_GONE = (404, 410)
_PASSING = (408, 425, 429)  # besides 5xx: worth another try

Members = dict[str, bytes]
Wanted = Callable[[str], bool]


class _Incomplete(OSError):
    """Fewer or more bytes than the server announced."""


class _OutOfTime(OSError):
    """The time of the download is over."""


class Budget:
    """What a download may take: `timeout_s` each silence, `total_s` seconds from now on and `total` bytes in all."""

    def __init__(self, timeout_s: float, total_s: float, total: int):
        self.timeout_s, self.total_s, self.total, self.left = timeout_s, total_s, total, total
        self.ends = time.monotonic() + total_s

    def take(self, size: int, url: str) -> None:
        """Count bytes; `DownloadFailed` where they are too many."""
        self.left -= size
        if self.left < 0:
            found = f"more than {self.total / 1e6:g} MB in all"
            raise DownloadFailed(f"{shown(url)}: {found}; raise download.<data set>.total_mb if that is right")

    def check(self, url: str) -> None:
        """`DownloadFailed` where the time is over."""
        if time.monotonic() >= self.ends:
            found = f"not complete after {self.total_s:g} s in all"
            raise DownloadFailed(f"{shown(url)}: {found}; raise download.<data set>.total_s to wait longer")

    @contextmanager
    def alarm(self) -> Iterator[None]:
        """End whatever is waited for inside once the time is over; outside of the main thread `check` alone does, later."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, _out_of_time)
        left = max(self.ends - time.monotonic(), 0.001)
        signal.setitimer(signal.ITIMER_REAL, left, 1.0)  # again after a second, if a library catches the first
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _out_of_time(*_: object) -> None:
    raise _OutOfTime("out of time")


@dataclass(frozen=True)
class _Remote:
    """Where the archive is, and how to ask for it."""

    session: requests.Session
    url: str
    budget: Budget


_INTERRUPTED = (
    OSError,  # sockets, and all of `requests`
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    urllib3.exceptions.HTTPError,
    remotezip.RemoteZipError,
)


def fetch_members(url: str, wanted: Wanted, scratch: Path, retries: int, budget: Budget) -> Members:
    """Name and content of the members of the zip at `url` whose name `wanted` accepts; each checked by its CRC-32.

    A failed transfer is repeated up to `retries` times with growing pauses. `scratch` is an existing folder for the
    temporary file of servers without ranges; nothing stays in it. `budget` is what this and other archives may take together.
    Raises `RawDataMissing` where the server says that there is no such file (404, 410), `ArchiveMismatch` for a member that is
    far too large, `DownloadFailed` otherwise.
    """
    members: Members = {}
    with requests.Session() as session:
        remote = _Remote(session, url, budget)
        session.headers["Accept-Encoding"] = "identity"  # sizes and ranges must be those of the file itself
        for attempt in range(retries + 1):
            try:
                with budget.alarm():
                    _attempt(remote, wanted, scratch, members)
            except _INTERRUPTED as error:
                budget.check(url)
                if attempt == retries:
                    raise DownloadFailed(
                        f"{shown(url)}: not complete after {retries + 1} attempt(s): {_reason(error)}"
                    ) from error
                time.sleep(min(BACKOFF_S * 2**attempt, LONGEST_WAIT_S))
            else:
                break
    return members


def _reason(error: BaseException) -> str:
    text = shown(f"{type(error).__name__}: {error}")
    return f"the file received is no complete zip archive ({error})" if isinstance(error, zipfile.BadZipFile) else text


def _attempt(remote: _Remote, wanted: Wanted, scratch: Path, members: Members) -> None:
    """One try; adds to `members` as it goes. The first request asks for one byte: its answer shows what the server can do."""
    session, url, timeout = remote.session, remote.url, remote.budget.timeout_s
    with session.get(url, headers={"Range": "bytes=0-0"}, stream=True, timeout=timeout) as response:
        _check_status(response, url)
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        if response.status_code != requests.codes.partial_content:
            _whole(response, remote, wanted, scratch, members)
            return
    with remotezip.RemoteZip(url, initial_buffer_size=_TAIL, session=session, timeout=timeout) as archive:
        if total.isdigit() and archive.size() != int(total):
            raise _Incomplete(f"size {archive.size()}, but the server had announced {total} bytes")
        _read(archive, remote, wanted, members)


def _check_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in _GONE:
        raise RawDataMissing(f"{shown(url)}: the server has no such file (HTTP {status})")
    if status in _PASSING or status >= 500:
        raise _Incomplete(f"HTTP {status} {response.reason}")
    if not response.ok:
        raise DownloadFailed(f"{shown(url)}: the server refuses it (HTTP {status} {response.reason})")


def _whole(response: requests.Response, remote: _Remote, wanted: Wanted, scratch: Path, members: Members) -> None:
    """Stream the archive into an unnamed temporary file, compare sizes, and read the wanted members from there."""
    with tempfile.TemporaryFile(dir=scratch) as file:
        announced = _announced(response)
        received = _stream(response, remote, file, announced)
        if announced is not None and received != announced:
            raise _Incomplete(f"{received} of {announced} bytes received")
        with zipfile.ZipFile(file) as archive:
            _read(archive, None, wanted, members)


def _announced(response: requests.Response) -> int | None:
    """The size that the server announces, or None; `_Incomplete` where it is no number."""
    size = response.headers.get("Content-Length")
    if size is not None and not size.strip().isdecimal():
        raise _Incomplete(f"the server announces {size[:40]!r} bytes")
    return None if size is None else int(size)


def _stream(response: requests.Response, remote: _Remote, file: IO[bytes], total: int | None) -> int:
    name = response.url.rpartition("/")[2]
    with tqdm(total=total, desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar:
        for block in response.iter_content(_BLOCK):
            remote.budget.take(len(block), remote.url)
            remote.budget.check(remote.url)
            file.write(block)
            bar.update(len(block))
    return file.tell()


def _read(archive: zipfile.ZipFile, remote: _Remote | None, wanted: Wanted, members: Members) -> None:
    """Read wanted members (`zipfile` checks the CRC), except those that an earlier attempt has brought already.

    `remote`: where the members travel one by one.
    """
    for info in archive.infolist():
        held = members.get(info.filename)
        if wanted(info.filename) and (held is None or zlib.crc32(held) != info.CRC):
            check_size(info, shown(remote.url) if remote else "the archive")
            if remote:
                remote.budget.take(info.compress_size, remote.url)
                remote.budget.check(remote.url)
            members[info.filename] = archive.read(info)
