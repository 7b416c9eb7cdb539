"""Members of zip archives on a web server, without fetching the rest of the archives.

With HTTP range requests only the zip directory and the wanted members travel; where the server has no ranges the whole
archive is streamed to a temporary file. Interrupted transfers are tried again; what had arrived complete is kept.
"""

from __future__ import annotations

import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import remotezip
import requests
import urllib3
from tqdm import tqdm

from pipeline.datasets.shared.errors import DownloadFailed, RawDataMissing

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


@dataclass(frozen=True)
class _Remote:
    """Where the archive is, and how to ask for it."""

    session: requests.Session
    url: str
    timeout_s: float


_INTERRUPTED = (
    OSError,  # sockets, and all of `requests`
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    urllib3.exceptions.HTTPError,
    remotezip.RemoteZipError,
)


def fetch_members(url: str, wanted: Wanted, scratch: Path, retries: int, timeout_s: float) -> Members:
    """Name and content of the members of the zip at `url` whose name `wanted` accepts; each checked by its CRC-32.

    A failed transfer is repeated up to `retries` times with growing pauses. `scratch` is an existing folder for the
    temporary file of servers without ranges; nothing stays in it. `timeout_s` limits connecting and each silence.
    Raises `RawDataMissing` where the server says that there is no such file (404, 410), `DownloadFailed` otherwise.
    """
    members: Members = {}
    with requests.Session() as session:
        remote = _Remote(session, url, timeout_s)
        session.headers["Accept-Encoding"] = "identity"  # sizes and ranges must be those of the file itself
        for attempt in range(retries + 1):
            try:
                _attempt(remote, wanted, scratch, members)
            except _INTERRUPTED as error:
                if attempt == retries:
                    raise DownloadFailed(f"{url}: not complete after {retries + 1} attempt(s): {_reason(error)}") from error
                time.sleep(min(BACKOFF_S * 2**attempt, LONGEST_WAIT_S))
            else:
                break
    return members


def _reason(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return f"the file received is no complete zip archive ({error})" if isinstance(error, zipfile.BadZipFile) else text


def _attempt(remote: _Remote, wanted: Wanted, scratch: Path, members: Members) -> None:
    """One try; adds to `members` as it goes. The first request asks for one byte: its answer shows what the server can do."""
    session, url, timeout = remote.session, remote.url, remote.timeout_s
    with session.get(url, headers={"Range": "bytes=0-0"}, stream=True, timeout=timeout) as response:
        _check_status(response, url)
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        if response.status_code != requests.codes.partial_content:
            _whole(response, wanted, scratch, members)
            return
    with remotezip.RemoteZip(url, initial_buffer_size=_TAIL, session=session, timeout=timeout) as archive:
        if total.isdigit() and archive.size() != int(total):
            raise _Incomplete(f"size {archive.size()}, but the server had announced {total} bytes")
        _read(archive, wanted, members)


def _check_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in _GONE:
        raise RawDataMissing(f"{url}: the server has no such file (HTTP {status})")
    if status in _PASSING or status >= 500:
        raise _Incomplete(f"HTTP {status} {response.reason}")
    if not response.ok:
        raise DownloadFailed(f"{url}: the server refuses it (HTTP {status} {response.reason})")


def _whole(response: requests.Response, wanted: Wanted, scratch: Path, members: Members) -> None:
    """Stream the archive into an unnamed temporary file, compare sizes, and read the wanted members from there."""
    with tempfile.TemporaryFile(dir=scratch) as file:
        received = _stream(response, file)
        announced = response.headers.get("Content-Length")
        if announced is not None and received != int(announced):
            raise _Incomplete(f"{received} of {announced} bytes received")
        with zipfile.ZipFile(file) as archive:
            _read(archive, wanted, members)


def _stream(response: requests.Response, file: IO[bytes]) -> int:
    total = int(response.headers.get("Content-Length", 0)) or None
    name = response.url.rpartition("/")[2]
    with tqdm(total=total, desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar:
        for block in response.iter_content(_BLOCK):
            file.write(block)
            bar.update(len(block))
    return file.tell()


def _read(archive: zipfile.ZipFile, wanted: Wanted, members: Members) -> None:
    """Read wanted members (`zipfile` checks the CRC), except those that an earlier attempt has brought already."""
    for info in archive.infolist():
        held = members.get(info.filename)
        if wanted(info.filename) and (held is None or zlib.crc32(held) != info.CRC):
            members[info.filename] = archive.read(info)
