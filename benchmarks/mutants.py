"""Kinds of damage for `benchmarks.mutations`: each makes another content of a file from its bytes and a seeded generator."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

Mutate = Callable[[Random, bytes], bytes]


class Kind(NamedTuple):
    """A kind of damage. `unknowable`: the content is as good as the one before, and no reader could know that it is another."""

    name: str
    mutate: Mutate
    unknowable: bool = False


class Told(Exception):
    """The reader said what is wrong, or counted it."""


class Counted(Told):
    """It went on, and counted it."""


@dataclass(frozen=True)
class Area:
    """A file, how often each kind of damage is done to it, and what the pipeline makes of its bytes, as something to compare.

    `read` raises `PipelineError` or `Told`.
    """

    name: str
    base: bytes
    kinds: tuple[Kind, ...]
    each: int
    read: Callable[[bytes], object]


# --- any file ---------------------------------------------------------------------------------------------------------------


def cut(rng: Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(len(data))]


def turned(rng: Random, data: bytes) -> bytes:
    """One bit is another."""
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def zeroed(rng: Random, data: bytes) -> bytes:
    """A block is zeros, as after a crash of a filesystem."""
    place = rng.randrange(len(data))
    return (data[:place] + bytes(min(512, len(data) - place)) + data[place + 512 :])[: len(data)]


def noise(rng: Random, data: bytes) -> bytes:
    """Another file altogether."""
    return rng.randbytes(rng.randrange(1, 4096))


ANY = (
    Kind("empty", lambda rng, data: b""),
    Kind("cut", cut),
    Kind("block of zeros", zeroed),
    Kind("noise", noise),
)

# --- text -------------------------------------------------------------------------------------------------------------------


def on_lines(change: Callable[[Random, list[bytes]], None]) -> Mutate:
    """A change of the file's lines, with their ends."""

    def mutate(rng: Random, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        change(rng, lines)
        return b"".join(lines)

    return mutate


def lose(rng: Random, lines: list[bytes]) -> None:
    """A line is lost, not the last."""
    del lines[rng.randrange(len(lines) - 1)]


def double(rng: Random, lines: list[bytes]) -> None:
    """A line stands twice."""
    place = rng.randrange(len(lines))
    lines.insert(place, lines[place])


def exchange(rng: Random, lines: list[bytes]) -> None:
    """Two neighbouring lines are exchanged."""
    place = rng.randrange(len(lines) - 1)
    lines[place : place + 2] = lines[place : place + 2][::-1]


def on_number(separator: bytes, columns: range, change: Callable[[Random, bytes], bytes], least: int) -> Mutate:
    """A change of one number in these columns of a line with at least so many."""

    def mutate(rng: Random, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        place = rng.choice([i for i, line in enumerate(lines) if len(line.split(separator)) >= least])
        body = lines[place].rstrip(b"\r\n")
        words = body.split(separator)
        column = rng.choice(columns)
        words[column] = change(rng, words[column])
        lines[place] = separator.join(words) + lines[place][len(body) :]
        return b"".join(lines)

    return mutate


def absurd(rng: Random, number: bytes) -> bytes:
    """A magnitude that no body has."""
    return b"%s%.3g" % (rng.choice([b"", b"-"]), 10 ** rng.uniform(2, 30)) if rng.random() < 0.8 else number + b"e9"


NONE = (*b"nan inf -inf x 0x1p3 1,5 1.2.3 --1 1e999 1_0".split(), b"", b"\xff", "\u0663".encode())


def none(rng: Random, number: bytes) -> bytes:
    """What is no finite number."""
    return rng.choice(
        [b"nan", b"inf", b"-inf", b"", b"x", b"0x1p3", b"1,5", b"1.2.3", b"--1", b"1e999", b"\xff", b"1_0", "٣".encode()]
    )


def near(rng: Random, number: bytes) -> bytes:
    """Another number as good as this one."""
    return b"%.6f" % (float(number) + 0.01)


def texts(separator: bytes, columns: range, least: int, numbered: bool) -> tuple[Kind, ...]:
    """The kinds for a text of numbers: those of coordinates are in these columns of lines with at least so many.

    Where lines are not `numbered` two of one body may be exchanged: then two joints have each other's places in one frame.
    """
    return (
        *ANY,
        Kind("line lost", on_lines(lose)),
        Kind("line doubled", on_lines(double)),
        Kind("lines exchanged", on_lines(exchange), unknowable=not numbered),
        Kind("absurd magnitude", on_number(separator, columns, absurd, least)),
        Kind("no number", on_number(separator, columns, none, least)),
        Kind("number lost", on_number(separator, columns, lambda rng, number: b"\0", least)),
        Kind("number doubled", on_number(separator, columns, lambda rng, number: number + separator + number, least)),
        Kind("text in UTF-16", lambda rng, data: data.decode().encode("utf-16")),
        Kind("a whole file behind it", lambda rng, data: data + data),
        Kind("line ends", lambda rng, data: data.replace(b"\r\n", b"\n") if b"\r\n" in data else data.replace(b"\n", b"\r\n")),
    )


NEAR = "a coordinate 1 cm beside"


def nearby(separator: bytes, columns: range, least: int) -> Kind:
    """The one kind of text that no reader could know."""
    return Kind(NEAR, on_number(separator, columns, near, least), unknowable=True)


# --- zips -------------------------------------------------------------------------------------------------------------------


def set_in_directory(offset: int, form: str, value: Callable[[Random], int]) -> Mutate:
    """A field of an entry of the central directory is another."""

    def mutate(rng: Random, data: bytes) -> bytes:
        places = [i for i in range(len(data) - 46) if data[i : i + 4] == b"PK\1\2"]
        made = bytearray(data)
        struct.pack_into(form, made, rng.choice(places) + offset, value(rng))
        return bytes(made)

    return mutate


def again(change: Callable[[zipfile.ZipInfo, bytes, Random], tuple[str, bytes]]) -> Mutate:
    """The archive written anew with one member changed."""

    def mutate(rng: Random, data: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
            chosen = rng.choice(old.namelist())
            for info in old.infolist():
                name, content = info.filename, old.read(info)
                new.writestr(*(change(info, content, rng) if name == chosen else (name, content)))
        return out.getvalue()

    return mutate


def turned_within(rng: Random, data: bytes) -> bytes:
    """A bit in the packed data of a member: its checksum shows it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = rng.choice([info for info in archive.infolist() if info.compress_size > 8])
    start = info.header_offset + 30 + len(info.filename.encode()) + struct.unpack_from("<H", data, info.header_offset + 28)[0]
    place = start + rng.randrange(info.compress_size)
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


ZIPS = (
    *ANY,
    Kind("a bit in the data", turned_within),
    Kind("encrypted", set_in_directory(8, "<H", lambda rng: 1)),
    Kind("another compression", set_in_directory(10, "<H", lambda rng: rng.choice([9, 12, 14, 93, 97, 255]))),
    Kind("another CRC", set_in_directory(16, "<I", lambda rng: rng.getrandbits(32))),
    Kind("another size packed", set_in_directory(20, "<I", lambda rng: rng.randrange(1, 1 << 31))),
    Kind("another size unpacked", set_in_directory(24, "<I", lambda rng: rng.choice([0, 1, 1 << 20, 1 << 27, (1 << 32) - 2]))),
    Kind("another place", set_in_directory(42, "<I", lambda rng: rng.randrange(1, 1 << 31))),
    Kind("directory cut", lambda rng, data: data[: data.rindex(b"PK\1\2")] + data[data.rindex(b"PK\5\6") :]),
    Kind("bytes before it", lambda rng, data: rng.randbytes(100) + data),
    Kind("a member cut", again(lambda info, content, rng: (info.filename, content[: len(content) // 2 + 7]))),
    Kind("a member empty", again(lambda info, content, rng: (info.filename, b""))),
)


# --- files of torch and numpy, tables, JSON ---------------------------------------------------------------------------------

BINARY = (*ANY, Kind("a bit", turned))


def checksum_mended(rng: Random, data: bytes) -> bytes:
    """A byte of a zip's stored member is another, and its CRC fits: another content, whole in itself."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = max(archive.infolist(), key=lambda found: found.file_size)
        content = bytearray(archive.read(info))
    place = rng.randrange(len(content))
    content[place] ^= 0x40
    made, old, new = bytearray(data), struct.pack("<I", info.CRC), struct.pack("<I", zlib.crc32(content))
    start = data.index(archive_content(data, info), info.header_offset)
    made[start : start + len(content)] = content
    return bytes(made).replace(old, new)


def archive_content(data: bytes, info: zipfile.ZipInfo) -> bytes:
    """The stored bytes of a member."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(info)


def tables(columns: range, least: int) -> tuple[Kind, ...]:
    """The kinds for a table of numbers with a head."""
    return (
        *ANY,
        Kind("line lost", on_lines(lose)),
        Kind("line doubled", on_lines(double)),
        Kind("no number", on_number(b",", columns, none, least)),
        Kind("number lost", on_number(b",", columns, lambda rng, number: b"", least)),
        Kind("absurd magnitude", on_number(b",", columns, absurd, least)),
        Kind("text in UTF-16", lambda rng, data: data.decode().encode("utf-16")),
    )
