"""The `.skeleton` reader: what it returns is what `float()` gives, and what it refuses it names by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.ntu import kernel as ntu_kernel
from pipeline.datasets.ntu import reader as ntu_reader
from pipeline.datasets.ntu.reader import _read_plain, read, read_lines
from pipeline.datasets.shared.errors import MalformedSkeleton
from tests.skeleton_text import Body, pose, read_by_loop, text

A, B = 72057594037930243, 72057594037930244  # one number as floats
FRAMES: list[list[Body]] = [[(A, pose(1).tolist())], [], [(B, pose(2).tolist()), (A, pose(3).tolist())]]
PLAIN = text(FRAMES)
# Lines of PLAIN: 1 frames, 2 bodies, 3 track, 4 joints, 5-29; 30 no body; 31 bodies, 32 track, 33 joints, 34-58; 59, 60, 61-85.
LAST = 85


def equal(a: ntu_reader.Recording, b: ntu_reader.Recording) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in ("counts", "ids", "joints"))


def with_joint(*tokens: str) -> bytes:
    """A file of one body whose fourth joint, line 8, is these tokens."""
    joints: list[list[object]] = pose().tolist()
    joints[3] = list(tokens)
    return text([[(A, joints)]])


def changed(line: int, change: Callable[[bytes], bytes]) -> bytes:
    lines = PLAIN.split(b"\r\n")
    lines[line - 1] = change(lines[line - 1])
    return b"\r\n".join(lines)


def test_known_file() -> None:
    recording = read(PLAIN, "x.skeleton")
    assert recording.counts.tolist() == [1, 0, 2]
    assert recording.ids.tolist() == [A, B, A]
    assert recording.frames.tolist() == [0, 2, 2]
    assert recording.joints.dtype == np.float32
    np.testing.assert_array_equal(recording.joints, np.stack([pose(1), pose(2), pose(3)]).astype(np.float32))


def test_line_of_a_joint() -> None:
    recording = read(PLAIN, "x.skeleton")
    assert [recording.line(0, 0), recording.line(0, 24), recording.line(1, 0), recording.line(2, 24)] == [5, 29, 34, LAST]


def test_plain_files_take_the_compiled_way() -> None:
    assert _read_plain(PLAIN) is not None
    assert _read_plain(text(FRAMES, "\n")) is not None
    assert _read_plain(with_joint("5.861595E-06", "-1.5e+2", "3")) is not None


@pytest.mark.parametrize(
    "data",
    [
        text(FRAMES, "\n"),
        PLAIN.removesuffix(b"\r\n"),
        PLAIN + b"\r\n\r\n \n",
        PLAIN.replace(b" ", b"\t"),
        PLAIN.replace(b" ", b"  "),
        PLAIN.replace(b"\r\n", b" \r\n"),
        PLAIN.replace(b"\r\n", b"\n "),
    ],
    ids=["LF", "no last break", "blank lines at the end", "tabs", "two spaces", "space at the end", "space at the start"],
)
def test_forms_of_the_same_file(data: bytes) -> None:
    assert equal(read(data, ""), read(PLAIN, ""))


def test_no_frames_and_no_bodies() -> None:
    assert read(b"0\r\n", "").counts.tolist() == []
    nobody = read(b"3\r\n0\r\n0\r\n0\r\n", "")
    assert (nobody.counts.tolist(), nobody.ids.shape, nobody.joints.shape) == ([0, 0, 0], (0,), (0, 25, 3))


SPECIAL = ["nan", "NaN", "-NaN", "Infinity", "-inf", "1e400", "-1e400", "1e39", "1e-400", "4.9e-324", "+1.5", "1_0.5", "0", "-0"]
SPECIAL += [
    ".5",
    "-.5",
    "5.",
    "1e5",
    "1E+05",
    "1e-22",
    "1e22",
    "1e23",
    "9007199254740993",
    "9007199254740992.0",
    "0.1234567890123456789",
]
SPECIAL += [
    "123456789012345678901234567890",
    "00000000000000000000001",
    "0.000000000000000000000000012",
    "5.861595E-06",
    "1e0000000000001",
]


@pytest.mark.parametrize("token", SPECIAL)
def test_tokens_of_every_kind(token: str) -> None:
    with np.errstate(over="ignore"):
        expected = np.float64(float(token)).astype(np.float32)
    for tokens in ((token, "1", "2"), ("1", token, "2"), ("1", "2", token)):
        found = read(with_joint(*tokens), "").joints[0, 3, tokens.index(token)]
        np.testing.assert_array_equal(found, expected)
        assert np.signbit(found) == np.signbit(expected) or np.isnan(expected)


def test_many_random_tokens_are_what_float_gives() -> None:
    rng = np.random.default_rng(0)
    forms = ["{:.7g}", "{:.7G}", "{:.15g}", "{:.17g}", "{:.3f}", "{:.6e}", "{:.0f}"]
    values = rng.normal(size=(40, 25, 3)) * 10.0 ** rng.integers(-9, 9, (40, 25, 3))
    chosen = rng.integers(0, len(forms), values.shape)
    tokens = [[[forms[chosen[b, j, a]].format(values[b, j, a]) for a in range(3)] for j in range(25)] for b in range(40)]
    data = text([[(b, body)] for b, body in enumerate(tokens)])
    assert _read_plain(text([[(0, [["0.1", "-2e-3", "30"]] * 25)]])) is not None
    np.testing.assert_array_equal(read(data, "").joints, np.array(tokens).astype(np.float64).astype(np.float32))


@pytest.mark.parametrize("digits", [6, 12])
def test_the_compiled_way_alone_is_what_float_gives(digits: int) -> None:
    rng = np.random.default_rng(digits)
    values = rng.uniform(-1, 1, (200, 25, 3)) * 10.0 ** rng.integers(0, 4, (200, 25, 3))
    tokens = [[[f"{v:.{digits}f}" for v in joint] for joint in body] for body in values]
    recording = _read_plain(text([[(0, body)] for body in tokens]))
    assert recording is not None
    np.testing.assert_array_equal(recording.joints, np.array(tokens).astype(np.float64).astype(np.float32))


FORMS = ["{:.7g}", "{:.15g}", "{:.16f}", "{:.17g}", "{:.6e}", "{:.14E}", "{:.0f}"]


@pytest.mark.parametrize("form", FORMS)
def test_compiled_numbers_are_float_to_the_last_bit(form: str) -> None:
    """Before the rounding to float32, which would hide nearly every mistake; what is not sure must be handed on."""
    rng = np.random.default_rng(FORMS.index(form))
    tokens = [form.format(v) for v in rng.normal(size=2000) * 10.0 ** rng.integers(-8, 12, 2000)] + SPECIAL
    sure = 0
    for token in tokens:
        value, end, good = ntu_kernel._number(np.frombuffer(f"{token} ".encode() + ntu_kernel.GUARD, np.uint8), np.uint64(0))
        if good:
            sure += 1
            assert (value, end) == (float(token), len(token) + 1), token
            assert np.signbit(value) == token.startswith("-")
    assert sure > (0 if form in FORMS[2:4] else 1500)


def test_negative_and_large_track_ids() -> None:
    ids = [-5, 0, 2**63 - 1, -(2**63)]
    assert read(text([[(track, pose().tolist())] for track in ids]), "").ids.tolist() == ids


FIRST = {
    "empty": b"",
    "blank": b"\r\n\r\n",
    "word": b"abc\r\n",
    "fraction": b"2.5\r\n",
    "two numbers": b"1 2\r\n",
    "digits": b"9" * 5000,
}
MALFORMED = {
    "negative frames": (1, "number of frames", changed(1, lambda _: b"-1")),
    "more frames than there are": (LAST + 1, "frame 4 of 4", changed(1, lambda _: b"4")),
    "fewer frames": (31, "end of the file", changed(1, lambda _: b"2")),
    "negative bodies": (2, "number of bodies", changed(2, lambda _: b"-1")),
    "bodies as text": (30, "number of bodies in frame 2 of 3", changed(30, lambda _: b"none")),
    "too many bodies": (31, "track id", changed(30, lambda _: b"1")),
    "blank line": (30, "number of bodies in frame 2", changed(30, lambda _: b"")),
    "track id beyond int64": (3, "track id", changed(3, lambda line: line.replace(b"%d" % A, b"9223372036854775808"))),
    "track id with a point": (3, "track id", changed(3, lambda line: b"1." + line)),
    "track id with a sign inside": (3, "track id", changed(3, lambda line: b"7-" + line)),
    "bodies with a unit": (2, "number of bodies", changed(2, lambda line: line + b"x")),
    "track with nine fields": (32, "10 field(s); found 9", changed(32, lambda line: line[:-2])),
    "24 joints": (33, "expected 25 joints", changed(33, lambda _: b"24")),
    "joint with eleven fields": (40, "12 field(s); found 11", changed(40, lambda line: line[:-2])),
    "joint with thirteen fields": (40, "12 field(s); found 13", changed(40, lambda line: line + b" 2")),
    "joint twice in a line": (41, "12 field(s)", changed(41, lambda line: line + b" " + line)),
    "word for a number": (85, "x, y, z as numbers", changed(LAST, lambda line: b"x" + line)),
    "number with a tail": (61, "x, y, z as numbers", changed(61, lambda line: line.replace(b" ", b"m ", 1))),
    "two signs": (61, "x, y, z as numbers", changed(61, lambda line: b"--" + line)),
    "exponent without digits": (8, "x, y, z as numbers", with_joint("1e", "2", "3")),
    "point alone": (8, "x, y, z as numbers", with_joint("1", ".", "3")),
    "hexadecimal": (8, "x, y, z as numbers", with_joint("1", "2", "0x10")),
    "binary": (2, "number of bodies", b"1\r\n" + bytes(range(128, 256))),
}


@pytest.mark.parametrize("case", FIRST)
def test_wrong_first_line(case: str) -> None:
    with pytest.raises(MalformedSkeleton, match="number of frames") as caught:
        read(FIRST[case], "a.skeleton")
    assert (caught.value.file, caught.value.line) == ("a.skeleton", 1)


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_refused_by_line(case: str) -> None:
    line, words, data = MALFORMED[case]
    with pytest.raises(MalformedSkeleton) as caught:
        read(data, "a.skeleton")
    assert caught.value.line == line
    assert words in caught.value.reason
    assert str(caught.value).startswith(f"a.skeleton, line {line}: ")


def test_fields_too_few_and_too_many_do_not_make_up_for_each_other() -> None:
    lines = PLAIN.split(b"\r\n")
    lines[39], lines[40] = lines[39][:-2], lines[40] + b" 2"
    with pytest.raises(MalformedSkeleton, match="line 40"):
        read(b"\r\n".join(lines), "a.skeleton")


def test_a_file_cut_anywhere_is_refused_at_the_cut() -> None:
    data = text([[(A, pose().tolist())]])
    whole = read(data, "")
    for size in range(len(data)):
        cut = data[:size]
        if data[size:].strip() == b"":
            assert equal(read(cut, ""), whole)
            continue
        with pytest.raises(MalformedSkeleton) as caught:
            read(cut, "")
        ends_a_line = data[size:].startswith((b"\r", b"\n")) or cut.endswith(b"\n")
        assert caught.value.line == max(1, len(cut.splitlines()) + ends_a_line), size


def test_both_readers_agree_on_damaged_text() -> None:
    """Bytes changed at random: the same answer, or the same error, whether or not the compiled way tries first."""
    rng, data = np.random.default_rng(1), bytearray(text([[(A, pose().tolist())]]))
    alphabet = b"0123456789.-+eE \r\n\tnan"
    refused = 0
    for _ in range(600):
        spoilt = bytearray(data)
        for place in rng.integers(0, len(data), 2):
            spoilt[place] = rng.choice(list(alphabet))
        try:
            expected = read_lines(bytes(spoilt), "f")
        except MalformedSkeleton as error:
            refused += 1
            with pytest.raises(MalformedSkeleton) as caught:
                read(bytes(spoilt), "f")
            assert str(caught.value) == str(error)
        else:
            assert equal(read(bytes(spoilt), "f"), expected)
    assert 50 < refused < 550


@pytest.mark.parametrize(
    ("name", "frames", "bodies"),
    [("S001C001P001R001A001", 103, 103), ("S001C003P008R002A058", 70, 140), ("S002C001P003R001A003", 100, 100)],
)
def test_real_files(real: Callable[[str], Path], name: str, frames: int, bodies: int) -> None:
    data = (real("ntu") / f"{name}.skeleton").read_bytes()
    recording = read(data, name)
    counts, ids, joints = read_by_loop(data)
    assert (len(recording.counts), len(recording.ids)) == (frames, bodies)
    assert (recording.counts.tolist(), recording.ids.tolist()) == (counts, ids)
    np.testing.assert_array_equal(recording.joints, joints)
    assert _read_plain(data) is not None
    assert equal(read_lines(data, name), recording)
