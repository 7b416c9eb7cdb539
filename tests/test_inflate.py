"""Members of a zip through libdeflate: the bytes of `zipfile`, and its errors."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from pipeline.datasets.shared import inflate

TEXT = b"1 2 3\r\n" * 5000
NAMES = ("a.skeleton", "folder/b.skeleton", "Übung.skeleton")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An archive with bytes before it, members packed and stored, an empty one, and a comment."""
    path = tmp_path / "a.zip"
    path.write_bytes(b"#!self-extracting\n")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            archive.writestr(name, TEXT + name.encode())
        archive.writestr("stored", TEXT, zipfile.ZIP_STORED)
        archive.writestr("empty", b"")
        archive.writestr("bzip2", TEXT, zipfile.ZIP_BZIP2)
        archive.comment = b"synthetic"
    return path


def read(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return inflate.read(archive, archive.getinfo(name))


@pytest.mark.parametrize("without", [False, True])
def test_every_member_is_what_zipfile_reads(source: Path, monkeypatch: pytest.MonkeyPatch, without: bool) -> None:
    if without:
        monkeypatch.setattr(inflate, "deflate", None)
    assert [read(source, name) for name in NAMES] == [TEXT + name.encode() for name in NAMES]
    assert (read(source, "stored"), read(source, "empty"), read(source, "bzip2")) == (TEXT, b"", TEXT)


def test_the_usual_member_never_reaches_zlib(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("deflate")
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("zlib was asked"))
    assert [read(source, name) for name in NAMES] == [TEXT + name.encode() for name in NAMES]


def spoilt(source: Path, change: str) -> None:
    """Change a byte of the first member's packed text, its name beside it, or its CRC in the directory; or cut the text short."""
    data = bytearray(source.read_bytes())
    with zipfile.ZipFile(source) as archive:
        info = archive.getinfo(NAMES[0])
    text = info.header_offset + 30 + len(NAMES[0])
    if change == "text":
        data[text + info.compress_size // 2] ^= 0xFF
    elif change == "name":
        data[info.header_offset + 30] ^= 1
    elif change == "size":
        data[data.index(b"PK\x01\x02") + 24] -= 1
    else:
        data[data.index(b"PK\x01\x02") + 16] ^= 1
    source.write_bytes(data)


@pytest.mark.parametrize("change", ["text", "name", "crc", "size"])
def test_what_is_damaged_is_the_error_of_zipfile(source: Path, change: str) -> None:
    spoilt(source, change)
    with zipfile.ZipFile(source) as archive, pytest.raises((zipfile.BadZipFile, zipfile.zlib.error)) as expected:
        archive.read(NAMES[0])
    with pytest.raises(type(expected.value)) as caught:
        read(source, NAMES[0])
    assert str(caught.value) == str(expected.value)


def test_an_encrypted_member_is_left_to_zipfile(source: Path) -> None:
    data = bytearray(source.read_bytes())
    place = data.index(b"PK\x01\x02") + 8
    struct.pack_into("<H", data, place, 1)
    source.write_bytes(data)
    with pytest.raises(RuntimeError, match="encrypted"):
        read(source, NAMES[0])


def test_an_archive_in_memory_is_left_to_zipfile(source: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(source.read_bytes())) as archive:
        assert inflate.read(archive, archive.getinfo(NAMES[1])) == TEXT + NAMES[1].encode()
