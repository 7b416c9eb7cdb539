"""Randomness from one seed a run, through named streams.

A stream is named by words and counters, for example `("order", "joint", 3)` for the order of clips in the third epoch of
the phase `joint`. Streams are independent, so one more use of randomness shifts no other, and nothing has to be saved to
resume: an epoch's stream depends on its name alone.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Streams:
    """The streams of one run, which its `seed` and `fold` name."""

    seed: int
    fold: int

    def numpy(self, *name: str | int) -> np.random.Generator:
        """A NumPy generator for this name."""
        return np.random.default_rng(self._sequence(name))

    def torch(self, *name: str | int) -> torch.Generator:
        """A torch generator for this name, on the CPU."""
        return torch.Generator().manual_seed(self.integer(*name))

    def integer(self, *name: str | int) -> int:
        """A seed in 0 .. 2**63 - 1 for this name, for generators that are set up elsewhere."""
        return int(self._sequence(name).generate_state(1, np.uint64)[0] >> 1)

    def _sequence(self, name: tuple[str | int, ...]) -> np.random.SeedSequence:
        words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in name]
        return np.random.SeedSequence([self.seed, self.fold, *words])
