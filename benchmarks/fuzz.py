"""A coverage-guided fuzzer for the two text readers: `python -m benchmarks.mutations --fuzz SECONDS`.

Inputs that reach lines of the readers which no input before has reached are kept and damaged further. What it looks for:
exceptions that are no error for people, and hangs. Lines are counted by Python's own tracing; the compiled kernel of NTU's
reader counts as one.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from random import Random
from types import CodeType, FrameType
from typing import Any

from benchmarks import mutations, readers
from benchmarks.mutants import Area, Told
from pipeline.core.errors import PipelineError

Lines = set[tuple[CodeType, int]]
BYTES = (*b"0123456789 \r\n\t,.-+eEnaNif_x\0\xff",)


def main(seconds: int, project: str = "") -> int:
    """Print what came of both readers, each for half of the time; 1 where something must not be."""
    bad = 0
    with mutations.project(project):
        for area in readers.texts():
            bad += fuzz(area, seconds / 2)
    return int(bad > 0)


def fuzz(area: Area, seconds: float) -> int:
    """The number of inputs with which something came that must not."""
    rng, end = Random(mutations.SEED), time.monotonic() + seconds  # noqa: S311
    corpus, seen, came = [short(area.base)], Lines(), Counter[str]()
    while time.monotonic() < end:
        data = damaged(rng, area, rng.choice(corpus))
        lines: Lines = set()
        came[result(area, data, lines)] += 1
        if lines - seen:
            seen |= lines
            corpus.append(data)
    told = ", ".join(f"{count} {name}" for name, count in sorted(came.items()))
    print(f"{area.name}: {came.total()} inputs in {seconds:.0f} s, {len(seen)} lines reached, {len(corpus)} kept: {told}")
    return came["TRACEBACK"] + came["HANG"]


def short(data: bytes) -> bytes:
    """A file of few lines, so that many are read a second; where its count of frames comes first it no longer fits."""
    return data if len(data) < 20000 else data[: data.rindex(b"\n", 0, 20000) + 1]


def damaged(rng: Random, area: Area, data: bytes) -> bytes:
    """One to four damages: of the kinds of the reader, or of single bytes."""
    for _ in range(rng.randrange(1, 5)):
        if not data:
            return data
        if rng.random() < 0.5:
            try:
                data = rng.choice(area.kinds).mutate(rng, data)
            except (ValueError, IndexError, UnicodeError):  # nothing of that kind can be done to it any more
                continue
        else:
            place = rng.randrange(len(data))
            data = data[:place] + bytes([rng.choice(BYTES)]) + data[place + rng.randrange(2) :]
    return data[:200_000]


def result(area: Area, data: bytes, lines: Lines) -> str:
    """What came of an input; adds the lines that it reached."""

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if "/pipeline/" not in frame.f_code.co_filename:
            return None
        lines.add((frame.f_code, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        with mutations.limited(mutations.HANG_S):
            area.read(data)
    except (PipelineError, Told):
        return "error or counted"
    except mutations.Hang:
        return "HANG"
    except Exception as error:
        sys.settrace(None)
        print(f"{area.name}: {type(error).__name__}: {error}", file=sys.stderr)
        return "TRACEBACK"
    finally:
        sys.settrace(None)
    return "read"
