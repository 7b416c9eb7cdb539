"""The raw files of NTU RGB+D where the user has them: names, sizes and CRCs, and the text of each; nothing is copied.

A source is the archives as they come, or a folder with the `.skeleton` files of them, in whatever subfolders.
"""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol, TypeVar

from tqdm import tqdm

from pipeline.datasets.shared import inflate
from pipeline.datasets.shared.clips import write_table
from pipeline.datasets.shared.errors import ArchiveMismatch, RawDataMissing
from pipeline.datasets.shared.sources import DAMAGED, check_size, files_below

if TYPE_CHECKING:
    from pipeline.core.skeletons import Sample

T = TypeVar("T")

PAGE = "https://rose1.ntu.edu.sg/dataset/actionRecognition"
SUFFIX = ".skeleton"
SYNTHETIC = b"synthetic"  # how the comment of a zip begins whose files were generated
COLUMNS = ("name", "size", "crc32")
FRESH = "if the files were replaced on purpose, record them again: dvc repro --force --single-item download@<data set>"
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})", re.ASCII)


Paths = tuple[Path, ...]  # a source: a folder, or one archive or more


@dataclass(frozen=True)
class Facts:
    """What the complete archives hold, and how far cameras, subjects, replications and actions count.

    `name`: of the data set here; `title`: for people. `archives`: file name -> the setups in it.
    """

    name: str
    title: str
    archives: Mapping[str, range]
    samples: int
    cameras: int
    subjects: int
    replications: int
    actions: int

    @property
    def archive(self) -> str:
        """The file names of the archives, for people."""
        return " and ".join(self.archives)

    @cached_property
    def setups(self) -> int:
        """How far setups count."""
        return max(map(max, self.archives.values()))


@dataclass(frozen=True)
class Member:
    """A raw file: the name of the sample, the size in bytes, the CRC-32 of the text."""

    name: str
    size: int
    crc32: int


def sample_of(name: str, facts: Facts) -> Sample:
    """The numbers in a name `SsssCcccPpppRrrrAaaa`; `ArchiveMismatch` where it is none, or beyond the facts."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ArchiveMismatch(f"{name}{SUFFIX}: expected a name such as S001C001P001R001A001{SUFFIX}")
    setup, camera, subject, replication, action = map(int, match.groups())
    for what, value, most in (
        ("setup", setup, facts.setups),
        ("camera", camera, facts.cameras),
        ("subject", subject, facts.subjects),
        ("replication", replication, facts.replications),
        ("action", action, facts.actions),
    ):
        if not 1 <= value <= most:
            raise ArchiveMismatch(
                f"{name}{SUFFIX}: {what} {value}, expected 1 to {most}; only files of {facts.archive} belong here"
            )
    from pipeline.core.skeletons import Sample  # noqa: PLC0415 (pandas; the workers that read the files name no samples)

    return Sample(name, subject, 0, camera, setup, replication, action)


# --- sources ----------------------------------------------------------------------------------------------------------------


class Source(Protocol):
    """The raw files of one place, read one at a time."""

    def members(self) -> list[Member]:
        """All samples, sorted by name; `ArchiveMismatch` where a name comes twice."""

    def read(self, member: Member) -> bytes:
        """The text of a file; `ArchiveMismatch` where it is gone, damaged, or no longer of that size and CRC."""

    @property
    def synthetic(self) -> bool:
        """Whether the source says of itself that nobody was recorded: a zip whose comment begins with `synthetic`."""


def _sample_name(path: str) -> str | None:
    """The sample that a path inside the source holds, or None: not a skeleton, or a hidden file such as macOS leaves in zips."""
    name = PurePosixPath(path).name
    return name.removesuffix(SUFFIX) if name.endswith(SUFFIX) and not name.startswith(".") else None


def _by_sample(paths: Iterable[str], place: Path) -> dict[str, str]:
    """Sample -> path, sorted by sample."""
    found: dict[str, str] = {}
    for path in paths:
        name = _sample_name(path)
        if name in found:
            raise ArchiveMismatch(f"{place}: {name}{SUFFIX} is there twice: {found[name]} and {path}; remove one")
        if name is not None:
            found[name] = path
    return dict(sorted(found.items()))


class ZipSource:
    """An archive as it was given."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGED as error:
            raise ArchiveMismatch(f"{path}: not a complete zip archive ({error}); download it again") from error
        self._paths = _by_sample(self._zip.namelist(), path)

    def members(self) -> list[Member]:
        """From the directory of the archive: nothing is read."""
        infos = ((name, self._zip.getinfo(path)) for name, path in self._paths.items())
        return [Member(name, info.file_size, info.CRC) for name, info in infos]

    def read(self, member: Member) -> bytes:
        """Decompress one file and check it by the CRC of the directory."""
        info = self._zip.getinfo(_of(member, self._paths, self.path))
        if (info.file_size, info.CRC) != (member.size, member.crc32):
            raise _changed(self.path, member, info.file_size, info.CRC)
        check_size(info, str(self.path))
        try:
            return inflate.read(self._zip, info)
        except DAMAGED as error:
            raise ArchiveMismatch(f"{self.path}: {info.filename} is damaged ({error}); download the archive again") from error

    @property
    def synthetic(self) -> bool:
        """By the comment of the zip."""
        return self._zip.comment.startswith(SYNTHETIC)


