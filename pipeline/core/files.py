"""Files: hashes of them, and writing them whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files in a folder, by name."""
    return {name: sha256(folder / name) for name in sorted(names)}


def digest_of(path: Path) -> Path:
    """The file beside a committed one that has its SHA-256, as `sha256sum -c` reads it."""
    return path.with_name(f"{path.name}.sha256")


def write_digest(path: Path) -> None:
    """Vouch for a file as it is now."""
    with whole(digest_of(path)) as unfinished:
        unfinished.write_text(f"{sha256(path)}  {path.name}\n")


def check_digest(path: Path) -> None:
    """`ValueError` where somebody vouched for another content of a file; where nobody did nothing is looked at."""
    if (beside := digest_of(path)).exists() and beside.read_text(errors="replace").split()[:1] != [sha256(path)]:
        raise ValueError(f"it is not the file that {beside.name} vouches for: changed by hand, or cut")


def fingerprint(content: Any, code: Iterable[Path]) -> str:
    """Twelve hex digits that name parameters, data and code together: equal where nothing that matters differs."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for path in sorted(code):
        digest.update(f"{path.name} {sha256(path)}\n".encode())
    return digest.hexdigest()[:12]


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; an empty mapping has none."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


@contextmanager
def whole(
    path: Path, scratch: Path | None = None, allowed: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Iterator[Path]:
    """A path to write to, of the same name in a folder of its own; what is written there then becomes `path`.

    So an interruption leaves the file before or this one, never half of it, and so do two processes at the same run (a cluster
    starts a run again when its worker seems dead). `scratch` (default: where `path` is) takes the folder; `allowed` is entered
    to put the file in place, and may refuse. An `OSError` that names no file, as of a full disk, names `path`.
    """
    scratch = scratch or path.parent
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(suffix=".partial", dir=scratch) as folder:
            unfinished = Path(folder) / path.name
            yield unfinished
            with allowed():
                _put(unfinished, path)


def _put(unfinished: Path, path: Path) -> None:
    """At once, also where the two are on different disks."""
    try:
        unfinished.replace(path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with TemporaryDirectory(prefix=".", suffix=".partial", dir=path.parent) as beside:
            shutil.copy2(unfinished, beside)
            Path(beside, path.name).replace(path)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an `OSError` of the system that says no file say this one: writing to an open file fails without its name."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = os.fspath(path)
        raise


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` to write into; it takes the place of `folder` at the end, and is removed on a failure."""
    partial, old = folder.with_name(f"{folder.name}.partial"), folder.with_name(f"{folder.name}.old")
    for leftover in (partial, old):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with naming(partial):
            partial.mkdir(parents=True)
            yield partial
            if folder.exists():
                folder.replace(old)
            partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_json(content: Any, path: Path, sort_keys: bool = True) -> None:
    """With a last line break; with sorted keys equal content has equal bytes."""
    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, sort_keys=sort_keys) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file; raises `OSError`, or `ValueError` where it is none."""
    return json.loads(path.read_text())
