"""The parts of the body as inputs of their own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pipeline.core.model import Config

Parts = Sequence[Sequence[int]]


def by_part(x: Tensor, c: Config, parts: Parts) -> list[Tensor]:
    """The numbers of each part in all bodies: float `[T, B, inputs]` -> float `[T, B, bodies * its joints * channels]` each."""
    joints = x.reshape(*x.shape[:2], c.bodies, c.joints, c.channels)
    return [joints[:, :, :, list(part)].flatten(2) for part in parts]
