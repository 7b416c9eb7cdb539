"""Reader of NTU RGB+D's `.skeleton` text.

The format, after `Matlab/read_skeleton_file.m` of the data set's repository:

    T                       frames
    N                       bodies in this frame, 0 or more; then for each body
    id + 9 fields           the track; ids exceed 2^53, so as floats neighbours would merge
    25                      joints
    x y z + 9 fields        a line a joint; x, y, z in metres in the camera's space

Two readers give the same answer. `ntu_kernel` goes over the bytes of a plain file in one compiled pass; whatever is unusual there
(NaN, tabs, very long numbers) or wrong makes it give up, and `read_lines`, in plain Python, reads on or says what is wrong where.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.shared.errors import MalformedSkeleton

JOINTS, TRACK_FIELDS, JOINT_FIELDS = 25, 10, 12
LINES_A_BODY = 2 + JOINTS
# Every body takes at least this many bytes: 12 fields of one digit a joint, with spaces and a line break.
BYTES_A_BODY = 24 * JOINTS
INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class Recording:
    """A file as it stands: `N` bodies over `T` frames, in the order of the file.

    `counts`: int64 `[T]`, bodies a frame. `ids`: int64 `[N]`, the track of each body. `joints`: float32 `[N, 25, 3]`, metres,
    what `float()` gives for the text, rounded to float32; NaN and infinity as in the file.
    """

    counts: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    joints: npt.NDArray[np.float32]

    @property
    def frames(self) -> npt.NDArray[np.int64]:
        """The frame of each body, from 0: int64 `[N]`."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def line(self, body: int, joint: int) -> int:
        """The line of the file, from 1, where a joint (from 0) of a body (from 0) stands."""
        lines_before = 1 + (int(self.frames[body]) + 1) + LINES_A_BODY * body + 2
        return lines_before + joint + 1


def read(text: bytes, file: str) -> Recording:
    """Read the bytes of a `.skeleton` file; `file` is the name for errors.

    Takes CRLF and LF, exponents, NaN and Infinity, a missing last line break and blank lines at the end.
    Raises `MalformedSkeleton` with the line where the text ends early or is not what the format has there.
    """
    return _read_plain(text) or read_lines(text, file)


def _read_plain(text: bytes) -> Recording | None:
    """Read a file in the plain form, or None: then it is unusual or wrong."""
    from pipeline.datasets.ntu import kernel as ntu_kernel  # noqa: PLC0415  (compiles; only where files are read)

    end = text.find(b"\n")
    first = text[: max(end, 0)].strip()
    if not first.isdigit() or len(first) > len(str(len(text))):
        return None
    most = len(text) // BYTES_A_BODY + 1
    counts, ids = np.empty(int(first), np.int64), np.empty(most, np.int64)
    joints = np.empty((most, JOINTS, 3), np.float32)
    guarded = np.frombuffer(text + ntu_kernel.GUARD, np.uint8)
    bodies, after = ntu_kernel.scan(guarded, end + 1, counts, ids, joints)
    if bodies == ntu_kernel.FAILED or text[after:].strip():
        return None
    return Recording(counts, ids[:bodies], joints[:bodies])


class _Lines:
    """The lines of a file one after the other, each checked for its number of fields."""

    def __init__(self, text: bytes, file: str):
        self.file, self.number = file, 0
        self._lines = text.rstrip().split(b"\n")

    def wrong(self, reason: str) -> MalformedSkeleton:
        """The error for the line that was taken last."""
        return MalformedSkeleton(self.file, self.number, reason)

    def take(self, fields: int, what: str) -> list[bytes]:
        """The fields of the next line, which should be `what`."""
        self.number += 1
        if self.number > len(self._lines):
            raise self.wrong(f"the file ends before this line; expected {what}. Extract or copy the file again")
        found = self._lines[self.number - 1].split()
        if len(found) != fields:
            raise self.wrong(f"expected {what}, {fields} field(s); found {len(found)}: {self._shown()}")
        return found

    def integer(self, field: bytes, what: str, least: int = 0) -> int:
        """A field as an integer from `least` up to what int64 holds."""
        try:
            value = int(field)
        except ValueError:
            raise self.wrong(f"expected {what}, an integer; found {self._shown()}") from None
        if not least <= value <= INT64.max:
            raise self.wrong(f"expected {what} from {least} to {INT64.max}; found {value}")
        return value

    def position(self, fields: list[bytes]) -> list[float]:
        """The first three fields as numbers."""
        try:
            return [float(field) for field in fields[:3]]
        except ValueError:
            raise self.wrong(f"expected x, y, z as numbers; found {self._shown()}") from None

    def finish(self) -> None:
        """Check that all lines were taken."""
        if self.number < len(self._lines):
            self.number += 1
            raise self.wrong(f"expected the end of the file after the last of its frames; found {self._shown()}")

    def _shown(self) -> str:
        return repr(self._lines[self.number - 1][:60].decode("ascii", "replace"))


def read_lines(text: bytes, file: str) -> Recording:
    """The same as `read`, line by line in plain Python, some fifteen times slower; the ground for its errors and its tests."""
    lines = _Lines(text, file)
    counts: list[int] = []
    ids: list[int] = []
    joints: list[list[float]] = []
    total = lines.integer(lines.take(1, "the number of frames")[0], "the number of frames")
    for frame in range(1, total + 1):
        what = f"the number of bodies in frame {frame} of {total}"
        counts.append(lines.integer(lines.take(1, what)[0], what))
        for _ in range(counts[-1]):
            ids.append(_read_body(lines, joints))
    lines.finish()
    with np.errstate(over="ignore"):  # too large for float32 is infinity, as in the compiled loop
        positions = np.array(joints, np.float64).astype(np.float32).reshape(-1, JOINTS, 3)
    return Recording(np.array(counts, np.int64), np.array(ids, np.int64), positions)


def _read_body(lines: _Lines, joints: list[list[float]]) -> int:
    """Append the 25 positions of the next body to `joints` and return its track id."""
    track = lines.integer(lines.take(TRACK_FIELDS, "a body's track id and state")[0], "a track id", INT64.min)
    number = lines.integer(lines.take(1, "the number of joints")[0], "the number of joints")
    if number != JOINTS:
        raise lines.wrong(f"expected {JOINTS} joints; found {number}")
    for joint in range(1, JOINTS + 1):
        joints.append(lines.position(lines.take(JOINT_FIELDS, f"joint {joint} of {JOINTS}")))
    return track
