"""Steps on the frames of one clip, and the tables beside a store; nothing here knows a data set."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.datasets.shared.errors import MalformedSkeleton, TooManyMalformed

Coordinates = npt.NDArray[np.float64]
WINDOW = 5
_SHOWN = 5


def smooth(frames: Coordinates, ends: Literal["keep", "interpolate"]) -> Coordinates:
    """Savitzky-Golay over 5 frames, second order: (-3, 12, 17, 12, -3)/35 along the first axis of `[T, ...]`.

    The first and last two frames have no full window: `keep` leaves them as they are, `interpolate` evaluates the parabola
    through the first and last five frames. A clip shorter than the window is returned unchanged.
    """
    if len(frames) < WINDOW:
        return frames
    from scipy.signal import savgol_filter  # noqa: PLC0415 (0.7 s, and not every data set is smoothed)

    result: Coordinates = savgol_filter(frames, window_length=WINDOW, polyorder=2, axis=0, mode="interp")
    if ends == "keep":
        result[:2], result[-2:] = frames[:2], frames[-2:]
    return result


def centre(frames: Coordinates, joint: int, per_frame: bool) -> Coordinates:
    """Subtract the mean over bodies of one joint from `[T, M, J, 3]`: that of each frame, or that of the first frame."""
    middle = frames[:, :, joint].mean(axis=1)[:, None, None]
    centred: Coordinates = frames - (middle if per_frame else middle[:1])
    return centred


def check_allowed(failures: Sequence[MalformedSkeleton], allowed: int) -> None:
    """Raise `TooManyMalformed` naming the first few where there are more `failures` than `allowed`."""
    if len(failures) <= allowed:
        return
    shown = [f"  {failure}" for failure in failures[:_SHOWN]]
    more = [f"  and {len(failures) - _SHOWN} more"] if len(failures) > _SHOWN else []
    head = f"{len(failures)} file(s) cannot be read, {allowed} allowed; get them again, or raise normalize.allow_malformed:"
    raise TooManyMalformed("\n".join([head, *shown, *more]))


def write_set_aside(path: Path, failures: Iterable[MalformedSkeleton]) -> None:
    """Write `set_aside.csv`: columns file,line,reason."""
    write_table(path, ("file", "line", "reason"), ((f.file, f.line, f.reason) for f in failures))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header and Unix line ends."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
