"""Writers of the two raw formats: SBU's lines of 91 numbers, and NTU RGB+D's `.skeleton` text with its quirks.

Formats and quirks are those of the real files, counted there; `sbu` and `ntu_reader` describe them from the reader's side.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Coordinates = npt.NDArray[np.float64]
Body = tuple[int, Coordinates]  # track id, joints [25, 3]
Frames = list[list[Body]]  # the bodies of each frame, in the order of the file

SBU_ORIGIN = (0.0, -0.48, 2.1)  # of the scene, in the camera's axes: hips and feet as high in the picture as in real files
NTU_DISTANCE_M = 3.7  # of the scene from each camera
# Track ids as in a real clip (S010C003P025R001A060): above 2^53, and the last two are one number as floats.
TRACK, PARTNER_TRACK, CHANGED_TRACK, EXTRA_TRACK = (72057594037930000 + n for n in (243, 227, 244, 301))
# Pinhole cameras (depth x, y, then colour x, y): focal length and middle in pixels, fitted to real files.
_FOCAL = np.array([366.0, -366.0, 1050.0, -1050.0])
_MIDDLE = np.array([262.6, 209.7, 972.0, 538.0])
_LOOSE_JOINTS = frozenset({15, 19, 21, 22, 23, 24})  # ends of limbs: no orientation, often only inferred


class Quirk(StrEnum):
    """What is odd about a file; the words of the test and of the documentation."""

    GHOST = "ghost body: a second track of a few frames"
    FURNITURE = "furniture as a body: wide, flat and still"
    EMPTY = "frames without bodies at the start"
    HOLE = "a hole in the partner's track"
    NAN = "coordinates that are not a number"
    CHANGED_ID = "track id changes in mid-clip"
    LF = "line breaks without carriage return"
    NO_LAST_BREAK = "no line break at the end"
    EXPONENT = "a coordinate so small that it has an exponent"


GHOST_FRAMES, EMPTY_FRAMES, HOLE_FRAMES, NAN_FRAMES = 7, 4, 5, 6
NAN_JOINT, TINY = 15, 5.861595e-06  # the left foot; metres
CHANGED_ID_FRAMES = 24  # the least for a changed id: each half is too long to be taken for a ghost
TWO_BODIES = frozenset({Quirk.HOLE})
ONE_BODY = frozenset({Quirk.GHOST, Quirk.FURNITURE})


def sbu_text(scene: Coordinates, first_frame: int, a_stands_right: bool) -> bytes:
    """`skeleton_pos.txt` of one sequence: `scene` `[T, 2, 15, 3]`, left person first, in metres about the scene's middle.

    Undoes the README: X = 1280 - 2560 x, Y = 960 - 1920 y, Z = 10000 z / 7.8125 (here in thousands). X grows to the left.
    Frame numbers go on from one recording to the next in a set, as in the real files.
    """
    x, y, z = np.moveaxis(scene * (-1, 1, 1) + SBU_ORIGIN, -1, 0)
    values = np.stack([(1.28 - x) / 2.56, (0.96 - y) / 1.92, z * 0.78125], axis=-1)
    rows = (values[:, ::-1] if a_stands_right else values).reshape(len(scene), -1)
    template = ",".join(["%d", *["%.5g"] * rows.shape[1]]) + "\r\n"
    return "".join(template % (n, *row) for n, row in enumerate(rows.tolist(), start=first_frame)).encode()


def ntu_text(frames: Frames, yaw: float) -> bytes:
    """A `.skeleton` file, CRLF; coordinates in the camera's axes. `yaw` (radians) is the turn of the people before it."""
    template = _body_template(yaw)
    parts = [f"{len(frames)}\r\n"]
    for bodies in frames:
        parts.append(f"{len(bodies)}\r\n")
        parts.extend(f"{track} {template}" % tuple(_columns(joints).ravel().tolist()) for track, joints in bodies)
    return "".join(parts).replace("NAN", "NaN").encode()


def _columns(joints: Coordinates) -> Coordinates:
    """x, y, z, then the places in the depth and colour pictures: `[25, 7]`."""
    pixels = joints[:, [0, 1, 0, 1]] / joints[:, 2:] * _FOCAL + _MIDDLE
    return np.concatenate([joints, pixels], axis=1)


