"""Writers of `.skeleton` text and archives for the tests, and a reader in the plainest loop, which shares nothing with ours."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.ntu import dataset as ntu

Body = tuple[object, Sequence[Sequence[object]]]  # track id, 25 joints of x, y, z

REST = "277.419 191.8218 1036.233 519.1677 -0.2059419 0.05349901 0.9692109 -0.1239193 2"
STATE = "0 1 1 1 1 0 0.02764709 0.05745083 2"


NAMES = ["S001C001P001R001A001", "S001C002P002R001A050", "S017C003P040R002A060"]  # of a small archive


def text(frames: Sequence[Sequence[Body]], end: str = "\r\n") -> bytes:
    """The file with these bodies in its frames; numbers are written by `str`, strings as they are."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for track, joints in bodies:
            lines += [f"{track} {STATE}", str(len(joints))]
            lines += [" ".join([*map(str, joint), REST]) for joint in joints]
    return "".join(line + end for line in lines).encode()


def read_by_loop(data: bytes) -> tuple[list[int], list[int], npt.NDArray[np.float32]]:
    """Bodies a frame, track ids, and x, y, z by `float()`: `[N, 25, 3]`."""
    lines = iter(data.decode().splitlines())
    counts, ids, numbers = [], [], []
    for _ in range(int(next(lines))):
        counts.append(int(next(lines)))
        for _ in range(counts[-1]):
            ids.append(int(next(lines).split()[0]))
            for _ in range(int(next(lines))):
                x, y, z = next(lines).split()[:3]
                numbers.append([float(x), float(y), float(z)])
    return counts, ids, np.array(numbers).astype(np.float32).reshape(-1, 25, 3)


def pose(seed: int = 0, width: float = 0.4, height: float = 1.8) -> npt.NDArray[np.float64]:
    """25 joints about a point 3 m before the camera; extents in x and y are exactly `width` and `height`."""
    x, y, z = np.random.default_rng(seed).uniform(-1, 1, (3, 25))
    x[:2], y[2:4] = (-1, 1), (-1, 1)
    return np.round(np.stack([x * width / 2, y * height / 2, 3 + 0.1 * z], axis=1), 6)


def clip(name: str, length: int = 14) -> bytes:
    """A file whose bodies move; two bodies in actions of two people; other numbers under each name."""
    seed = sum(map(ord, name)) * 100 + int(name[-3:])
    for_two = 50 <= int(name[-3:]) <= 60 or 106 <= int(name[-3:]) <= 120
    tracks = [(72057594037930000 + k, pose(seed + k)) for k in range(2 if for_two else 1)]
    return text([[(track, np.add(joints, (0.1 * t, 0, 0)).round(6).tolist()) for track, joints in tracks] for t in range(length)])


def write_zip(path: Path, files: Mapping[str, bytes], folder: str = "nturgb+d_skeletons/") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{folder}{name}.skeleton", data)
    return path


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    for number, (name, data) in enumerate(files.items()):
        path = folder / str(number) / f"{name}.skeleton"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    return folder


def all_names() -> list[str]:
    """As many names as the archive has, the 302 listed ones among them.

    Which subject was filmed in which setup is not public in full; it must be 158 pairs (56,880 = 158 x 3 cameras x 2
    replications x 60 actions), 112 of them with training subjects (40,320 of the samples). Pairs of listed names come first.
    """
    listed = {(int(name[1:4]), int(name[9:12])) for name in ntu.NTU.listed_missing()}
    others = [pair for pair in product(range(1, 18), range(1, 41)) if pair not in listed]
    train = [pair for pair in [*sorted(listed), *others] if pair[1] in ntu.TRAIN_SUBJECTS][:112]
    test = [pair for pair in [*sorted(listed), *others] if pair[1] not in ntu.TRAIN_SUBJECTS][:46]
    assert listed <= {*train, *test}
    ranges = (sorted([*train, *test]), range(1, 4), range(1, 3), range(1, 61))
    return [f"S{s:03}C{c:03}P{p:03}R{r:03}A{a:03}" for (s, p), c, r, a in product(*ranges)]
