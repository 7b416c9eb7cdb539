"""Raw files where the user has them: lying open in a folder, in a zip, or in the zips of a folder."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from pipeline.core.files import whole
from pipeline.datasets.shared import inflate
from pipeline.datasets.shared.errors import ArchiveMismatch, RawDataMissing

File = tuple[str, str, bytes]  # its name, where it is, its content
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
"""What `zipfile` raises for archives that are cut, changed, encrypted, or packed by a method that it does not have."""


LARGEST = 1 << 26
"""Bytes that a member of an archive may unpack to: 30 times the largest raw file of the data sets here (2.2 MB)."""
LARGEST_ARCHIVE = 1 << 32
"""The same for an archive in an archive: SBU's with pictures."""


def check_size(info: zipfile.ZipInfo, where: str, most: int = LARGEST) -> None:
    """Raise `ArchiveMismatch` for a member that declares more than `most` bytes; `zipfile` unpacks no more than is declared."""
    if info.file_size > most:
        size = f"would unpack to {info.file_size:,} bytes; files of the data sets here have at most {most:,}"
        raise ArchiveMismatch(f"{where}: {info.filename} {size}. Get the archive again")


def files_below(folder: Path) -> list[Path]:
    """All files of a folder and of the folders in it, sorted; folders that are links too, each folder once.

    `Path.rglob` passes over links: a user who has the data elsewhere and a link here would be told that there are none.
    """
    found: list[Path] = []
    seen: set[Path] = set()
    for name, inner, files in os.walk(folder, followlinks=True):
        if (real := Path(name).resolve()) in seen:  # a link to a folder around it
            inner.clear()
            continue
        seen.add(real)
        found += [Path(name, file) for file in files]
    return sorted(found)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open an archive; `ArchiveMismatch` where it is none, or not whole."""
    try:
        return zipfile.ZipFile(path)
    except DAMAGED as error:
        raise ArchiveMismatch(f"{path}: not a complete zip archive ({error}); get it again") from error


def read_member(archive: zipfile.ZipFile, member: str) -> bytes:
    """Content of a member, checked by its CRC-32; `ArchiveMismatch` where it is damaged, encrypted or far too large."""
    check_size(archive.getinfo(member), str(archive.filename))
    try:
        return inflate.read(archive, archive.getinfo(member))
    except DAMAGED as error:
        raise ArchiveMismatch(f"{archive.filename}: {member} cannot be read ({error}); get the archive again") from error


def read(source: str, wanted: re.Pattern[str], advice: str) -> dict[str, bytes]:
    """Name -> content of the files whose name (without folders) matches `wanted`, sorted by name.

    `source` is a folder, whose files may lie open or in zips, in whatever subfolders, or one zip, or one of the files. A name
    that is there twice is taken once where both have the same content. Raises `RawDataMissing`, which ends with `advice`, where
    there is no such source or none of the files in it, `ArchiveMismatch` where an archive is damaged or a name has two contents.
    """
    found: dict[str, tuple[str, bytes]] = {}
    for name, where, content in _files(source, wanted, advice):
        before, known = found.setdefault(name, (where, content))
        if known != content:
            raise ArchiveMismatch(f"{source}: {before} and {where} have other contents; remove one")
    if not found:
        raise RawDataMissing(f"{source}: none of the files is there. {advice}")
    return {name: content for name, (_, content) in sorted(found.items())}


def _files(source: str, wanted: re.Pattern[str], advice: str) -> Iterator[File]:
    """Every file that is wanted."""
    path = Path(source).expanduser()
    if not source or not path.exists():
        raise RawDataMissing(f"{source}: no such folder or file. {advice}" if source else advice)
    for file in files_below(path) if path.is_dir() else [path]:
        if file.is_file() and wanted.fullmatch(file.name):
            yield file.name, str(file), file.read_bytes()
        elif file.is_file() and (file == path or file.suffix.lower() == ".zip"):
            yield from _members(file, wanted)


def _members(path: Path, wanted: re.Pattern[str]) -> Iterator[File]:
    with open_zip(path) as archive:
        for member in archive.namelist():
            name = PurePosixPath(member.replace("\\", "/")).name
            if wanted.fullmatch(name):
                yield name, f"{path}:{member}", read_member(archive, member)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their names, the same bytes whatever the source."""
    for name, content in files.items():
        with whole(folder / name) as unfinished:
            unfinished.write_bytes(content)


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """Write an archive whose bytes depend on nothing but names and contents of its members: sorted, stored, dated 1980."""
    with whole(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, members[name])
