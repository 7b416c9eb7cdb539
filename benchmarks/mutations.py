"""Damaged inputs, at least a thousand, and what the pipeline says of each: seeded, on synthetic data, in one process.

    python -m benchmarks.mutations                  # all: about 2 minutes of CPU
    python -m benchmarks.mutations --share 0.1      # a tenth of each kind; the same sample every time
    python -m benchmarks.mutations --fuzz 300       # coverage-guided instead: the two text readers, so many seconds

| verdict     | meaning                                                                                              |
|-------------|------------------------------------------------------------------------------------------------------|
| error       | an error for people; a checkpoint that is taken as absent, with a word                               |
| counted     | read, with one more repair or one sample less in the counts that every report shows                  |
| same        | read, and the outcome is that of the whole file to the last bit                                      |
| unknowable  | another outcome, of a kind that was listed beforehand because no reader could know it               |
| SILENT      | another outcome without a word                                                                       |
| TRACEBACK   | an exception that is no error for people                                                             |
| HANG        | no end in 20 s of CPU                                                                                |
"""

from __future__ import annotations

import argparse
import contextlib
import io
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from types import FrameType

from benchmarks import small_project
from benchmarks.mutants import Area, Counted, Kind, Told
from pipeline.core.errors import PipelineError

SEED, HANG_S, FEW = 20170204, 20, 2
VERDICTS = ("error", "counted", "same", "unknowable", "SILENT", "TRACEBACK", "HANG")
BAD = ("SILENT", "TRACEBACK", "HANG")


class Hang(BaseException):
    """It did not end."""


def areas() -> Iterator[Area]:
    """All of them, in the current folder, which is a small trained project."""
    from benchmarks import readers  # noqa: PLC0415 (the whole pipeline)

    yield from readers.areas()


def verdict(area: Area, kind: Kind, data: bytes, whole: object) -> str:
    """What comes of the bytes."""
    other = "unknowable" if kind.unknowable else "SILENT"
    try:
        with limited(HANG_S):
            came = "same" if area.read(data) == whole else other
    except Counted:
        came = "counted"
    except (PipelineError, Told) as error:
        came = "error" if str(error).strip() else "SILENT"
    except Hang:
        came = "HANG"
    except Exception:
        traceback.print_exc()
        came = "TRACEBACK"
    return came


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise `Hang` after so many seconds of CPU: a busy machine is no hang."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def run(found: Iterable[Area], share: float = 1.0) -> dict[str, Counter[str]]:
    """Verdicts by area; those that must not be are told as they come, with area, kind and number."""
    counts: dict[str, Counter[str]] = {}
    for area in found:
        counts[area.name] = Counter()
        whole = area.read(area.base)
        for kind in area.kinds:
            for number in range(max(1, round((FEW if kind.unknowable else area.each) * share))):
                rng = Random(f"{SEED} {area.name} {kind.name} {number}")  # noqa: S311
                data = kind.mutate(rng, area.base)
                with contextlib.redirect_stderr(io.StringIO()) as said:
                    came = verdict(area, kind, data, whole)
                counts[area.name][came] += 1
                if came in BAD:
                    last = said.getvalue().strip().splitlines()[-1:] if came == "TRACEBACK" else []
                    print(
                        f"{came}: {area.name}, {kind.name}, number {number}: {what(area.base, data)}",
                        *last,
                        file=sys.stderr,
                        flush=True,
                    )
    return counts


def what(base: bytes, data: bytes) -> str:
    """The first line that differs."""
    lines = zip(base.splitlines(), data.splitlines(), strict=False)
    return next((f"{new[:60]!r}, was {old[:60]!r}" for old, new in lines if old != new), f"{len(data)} bytes, was {len(base)}")


def table(counts: dict[str, Counter[str]]) -> str:
    """Markdown: a row an area, and the sum."""
    total = sum(counts.values(), Counter())
    rows: list[tuple[str, ...]] = [("input", "mutations", *VERDICTS)]
    for name, count in [*counts.items(), ("**all**", total)]:
        rows.append((name, str(count.total()), *(str(count[v]) for v in VERDICTS)))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(rows[0]) - 1), *lines[1:]])


@contextlib.contextmanager
def project(kept: str = "") -> Iterator[Path]:
    """The small project in a temporary folder, or in one that is kept and made where it is not there; made the current one."""
    with contextlib.ExitStack() as stack:
        folder = kept or stack.enter_context(tempfile.TemporaryDirectory())
        Path(folder).mkdir(parents=True, exist_ok=True)
        stack.enter_context(contextlib.chdir(folder))
        if not Path("data").exists():
            with contextlib.redirect_stdout(sys.stderr):
                small_project.make(Path.cwd())
        yield Path.cwd()


def main() -> None:
    """Print the table; ends with code 1 where something must not be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of each kind's number")
    parser.add_argument("--fuzz", type=int, default=0, metavar="SECONDS", help="fuzz the two text readers for so long instead")
    parser.add_argument("--only", default="", metavar="TEXT", help="inputs with this in their names")
    parser.add_argument("--project", default="", metavar="FOLDER", help="keep the small project there, and use it again")
    options = parser.parse_args()
    if options.fuzz:
        from benchmarks import fuzz  # noqa: PLC0415

        sys.exit(fuzz.main(options.fuzz, options.project))
    with project(options.project):
        counts = run((area for area in areas() if options.only in area.name), options.share)
    print(table(counts))
    sys.exit(int(any(count[bad] for count in counts.values() for bad in BAD)))


if __name__ == "__main__":
    main()