def _body_template(yaw: float) -> str:
    """Everything of a body but its track id and the seven numbers a joint that change, for `%`; seven digits, .NET's `E-06`."""
    upright = f"{np.cos(yaw / 2):.7G} 0 {np.sin(yaw / 2):.7G} 0"
    lines = [" ".join(["%.7G"] * 7) + (" 0 0 0 0 1" if joint in _LOOSE_JOINTS else f" {upright} 2") for joint in range(25)]
    return "\r\n".join(["0 1 1 1 1 0 0.02764709 0.05745083 2", "25", *lines, ""])


def tracks(scene: Coordinates) -> Frames:
    """The bodies `[T, M, 25, 3]` of a clean recording with their track ids."""
    ids = (TRACK, PARTNER_TRACK)
    return [list(zip(ids, bodies, strict=False)) for bodies in scene]


def spoil(frames: Frames, quirk: Quirk | None) -> Frames:
    """The frames with a quirk of content; the others pass unchanged. The input stays as it is."""
    changes: dict[Quirk | None, Callable[[Frames], Frames]] = {
        Quirk.GHOST: _with_ghost,
        Quirk.FURNITURE: _with_furniture,
        Quirk.EMPTY: lambda clip: [[] for _ in range(EMPTY_FRAMES)] + clip,
        Quirk.HOLE: _with_hole,
        Quirk.NAN: _with_nan,
        Quirk.CHANGED_ID: _with_changed_id,
        Quirk.EXPONENT: _with_tiny,
    }
    return changes[quirk](frames) if quirk in changes else frames


def spoil_text(text: bytes, quirk: Quirk | None) -> bytes:
    """The text with a quirk of line breaks."""
    if quirk == Quirk.LF:
        return text.replace(b"\r\n", b"\n")
    return text.removesuffix(b"\r\n") if quirk == Quirk.NO_LAST_BREAK else text


def _with_ghost(frames: Frames) -> Frames:
    """A short track beside the person, from the third frame on."""
    ghost = range(2, 2 + GHOST_FRAMES)
    return [[*b, (EXTRA_TRACK, b[0][1] * 0.9 + (0.4, 0, 0.3))] if t in ghost else b for t, b in enumerate(frames)]


def _with_furniture(frames: Frames) -> Frames:
    """A chair: 1.2 m wide, 0.4 m high, in every frame, before the person."""
    step = np.linspace(-1, 1, 25)
    chair = np.stack([0.6 * step, -0.8 + 0.2 * np.cos(9 * step), NTU_DISTANCE_M + 0.1 * np.sin(7 * step)], axis=1)
    return [[(EXTRA_TRACK, chair), *bodies] for bodies in frames]


def _with_hole(frames: Frames) -> Frames:
    """The partner is not there for some frames in the first third, and comes back under the same id."""
    hole = range(3, 3 + HOLE_FRAMES)
    return [bodies[:1] if t in hole else bodies for t, bodies in enumerate(frames)]


def _with_nan(frames: Frames) -> Frames:
    """A foot without coordinates for some frames, all three at once."""
    return _with_joint(frames, range(5, 5 + NAN_FRAMES), (np.nan, np.nan, np.nan))


def _with_tiny(frames: Frames) -> Frames:
    """The same foot, in one frame, almost exactly at x = 0."""
    return _with_joint(frames, range(4, 5), (TINY, -1.0, NTU_DISTANCE_M))


def _with_joint(frames: Frames, where: range, value: tuple[float, float, float]) -> Frames:
    changed = list(frames)
    for t in where:
        (track, joints), *others = frames[t]
        joints = joints.copy()
        joints[NAN_JOINT] = value
        changed[t] = [(track, joints), *others]
    return changed


def _with_changed_id(frames: Frames) -> Frames:
    """The first body gets the next id from the middle of the clip on, one that float64 cannot tell from the first."""
    middle = len(frames) // 2
    return frames[:middle] + [[(CHANGED_TRACK, bodies[0][1]), *bodies[1:]] for bodies in frames[middle:]]
