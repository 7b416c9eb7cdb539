"""Smoothing and centring of one clip against answers worked out by hand, and the tables beside a store."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pipeline.datasets.shared.clips import centre, check_allowed, smooth, write_set_aside
from pipeline.datasets.shared.errors import MalformedSkeleton, TooManyMalformed

Ends = Literal["keep", "interpolate"]
IMPULSES: dict[str, tuple[int, int, Ends, list[float]]] = {
    # length, frame of an impulse of 35, ends, and what becomes of it: (-3, 12, 17, 12, -3)/35 where the window is full
    "inside": (9, 4, "keep", [0, 0, -3, 12, 17, 12, -3, 0, 0]),
    "ends kept": (5, 2, "keep", [0, 0, 17, 0, 0]),
    "parabola through the ends": (5, 2, "interpolate", [-3, 12, 17, 12, -3]),
    "in the first frame": (7, 0, "keep", [35, 0, -3, 0, 0, 0, 0]),
    "in the first frame, parabola": (7, 0, "interpolate", [31, 9, -3, 0, 0, 0, 0]),
    "too short": (4, 2, "interpolate", [0, 0, 35, 0]),
}


@pytest.mark.parametrize("case", IMPULSES)
def test_savitzky_golay(case: str) -> None:
    length, at, ends, expected = IMPULSES[case]
    frames = np.zeros((length, 2, 3, 3))
    frames[at, 1, 2, 1] = 35
    before = frames.copy()
    smoothed = smooth(frames, ends)
    assert np.array_equal(frames, before)  # the input is left alone
    assert np.allclose(smoothed[:, 1, 2, 1], expected, atol=1e-12)
    others = np.ones((2, 3, 3), dtype=bool)
    others[1, 2, 1] = False
    assert np.abs(smoothed[:, others]).max() == 0  # no other body, joint or axis


@pytest.mark.parametrize(("per_frame", "expected"), [(True, [[-2, 2], [-3, 3]]), (False, [[-2, 2], [-1, 5]])])
def test_centring_subtracts_the_mean_over_bodies_of_one_joint(per_frame: bool, expected: list[list[float]]) -> None:
    frames = np.zeros((2, 2, 2, 3))
    frames[:, :, 1, 0] = [[1, 5], [2, 8]]  # x of joint 1: the middle moves from 3 to 5
    centred = centre(frames, 1, per_frame)
    assert centred[:, :, 1, 0].tolist() == expected
    assert centred[:, :, 0, 0].tolist() == [[-3, -3], [-5, -5] if per_frame else [-3, -3]]
    assert not centred[..., 1:].any()


def test_the_first_five_of_too_many_files_are_listed() -> None:
    failures = [MalformedSkeleton(f"file{n}", n, "reason") for n in range(1, 9)]
    check_allowed(failures, 8)
    with pytest.raises(TooManyMalformed) as caught:
        check_allowed(failures, 7)
    assert [f"file{n}, line {n}: reason" in str(caught.value) for n in range(1, 9)] == [True] * 5 + [False] * 3
    assert str(caught.value).startswith("8 file(s) cannot be read, 7 allowed") and str(caught.value).endswith("and 3 more")


def test_set_aside_is_a_csv_table(tmp_path: Path) -> None:
    write_set_aside(tmp_path / "t.csv", [MalformedSkeleton("a.zip:b", 3, "expected 91, found 2")])
    assert (tmp_path / "t.csv").read_bytes() == b'file,line,reason\na.zip:b,3,"expected 91, found 2"\n'
