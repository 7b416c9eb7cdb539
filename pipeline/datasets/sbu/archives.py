"""Fetching SBU: 21 archives from a folder, a zip or the web, rewritten to the same bytes whatever the source."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from pipeline.addresses import shown
from pipeline.datasets.sbu.settings import SbuDownload
from pipeline.datasets.shared import remote
from pipeline.datasets.shared.errors import ArchiveMismatch, DownloadFailed, RawDataMissing
from pipeline.datasets.shared.sources import DAMAGED, LARGEST_ARCHIVE, check_size, files_below, open_zip, write_zip

OFFICIAL = "http://vision.cs.stonybrook.edu/~kiwon/Datasets/SBU_Kinect_Interactions"
LICENCE = (
    'SBU Kinect Interaction v2.0 "must be used only for the purposes of research"; cite K. Yun, J. Honorio, D. Chattopadhyay, '
    "T. L. Berg, D. Samaras: Two-person Interaction Detection Using Body-Pose Features and Multiple Instance Learning, "
    "HAU3D workshop at CVPR 2012."
)
KEPT = Path(".work/download/sbu")  # sets that arrived complete, so that an interrupted download continues
ACTIONS = 8
# Sequences in the archive of each set, counted in the clean version 2.0; 282 in all.
SEQUENCES = {
    **{"s01s02": 15, "s01s03": 14, "s01s07": 14, "s02s01": 15, "s02s03": 12, "s02s06": 14, "s02s07": 15},
    **{"s03s02": 13, "s03s04": 14, "s03s05": 13, "s03s06": 12, "s04s02": 13, "s04s03": 14, "s04s06": 14},
    **{"s05s02": 12, "s05s03": 12, "s06s02": 12, "s06s03": 12, "s06s04": 14, "s07s01": 14, "s07s03": 14},
}
SETS = tuple(SEQUENCES)
TOTAL = sum(SEQUENCES.values())

Members = dict[str, bytes]  # canonical name -> content
_MEMBER = re.compile(r"(?:^|/)(?:(s\d\ds\d\d)/)?(\d\d)/(\d\d\d)/skeleton_pos\.txt$")
_SOURCES = (
    f"a folder or a zip with the {len(SETS)} archives (s01s02.zip ... s07s03.zip), or the address of a web folder with them"
)


def fetch(target: Path, section: SbuDownload) -> None:
    """Write `target/sbu/<set>.zip` for all 21 sets: the same bytes whatever the source.

    The source is a folder of archives or of extracted sets, one zip of either, or a base URL; of other files beside the
    skeletons (pictures) nothing is taken. Nothing is written unless all sets are complete.
    Raises `RawDataMissing` (no such source, or sets missing), `DownloadFailed`, `ArchiveMismatch` (damaged, or other counts).
    """
    tqdm.write(LICENCE, file=sys.stderr)
    source = section.source or OFFICIAL
    sets: dict[str, Members] = {}
    with contextlib.ExitStack() as stack:
        read = _reader(source, section, stack)
        for name in tqdm(SETS, desc="sbu", unit="set", disable=None):
            with contextlib.suppress(RawDataMissing):  # all that are missing are named together below
                sets[name] = read(name)
    _check_complete(sets, shown(source))
    if section.published_frames:
        _check_frames(sets, shown(source))
    for name, members in sets.items():
        write_zip(target / "sbu" / f"{name}.zip", members)
    tqdm.write(f"sbu: {TOTAL} sequences in {len(sets)} archives", file=sys.stderr)


def _reader(source: str, section: SbuDownload, stack: contextlib.ExitStack) -> Callable[[str], Members]:
    """How to read one set from this kind of source; `RawDataMissing` from it means that the set is not there."""
    if source.startswith(("http://", "https://")):
        budget = remote.Budget(section.timeout_s, section.total_s, section.total_mb * 1_000_000)
        return partial(_from_url, source, section, budget)
    path = Path(source).expanduser()
    if path.is_dir():
        return partial(_from_folder, path)
    if path.is_file():
        return partial(_from_zip, stack.enter_context(open_zip(path)))
    raise RawDataMissing(f"SBU source {shown(source)!r} (SBU_SOURCE, or download.sbu.source in params.yaml): expected {_SOURCES}")


def _check_complete(sets: Mapping[str, Members], source: str) -> None:
    if missing := [f"{name}.zip" for name in SETS if name not in sets]:
        raise RawDataMissing(
            f"{source}: {len(missing)} of {len(SETS)} archives are missing: {', '.join(missing)}. "
            f"Get them from {OFFICIAL}/ and set SBU_SOURCE to {_SOURCES}"
        )
    if wrong := [f"{n}.zip {SEQUENCES[n]} (found {len(sets[n])})" for n in SETS if len(sets[n]) != SEQUENCES[n]]:
        found = sum(map(len, sets.values()))
        raise ArchiveMismatch(
            f"{source}: expected {TOTAL} sequences, found {found}: expected in {', '.join(wrong)}. "
            f"Is it the clean version 2.0? Get these archives again from {OFFICIAL}/"
        )


def published_frames() -> dict[str, tuple[int, int]]:
    """Sequence, such as `s01s02/01/001` -> the numbers of its first and last frame in the clean version 2.0."""
    rows = (line.split() for line in Path(__file__).with_name("frames.txt").read_text(encoding="ascii").splitlines())
    return {name: (int(first), int(last)) for name, first, last in rows}


def _check_frames(sets: Mapping[str, Members], source: str) -> None:
    """Raise `ArchiveMismatch` where a file begins or ends with another frame than the published one, or is not there.

    The numbers are those of the recording of the whole set, so that nothing else shows that a first or last line is lost.
    """
    known = published_frames()
    for members in sets.values():
        for member, text in members.items():
            lines = text.split()
            found = tuple(line.partition(b",")[0].decode("ascii", "replace") for line in (lines[0], lines[-1])) if lines else ()
            expected = tuple(map(str, known.get(member.rpartition("/")[0], ())))
            if found != expected:
                wanted, has = (f"frames {' to '.join(numbers) or '(none)'}" for numbers in (expected, found))
                raise ArchiveMismatch(
                    f"{source}: {member}: expected {wanted} as in the clean version 2.0, found {has}; get it again, or set "
                    f"download.sbu.published_frames to false for files that are meant to differ"
                )


def _canonical(names: Iterable[str], name: str, where: str) -> dict[str, str]:
    """Canonical name -> name in the source, for the skeletons of set `name`; the set's own folder may come first or not."""
    result: dict[str, str] = {}
    for member in names:
        if match := _MEMBER.search(member.replace("\\", "/")):
            folder, action, number = match.groups()
            canonical = f"{name}/{action}/{number}/skeleton_pos.txt"
            if folder not in (None, name) or not 1 <= int(action) <= ACTIONS or canonical in result:
                raise ArchiveMismatch(f"{where}: {member}: expected set {name}, actions 01-08, each sequence once")
            result[canonical] = member
    return result


