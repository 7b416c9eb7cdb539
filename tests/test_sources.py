"""Raw files of the user in every form: open in folders, in zips, in both; and archives that cannot be read."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.datasets.shared import sources
from pipeline.datasets.shared.errors import ArchiveMismatch, RawDataMissing

WANTED = re.compile(r"clip_\d\.txt")
FILES = {"clip_1.txt": b"one\r\n", "clip_2.txt": b"two\n"}
OTHERS = {"._clip_1.txt": b"macOS", "readme.txt": b"about", "clip_1.txt.bak": b"old"}


def zipped(path: Path, files: dict[str, bytes], prefix: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return path


def lying(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def both(tmp: Path) -> Path:
    """One file open, all of them in a zip beside it."""
    zipped(tmp / "a/all.zip", FILES, "deep/er/")
    return lying(tmp / "a", {"clip_2.txt": FILES["clip_2.txt"]})


def each(folder: Path) -> Path:
    for name, content in FILES.items():
        zipped(folder / name / "z.zip", {name: content})
    return folder


SOURCES: dict[str, Callable[[Path], Path]] = {
    "open files": lambda tmp: lying(tmp / "a", FILES | OTHERS),
    "open files in a subfolder": lambda tmp: lying(tmp / "a/b/c", FILES | OTHERS).parent.parent,
    "zip": lambda tmp: zipped(tmp / "a.zip", OTHERS | dict(reversed(FILES.items()))),
    "zip with another ending": lambda tmp: zipped(tmp / "a.bin", FILES, "x/"),
    "zip in a folder": lambda tmp: zipped(tmp / "a/all.ZIP", FILES, "x\\").parent,
    "a zip for each": lambda tmp: each(tmp / "a"),
    "some open, all in a zip": both,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_form_gives_the_same_files(kind: str, tmp_path: Path) -> None:
    found = sources.read(str(SOURCES[kind](tmp_path)), WANTED, "advice")
    assert list(found.items()) == list(FILES.items())
    sources.write(tmp_path / "out", found)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == FILES


def test_one_of_the_files_is_a_source_too(tmp_path: Path) -> None:
    lying(tmp_path, FILES)
    assert sources.read(str(tmp_path / "clip_1.txt"), WANTED, "advice") == {"clip_1.txt": b"one\r\n"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "^Ask them.$"),
        ("nowhere", r"nowhere: no such folder or file\. Ask them\."),
        ("empty", r"none of the files is there\. Ask"),
    ],
)
def test_no_source_is_an_error_with_advice(source: str, said: str, tmp_path: Path) -> None:
    lying(tmp_path / "empty", OTHERS)
    with pytest.raises(RawDataMissing, match=said):
        sources.read(source and str(tmp_path / source), WANTED, "Ask them.")


def test_two_contents_of_one_name_are_an_error(tmp_path: Path) -> None:
    lying(tmp_path / "a", FILES)
    zipped(tmp_path / "a/b.zip", {"clip_1.txt": b"other"})
    with pytest.raises(ArchiveMismatch, match=r"b\.zip:clip_1\.txt and .*clip_1\.txt have other contents; remove one"):
        sources.read(str(tmp_path / "a"), WANTED, "advice")


def test_damaged_and_encrypted_archives_are_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"clip_1.txt": bytes(range(256)) * 99})
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(ArchiveMismatch, match=r"a\.zip: not a complete zip archive \(File is not a zip file\); get it again"):
        sources.read(str(path), WANTED, "advice")
    path.write_bytes(whole[:60] + b"\xff\xff\xff\xff" + whole[64:])
    with pytest.raises(ArchiveMismatch, match=r"a\.zip: clip_1\.txt cannot be read \(.*\); get the archive again"):
        sources.read(str(path), WANTED, "advice")
    path.write_bytes(encrypted(whole))
    with pytest.raises(ArchiveMismatch, match=r"clip_1\.txt cannot be read \(File 'clip_1.txt' is encrypted"):
        sources.read(str(path), WANTED, "advice")


def encrypted(archive: bytes) -> bytes:
    """The archive with the flag that says that its one member is encrypted, in both of its headers."""
    changed = bytearray(archive)
    for place in (6, archive.index(b"PK\x01\x02") + 8):
        struct.pack_into("<H", changed, place, struct.unpack_from("<H", changed, place)[0] | 1)
    return bytes(changed)


def test_a_member_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("clip_1.txt", "w") as member:
        for _ in range(65):
            member.write(bytes(1 << 20))
    assert (tmp_path / "a.zip").stat().st_size < 100_000
    with pytest.raises(ArchiveMismatch, match=r"a\.zip: clip_1\.txt would unpack to 68,157,440 bytes; .* at most 67,108,864"):
        sources.read(str(tmp_path / "a.zip"), WANTED, "advice")


def test_folders_that_are_links_are_searched_and_circles_end(tmp_path: Path) -> None:
    real = lying(tmp_path / "elsewhere/deep", FILES).parent
    (tmp_path / "source").mkdir()
    (tmp_path / "source/link").symlink_to(real)
    (real / "back").symlink_to(tmp_path / "source")
    assert sources.read(str(tmp_path / "source"), WANTED, "advice") == FILES
    assert len(sources.files_below(tmp_path / "source")) == len(FILES)