class ZipsSource:
    """Several archives, such as the two of NTU RGB+D 120, read as if they were one."""

    def __init__(self, paths: Paths):
        self.path = paths[0].parent
        self._of: dict[str, ZipSource] = {}
        self._members: dict[str, Member] = {}
        for source in map(ZipSource, paths):
            for member in source.members():
                if other := self._of.get(member.name):
                    raise ArchiveMismatch(f"{member.name}{SUFFIX} is there twice: in {other.path} and {source.path}; remove one")
                self._of[member.name], self._members[member.name] = source, member

    def members(self) -> list[Member]:
        """From the directories of the archives: nothing is read."""
        return [member for _, member in sorted(self._members.items())]

    def read(self, member: Member) -> bytes:
        """Decompress one file of the archive that has it."""
        return _of(member, self._of, self.path).read(member)

    @property
    def synthetic(self) -> bool:
        """Where one of the archives says so."""
        return any(source.synthetic for source in self._of.values())


class FolderSource:
    """A folder of extracted files."""

    synthetic = False

    def __init__(self, path: Path):
        self.path = path
        files = (file.relative_to(path).as_posix() for file in files_below(path) if file.suffix == SUFFIX)
        self._paths = _by_sample(sorted(files), path)

    def members(self) -> list[Member]:
        """Reads every file for its CRC."""
        texts = ((name, self._text(name, path)) for name, path in tqdm(self._paths.items(), "reading names", disable=None))
        return [Member(name, len(text), zlib.crc32(text)) for name, text in texts]

    def read(self, member: Member) -> bytes:
        """Read one file and check it."""
        text = self._text(member.name, _of(member, self._paths, self.path))
        if (len(text), zlib.crc32(text)) != (member.size, member.crc32):
            raise _changed(self.path, member, len(text), zlib.crc32(text))
        return text

    def _text(self, name: str, path: str) -> bytes:
        try:
            return (self.path / path).read_bytes()
        except OSError as error:
            raise ArchiveMismatch(f"{self.path / path}: cannot be read ({error.strerror}); copy {name}{SUFFIX} again") from error


def _of(member: Member, known: Mapping[str, T], place: Path) -> T:
    if member.name not in known:
        raise ArchiveMismatch(f"{place}: {member.name}{SUFFIX} was there at download and is gone; put it back; {FRESH}")
    return known[member.name]


def _changed(place: Path, member: Member, size: int, crc32: int) -> ArchiveMismatch:
    found, expected = f"{size} bytes, CRC {crc32:08x}", f"{member.size} bytes, CRC {member.crc32:08x}"
    return ArchiveMismatch(f"{place}: {member.name}{SUFFIX} is {found}; at download it was {expected}; put it back; {FRESH}")


def find(place: str, facts: Facts) -> Paths:
    """The source that `place` means: a zip, the archives in a folder under their names, else the `.skeleton` files in it.

    A folder without any of these may have the archives under other names, and no further zip. Archives that a folder lacks are
    no error: what is there is a part. Raises `RawDataMissing` with what to ask for, where, and how to point to it.
    """
    path = Path(place).expanduser()
    if place and path.is_dir():
        zips = sorted(path.glob("*.zip"))
        named = [file for file in zips if file.name in facts.archives]
        if not named and any(file.suffix == SUFFIX for file in files_below(path)):
            return (path,)
        if named or 1 <= len(zips) <= len(facts.archives):
            return tuple(named or zips)
    elif place and path.is_file():
        return (path,)
    looked = f"there is no {' or '.join(facts.archives)} and no {SUFFIX} file in {place}" if place else "nobody said where it is"
    variable = f"{facts.name.upper()}_SOURCE"
    raise RawDataMissing(
        f"{facts.title}: {looked}. The skeletons are given on request: sign the agreement on {PAGE}, download {facts.archive} "
        f"and name {'the' if len(facts.archives) > 1 else 'it, or its'} folder, as {variable}=<path> or as "
        f"download.{facts.name}.source in params.yaml"
    )


def where(paths: Paths) -> str:
    """The source for people."""
    return " and ".join(map(str, paths))


def open_source(*paths: Path) -> Source:
    """Open a folder or archives; each process keeps one source open (the directory of a full archive takes half a second)."""
    status = [path.stat() for path in paths]
    return _open(paths, tuple((s.st_mtime_ns, s.st_size) for s in status))


@lru_cache(maxsize=1)
def _open(paths: Paths, _changed_at: tuple[tuple[int, int], ...]) -> Source:
    if len(paths) > 1:
        return ZipsSource(paths)
    return FolderSource(paths[0]) if paths[0].is_dir() else ZipSource(paths[0])


# --- the record -------------------------------------------------------------------------------------------------------------


def write_record(path: Path, members: Iterable[Member]) -> None:
    """Write `members.csv`: `name` (of the file, without folders), `size` in bytes, `crc32` as 8 hexadecimal digits."""
    write_table(path, COLUMNS, ((f"{m.name}{SUFFIX}", m.size, f"{m.crc32:08x}") for m in members))


def read_record(path: Path) -> list[Member]:
    """The members that `write_record` wrote; `RawDataMissing` where there is no such file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            columns, *rows = csv.reader(file)
        members = [Member(name.removesuffix(SUFFIX), int(size), int(crc32, 16)) for name, size, crc32 in rows]
    except (OSError, ValueError) as error:
        raise RawDataMissing(f"{path}: no record of the raw files ({error}); run `dvc repro` to make it") from error
    if tuple(columns) != COLUMNS:
        raise RawDataMissing(f"{path}: no record of the raw files (columns {columns}); run `dvc repro` to make it")
    return members
