"""Writing a store with its tables: every repair counted, every file that was set aside named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.skeletons import Frames, Meta, Sample, Writer
from pipeline.datasets.shared.clips import check_allowed, write_set_aside, write_table
from pipeline.datasets.shared.errors import MalformedSkeleton, RawDataMissing

Rule = tuple[str, str]
"""A repair and its setting, as `repairs.csv` has them."""
Clip = tuple[Sample, Frames, Sequence[int]]
"""A sample, its repaired frames, and how many frames each rule touched, in the order of the rules."""


def check_any(clips: Sequence[object], failures: Sequence[MalformedSkeleton], allowed: int, raw: Path) -> None:
    """Raise `TooManyMalformed` for more failures than allowed, `RawDataMissing` where nothing can be read."""
    check_allowed(failures, allowed)
    if not clips:
        raise RawDataMissing(f"{raw}: expected sequences, found none that can be read; run `dvc repro` to fetch them")


def write(target: Path, meta: Meta, rules: Sequence[Rule], clips: Sequence[Clip], failures: Sequence[MalformedSkeleton]) -> None:
    """Write the store, `repairs.csv` (a row a rule, and one for what was set aside) and `set_aside.csv`."""
    samples, touched = [0] * len(rules), [0] * len(rules)
    with Writer(target, meta) as writer:
        for sample, frames, changed in clips:
            writer.add(sample, frames)
            for place, number in enumerate(changed):
                samples[place] += number > 0
                touched[place] += number
    rows = [(*rule, *counts) for rule, *counts in zip(rules, samples, touched, strict=True)]
    last = ("malformed", "set aside", len(failures), 0)
    write_table(target / "repairs.csv", ("repair", "rule", "samples", "frames"), [*rows, last])
    write_set_aside(target / "set_aside.csv", failures)
