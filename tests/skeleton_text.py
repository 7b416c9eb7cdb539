"""Writer of `.skeleton` text for the tests, and a reader in the plainest loop, which shares nothing with the pipeline's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Body = tuple[object, Sequence[Sequence[object]]]  # track id, 25 joints of x, y, z

REST = "277.419 191.8218 1036.233 519.1677 -0.2059419 0.05349901 0.9692109 -0.1239193 2"
STATE = "0 1 1 1 1 0 0.02764709 0.05745083 2"


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
