"""The files to predict: given one by one, in folders, in zips; found first, read one at a time."""

from __future__ import annotations

import codecs
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self

from pipeline.datasets.shared.sources import open_zip, read_member
from pipeline.errors import InputUnusable

NO_CLIP = re.compile(r"\..*|(read.?me|licen[cs]e|actionlabel).*", re.IGNORECASE)
"""Names that are no clip, where a folder or a zip has such files beside clips."""


class File(NamedTuple):
    """A raw file: its path, and its name within the zip at that path."""

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)


def find(paths: Iterable[Path], suffix: str, says: str) -> list[File]:
    """All files to read, in the order given, those of a folder or zip by name.

    A file that is named itself is taken whatever its name; of a folder or a zip those that end with `suffix`.
    Raises `InputUnusable` where a path is not there, or holds none.
    """
    found: list[File] = []
    for path in paths:
        if not path.exists():
            raise InputUnusable(f"{path}: no such file or folder; expected {says}")
        try:
            own = list(_of(path, suffix))
        except OSError as error:  # a folder that may not be read, or that went while it was looked at
            raise InputUnusable(f"{error.filename or path}: cannot be read ({error.strerror})") from error
        if not own:
            raise InputUnusable(f"{path}: no file *{suffix} in it; expected {says}")
        found += own
    return found


def _of(path: Path, suffix: str) -> Iterator[File]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and (_is_clip(file.name, suffix) or _is_zip(file)):
                yield from _of(file, suffix)
    elif _is_zip(path):
        with open_zip(path) as archive:
            yield from (File(path, name) for name in sorted(archive.namelist()) if _is_clip(PurePosixPath(name).name, suffix))
    else:
        yield File(path)


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)


def _is_clip(name: str, suffix: str) -> bool:
    return name.lower().endswith(suffix) and not NO_CLIP.fullmatch(name)


class Contents:
    """Reads files; of zips it keeps the last one open, since files of one follow each other. Use as a context manager."""

    def __init__(self) -> None:
        self._archive: zipfile.ZipFile | None = None
        self._path: Path | None = None

    def of(self, file: File) -> bytes:
        """The content of a file; `InputUnusable` or `ArchiveMismatch` where it cannot be read."""
        if file.member:
            return read_member(self._opened(file.path), file.member).removeprefix(codecs.BOM_UTF8)
        try:
            return file.path.read_bytes().removeprefix(codecs.BOM_UTF8)
        except OSError as error:
            raise InputUnusable(f"{file.path}: cannot be read ({error.strerror})") from error

    def _opened(self, path: Path) -> zipfile.ZipFile:
        if self._archive is None or self._path != path:
            self.close()
            self._archive, self._path = open_zip(path), path
        return self._archive

    def close(self) -> None:
        """Close the zip that is open, if one is."""
        if self._archive is not None:
            self._archive.close()
        self._archive = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
