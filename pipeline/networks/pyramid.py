"""Curves of one length, and the Fourier temporal pyramid on them: Wang, Liu, Wu, Yuan, CVPR 2012."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def pyramid(curve: Array, levels: int) -> Array:
    """Low frequencies of a curve `[N, F]`, of its halves, its quarters, and so on for `levels` levels: float32 `[G F]`.

    Of a part of n frames the sizes of the first quarter of the frequencies, at least one; the mean once and the others twice,
    as both halves of the spectrum have them.
    """
    found = []
    for level in range(levels):
        for part in np.array_split(curve, 2**level):
            sizes = np.abs(np.fft.rfft(part, axis=0))[: max(1, len(part) // 4)] if len(part) else np.zeros((1, curve.shape[1]))
            sizes[1:] *= 2
            found.append(sizes)
    result: Array = np.concatenate(found).astype(np.float32).reshape(-1)
    return result
