"""A web server on loopback for the tests of downloads: serves a folder, with or without ranges, and fails on command."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

# Faults: "cut" (connection closed half-way), "long" / "short" (announces more / fewer bytes than the file has),
# "total" (wrong total in Content-Range), "flip" (one bit of the body changed), "drip" (a byte every 20 ms), "endless" (no length
# announced, and the body again and again), "word" (a length that is no number), or an HTTP status.
Fault = str | int | None


@dataclass(frozen=True)
class Served:
    """One answered request: bytes `start .. end` (exclusive) of `path`, and what was done wrong with it."""

    path: str
    start: int
    end: int
    fault: Fault


class Loopback:
    """Context manager; `url` is the base address, `served` the log, `faults(number of the request, path)` decides."""

    def __init__(self, folder: Path, ranges: bool = True, faults: Callable[[int, str], Fault] = lambda number, path: None):
        self.folder, self.ranges, self.faults = folder, ranges, faults
        self.served: list[Served] = []
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(ConnectionError):
                    loopback.answer(self)

            def log_message(self, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.lstrip("/")
        fault = self.faults(len(self.served), name)
        file = self.folder / name
        status = fault if isinstance(fault, int) else 200 if file.is_file() else 404
        if status != 200:
            self.served.append(Served(name, 0, 0, status))
            request.send_error(status)
            return
        body, total = file.read_bytes(), file.stat().st_size
        start, end = self._range(request.headers.get("Range"), total)
        self.served.append(Served(name, start, end, fault))
        self._send(request, body[start:end], (start, end, total), fault)

    def _range(self, header: str | None, total: int) -> tuple[int, int]:
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "") if self.ranges else None
        if not match:
            return 0, total
        first, last = match.groups()
        if not first:
            return max(0, total - int(last)), total
        return int(first), min(int(last or total) + 1, total)

    def _send(self, request: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int, int], fault: Fault) -> None:
        start, end, total = span
        partial = self.ranges and request.headers.get("Range") is not None
        request.send_response(206 if partial else 200)
        if partial:
            request.send_header("Content-Range", f"bytes {start}-{end - 1}/{total + (fault == 'total')}")
        announced = len(body) + {"long": 10, "short": -min(10, len(body) // 2)}.get(str(fault), 0)
        if fault != "endless":
            request.send_header("Content-Length", "abc" if fault == "word" else str(announced))
        request.end_headers()
        while fault == "endless":
            request.wfile.write(body)
        for byte in body if fault == "drip" else b"":
            request.wfile.write(bytes([byte]))
            time.sleep(0.02)
        if fault == "cut":
            body = body[: len(body) // 2]
        if fault == "flip":
            body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
        request.wfile.write(body[:announced])