def _read_zip(archive: zipfile.ZipFile, name: str, where: str, within: str = "") -> Members:
    """The skeletons of a set in an open archive; `within`: only names that contain it."""
    names = [member for member in archive.namelist() if within in f"/{member}"]
    wanted = _canonical(names, name, where)
    for member in wanted.values():
        check_size(archive.getinfo(member), where)
    try:
        return {canonical: archive.read(member) for canonical, member in wanted.items()}
    except DAMAGED as error:
        raise ArchiveMismatch(f"{where}: damaged ({error}); get it again") from error


def read_set(path: Path, name: str) -> Members:
    """Canonical names and contents of the skeleton files of set `name` in the archive at `path`; else `ArchiveMismatch`."""
    with open_zip(path) as archive:
        return _read_zip(archive, name, str(path))


def _from_folder(folder: Path, name: str) -> Members:
    archive, extracted = folder / f"{name}.zip", folder / name
    if archive.is_file():
        return read_set(archive, name)
    names = [path.relative_to(folder).as_posix() for path in files_below(extracted) if path.name == "skeleton_pos.txt"]
    if not names:
        raise RawDataMissing(name)
    return {canonical: (folder / path).read_bytes() for canonical, path in _canonical(names, name, str(extracted)).items()}


def _from_zip(archive: zipfile.ZipFile, name: str) -> Members:
    nested = [member for member in archive.namelist() if PurePosixPath(member).name == f"{name}.zip"]
    if not nested:
        members = _read_zip(archive, name, str(archive.filename), within=f"/{name}/")
        if not members:
            raise RawDataMissing(name)
        return members
    where = f"{archive.filename}:{nested[0]}"
    check_size(archive.getinfo(nested[0]), str(archive.filename), LARGEST_ARCHIVE)
    with tempfile.SpooledTemporaryFile(max_size=1 << 26) as copy:  # an archive in an archive cannot be sought in quickly
        try:
            with archive.open(nested[0]) as packed:
                shutil.copyfileobj(packed, copy)
            with zipfile.ZipFile(copy) as opened:
                return _read_zip(opened, name, where)
        except DAMAGED as error:
            raise ArchiveMismatch(f"{where}: not a complete zip archive ({error}); get it again") from error


def _from_url(base: str, section: SbuDownload, budget: remote.Budget, name: str) -> Members:
    folder = KEPT / hashlib.sha256(base.encode()).hexdigest()[:12]  # one a source: never mix two
    kept = folder / f"{name}.zip"
    if (members := _kept_members(kept, name)) is not None:
        return members
    folder.mkdir(parents=True, exist_ok=True)
    url = f"{base.rstrip('/')}/{name}.zip"
    try:
        found = remote.fetch_members(url, _is_skeleton, folder, section.retries, budget)
    except DownloadFailed as error:
        raise DownloadFailed(
            f"{error}. Complete sets stay in {KEPT}: run again to continue; or set SBU_SOURCE to {_SOURCES}"
        ) from error
    members = {canonical: found[member] for canonical, member in _canonical(found, name, shown(url)).items()}
    if len(members) == SEQUENCES[name]:
        write_zip(kept, members)
    return members


def _is_skeleton(member: str) -> bool:
    return _MEMBER.search(member.replace("\\", "/")) is not None


def _kept_members(kept: Path, name: str) -> Members | None:
    """Members of a set kept from an interrupted download, or None where it is not there, not complete or damaged."""
    if not kept.is_file():
        return None
    try:
        members = read_set(kept, name)
    except ArchiveMismatch:
        return None
    return members if len(members) == SEQUENCES[name] else None
