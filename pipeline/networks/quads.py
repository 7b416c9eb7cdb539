"""Quads of points that look the same after any similarity: Evangelidis, Singh, Horaud, ICPR 2014."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
EDGES = np.array(list(combinations(range(4), 2)))  # of a quad
RESTS = np.array([[i for i in range(4) if i not in edge] for edge in EDGES])
# Axes of the space of descriptors: along the diagonal (1, 1, 1), and two across it.
ALONG, ACROSS, BESIDE = (np.array(v) / np.linalg.norm(v) for v in ((1.0, 1, 1), (1.0, -1, 0), (1.0, 1, -2)))


def descriptors(quads: Floats) -> Floats:
    """Six numbers a quad that no similarity changes: float64 `[..., 4, 3]` -> `[N, 6]`, without quads whose points are one.

    The similarity takes the two points farthest from each other to (0, 0, 0) and (1, 1, 1), the earlier one first, and turns the
    first of the others about that diagonal until it lies on the side of (1, -1, 0). The numbers are where the others come to
    lie. One that lies on the diagonal itself leaves the turn to the second; both there leave nothing to turn.
    """
    points = quads.reshape(-1, 4, 3)
    spans = points[:, EDGES[:, 1]] - points[:, EDGES[:, 0]]  # [N, 6, 3]
    longest = (spans**2).sum(-1).argmax(1)
    rows = np.arange(len(points))
    axis = spans[rows, longest]  # [N, 3]
    size = np.linalg.norm(axis, axis=-1)
    real = size > 1e-9
    points, axis, size, longest, rows = points[real], axis[real], size[real], longest[real], np.arange(int(real.sum()))
    along = axis / size[:, None]
    others = points[rows[:, None], RESTS[longest]] - points[rows, EDGES[longest, 0]][:, None]  # [N, 2, 3]
    height = np.einsum("nij,nj->ni", others, along)  # [N, 2]
    off = others - height[..., None] * along[:, None]
    far = np.linalg.norm(off, axis=-1)
    turns = np.where((far[:, 0] > 1e-6 * size)[:, None], off[:, 0], off[:, 1])  # [N, 3]
    across = turns / np.maximum(np.linalg.norm(turns, axis=-1, keepdims=True), 1e-12)
    beside = np.cross(along, across)
    found = np.stack([height, np.einsum("nij,nj->ni", off, across), np.einsum("nij,nj->ni", off, beside)], -1)  # [N, 2, 3]
    result: Floats = (found * (np.sqrt(3) / size)[:, None, None] @ np.stack([ALONG, ACROSS, BESIDE])).reshape(-1, 6)
    return result
