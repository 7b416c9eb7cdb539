"""What the measures of `benchmarks.gpu` share: a row of its table, the device and its clock, the settings of a recipe."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from pipeline.config.params import FILE, build, overlay, read
from pipeline.config.resolve import plain
from pipeline.core.settings import Method, Settings


class Row(NamedTuple):
    """A line of the table: the measure, what, and what was found."""

    measure: str
    what: str
    found: str


@dataclass(frozen=True)
class Bench:
    """Where and how large: `small` sizes try the script itself."""

    device: torch.device
    small: bool
    folder: Path

    def size(self, full: int, small: int) -> int:
        """One of the two."""
        return small if self.small else full

    def ready(self) -> float:
        """The clock, once the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def seconds(self, step: Callable[[], object], times: int) -> float:
        """Median seconds of a call, after one to warm up."""
        step()
        found = []
        for _ in range(times):
            start = self.ready()
            step()
            found.append(self.ready() - start)
        return statistics.median(found)


def settings(method: str, recipe: str, **training: object) -> tuple[Method, Settings]:
    """Method and settings of a recipe of params.yaml."""
    document = read()
    changed = overlay(document, document["recipes"][recipe], f"recipes.{recipe}")
    return plain(build(overlay(changed, {"training": training}, "gpu"), str(FILE)).params, method)
