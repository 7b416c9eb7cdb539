"""Writing a store with its tables: every repair counted, every file that was set aside named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.core.skeletons import Frames, Meta, Sample, Writer
from pipeline.datasets.shared.clips import check_allowed, write_set_aside, write_table
from pipeline.datasets.shared.errors import MalformedSkeleton, RawDataMissing

Clip = tuple[Sample, Frames, Sequence[int]]
"""A sample, its repaired frames, and how many frames each rule touched, in the order of the rules."""


class Content(NamedTuple):
    """What goes into a store and its tables.

    `rules` are repairs with their settings, as `repairs.csv` has them; `left_out` are rows of it for repairs that leave whole
    samples out: repair, rule, samples, frames.
    """

    meta: Meta
    rules: Sequence[tuple[str, str]]
    clips: Sequence[Clip]
    failures: Sequence[MalformedSkeleton]
    left_out: Sequence[tuple[str, str, int, int]] = ()


def check_any(clips: Sequence[object], failures: Sequence[MalformedSkeleton], allowed: int, raw: Path) -> None:
    """Raise `TooManyMalformed` for more failures than allowed, `RawDataMissing` where nothing can be read."""
    check_allowed(failures, allowed)
    if not clips:
        raise RawDataMissing(f"{raw}: expected sequences, found none that can be read; run `dvc repro` to fetch them")


def write(target: Path, content: Content) -> None:
    """Write the store, `repairs.csv` (a row a rule, one for what was set aside) and `set_aside.csv`."""
    samples, touched = [0] * len(content.rules), [0] * len(content.rules)
    with Writer(target, content.meta) as writer:
        for sample, frames, changed in content.clips:
            writer.add(sample, frames)
            for place, number in enumerate(changed):
                samples[place] += number > 0
                touched[place] += number
    rows = [(*rule, *counts) for rule, *counts in zip(content.rules, samples, touched, strict=True)]
    last = ("malformed", "set aside", len(content.failures), 0)
    write_table(target / "repairs.csv", ("repair", "rule", "samples", "frames"), [*rows, *content.left_out, last])
    write_set_aside(target / "set_aside.csv", content.failures)
