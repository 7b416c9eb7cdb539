"""How far `normalize` is with a store: kept outside of everything DVC looks at, so that an interrupted run goes on where it was.

`.work/normalize/<dataset>/<store>-<fingerprint>/` holds

| file            | content                                                                                              |
|-----------------|------------------------------------------------------------------------------------------------------|
| `frames.rows`   | the rows of the store, without the header of `frames.npy`                                            |
| `journal.jsonl` | a line a batch of files: `files` and `rows` so far, the counts so far, `index` and `failures` since   |

The frames of a batch are on the disk before its line in the journal. So a line that is whole vouches for them, whatever ended the
process; frames beyond the last whole line, and a torn line, are cut off at the next start. The fingerprint names parameters, raw
files and code: where one of them is another, the work starts afresh.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from pipeline.core import skeletons
from pipeline.core.files import fingerprint
from pipeline.core.skeletons import Meta, Sample, Writer
from pipeline.datasets.ntu.clips import Clip, Tally
from pipeline.datasets.shared.errors import MalformedSkeleton
from pipeline.running.errors import AlreadyRunning

FOLDER = Path(".work/normalize")
ROWS, JOURNAL = "frames.rows", "journal.jsonl"
BATCH = 256  # files a line of the journal: what a kill can cost, less than a second of work on two cores


def folder(raw: Path, target: Path, content: Any) -> Path:
    """Where the progress of `target` (a folder named as the store) is; `content`: parameters and raw files, as JSON has them."""
    code = [*Path(__file__).parent.glob("*.py"), Path(skeletons.__file__)]
    return FOLDER / raw.parent.name / f"{target.name}-{fingerprint(content, code)}"


class Progress:
    """Takes repaired clips in order and writes the store `target` at the end; begun anew, it knows how many it has.

    `files`: clips taken and kept so far, by this process or by an interrupted one; the next one to take is that of the file at
    this place. `tally`: what was counted. Use as a context manager: an exception inside writes nothing into `target`, and the
    progress stays. Raises `AlreadyRunning` where another process has it open.
    """

    def __init__(self, kept: Path, target: Path, meta: Meta):
        self.files, self.tally = 0, Tally()
        kept.mkdir(parents=True, exist_ok=True)
        self._journal = _opened_alone(kept / JOURNAL)
        self._writer = Writer(target, meta, kept / ROWS)
        self._restore()
        self._begin_batch()

    def take(self, clip: Clip, sample: Sample) -> None:
        """Count a clip and keep its frames, if it has any."""
        self.tally.take(clip)
        if clip.frames is not None:
            self._writer.add(sample, clip.frames)
        self.files += 1
        if self.files - self._files >= BATCH:
            self._commit()

    def _begin_batch(self) -> None:
        self._files, self._samples, self._failures = self.files, len(self._writer.index), len(self.tally.set_aside)

    def _commit(self) -> None:
        """Bring the batch to the disk, then the line that vouches for it."""
        self._writer.flush()
        malformed = {id(failure) for failure in self.tally.malformed}
        line = {
            "files": self.files,
            "rows": self._writer.rows,
            "samples_touched": self.tally.samples,
            "frames_touched": self.tally.frames,
            "index": self._writer.index[self._samples :],
            "failures": [(f.file, f.line, f.reason, id(f) in malformed) for f in self.tally.set_aside[self._failures :]],
        }
        self._journal.write(json.dumps(line).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._begin_batch()

    def _restore(self) -> None:
        """Go on where the last whole line of the journal stands."""
        index: list[tuple[object, ...]] = []
        rows = 0
        for line in self._whole_lines():
            self.files, rows = line["files"], line["rows"]
            self.tally.samples, self.tally.frames = Counter(line["samples_touched"]), Counter(line["frames_touched"])
            index += [tuple(row) for row in line["index"]]
            for file, number, reason, malformed in line["failures"]:
                self.tally.set_aside.append(MalformedSkeleton(file, number, reason))
                self.tally.malformed += self.tally.set_aside[-1:] if malformed else []
        self._writer.resume(index, rows)

    def _whole_lines(self) -> Iterator[dict[str, Any]]:
        """The lines of the journal whose frames are there; what comes after them is cut off."""
        most, end = self._writer.rows_on_disk(), 0
        self._journal.seek(0)
        for text in self._journal:
            try:
                line = json.loads(text) if text.endswith(b"\n") else {}
            except ValueError:
                break
            if line.get("rows", most + 1) > most:
                break
            end += len(text)
            yield line
        self._journal.truncate(end)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None and self.files > self._files:
                self._commit()
            self._writer.__exit__(kind, error, trace)
        finally:
            self._journal.close()


def _opened_alone(path: Path) -> BinaryIO:
    file = path.open("a+b")
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise AlreadyRunning(f"{path.parent}: another process is at work on this store; wait for it, or end it first") from error
    return file
