"""Files: hashes of them, and writing them whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
def whole(path: Path, scratch: Path | None = None) -> Iterator[Path]:
    """A path to write to, of the same name in a folder of its own; what is written there then becomes `path`.

    So an interruption leaves the file before or this one, never half of it, and so do two processes at the same run (a cluster
    starts a run again when its worker seems dead). `scratch` (default: where `path` is) takes the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = scratch or path.parent
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(suffix=".partial", dir=scratch) as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        shutil.move(unfinished, path)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` to write into; it takes the place of `folder` at the end, and is removed on a failure."""
    partial, old = folder.with_name(f"{folder.name}.partial"), folder.with_name(f"{folder.name}.old")
    for leftover in (partial, old):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
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
