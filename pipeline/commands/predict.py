"""Command `predict`: what a trained model says of recordings that it has not seen, as a table, in full, or as a page that plays.

Files are read one at a time, and nothing is written before the last is predicted: a failure leaves what was there before.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from pipeline.commands import export
from pipeline.core.files import whole
from pipeline.errors import InputUnusable

if TYPE_CHECKING:
    from pipeline.predict.model import Model, Prediction
    from pipeline.predict.tables import Take


@dataclass(frozen=True)
class Wanted:
    """What to write: the table `to` (`.csv` or `.json`; none: a CSV to the standard output) and the page `html` of some `clips`.

    `unreadable` files at most are named and left out.
    """

    to: Path | None = None
    html: Path | None = None
    clips: int = 8
    unreadable: int = 0


@dataclass
class Seen:
    """What went by: numbers of clips, of those whose class is known, that were right, in which something was mended (and what);
    the clips to show; what failed."""

    clips: int = 0
    known: int = 0
    right: int = 0
    mended: Counter[str] = field(default_factory=Counter)
    shown: list[Prediction] = field(default_factory=list)
    refused: list[InputUnusable] = field(default_factory=list)

    def take(self, prediction: Prediction, most: int) -> None:
        """Count a clip, and keep it where fewer than `most` are kept."""
        self.clips += 1
        self.known += prediction.true is not None
        self.right += prediction.true == prediction.predicted
        self.mended.update(prediction.repaired.keys())
        if len(self.shown) < most:
            self.shown.append(prediction)

    def refuse(self, error: InputUnusable, allowed: int) -> None:
        """Name a file that cannot be read; raise its error where more fail than are allowed."""
        self.refused.append(error)
        if len(self.refused) > allowed:
            raise error
        tqdm.write(f"left out: {error}", file=sys.stderr)


def opened(file: Path | None, cell: str | None, run: export.Run) -> Model:
    """The model in a file, or that of runs of a cell as `export` would write it."""
    from pipeline.predict.model import Model, load  # noqa: PLC0415 (torch)

    return load(file) if file else Model(*export.packed(str(cell), run), str(cell))


def main(model: Model, paths: Sequence[Path], wanted: Wanted) -> str:
    """Predict the files in `paths` and write what is wanted; returns what is to be said at the end.

    Raises `InputUnusable`; nothing is written then.
    """
    from pipeline.predict import player  # noqa: PLC0415 (torch)

    files, seen = model.files(paths), Seen()
    with ExitStack() as stack:
        take = _table(model, wanted.to, stack)
        bar = tqdm(files, "predict", unit="file", disable=None)
        for prediction in model.stream(bar, lambda error: seen.refuse(error, wanted.unreadable)):
            take(prediction)
            seen.take(prediction, wanted.clips if wanted.html else 0)
        if not seen.clips:
            raise InputUnusable(f"none of {len(files)} file(s) can be read; {model.where} reads {model.card.reader.SAYS}")
        if wanted.html:
            player.write(wanted.html, model.card, seen.shown, seen.clips)
    said = _summary(model, seen, [path for path in (wanted.to, wanted.html) if path])
    part = bool(wanted.html) and len(seen.shown) < seen.clips
    return said + (f"; the page has the first {len(seen.shown)} of {seen.clips} clips (--clips)" if part else "")


def _table(model: Model, to: Path | None, stack: ExitStack) -> Take:
    """Takes predictions; the file is there, or the standard output has it, when the stack closes without a failure."""
    from pipeline.predict import tables  # noqa: PLC0415 (torch)

    if to is None:
        file = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))  # noqa: SIM115 (the stack closes it)

        def copy(failure: object, *_: object) -> None:
            if failure is None:
                file.seek(0)
                shutil.copyfileobj(file, sys.stdout)

        stack.push(copy)
    else:
        file = stack.enter_context(stack.enter_context(whole(to)).open("w", encoding="utf-8", newline=""))
    form = tables.as_json if to is not None and to.suffix == ".json" else tables.as_csv
    return stack.enter_context(form(file, model.card))


def _summary(model: Model, seen: Seen, written: Sequence[Path]) -> str:
    known = f"; {seen.right} of the {seen.known} whose class is known are right" if seen.known else ""
    mended = "".join(f"; {repair}, in {clips}" for repair, clips in seen.mended.items())
    refused = f"; {len(seen.refused)} file(s) left out" if seen.refused else ""
    synthetic = "; the model learned from SYNTHETIC data and says nothing of people" if model.synthetic else ""
    where = f"; written: {', '.join(map(str, written))}" if written else ""
    return f"{seen.clips} clip(s) by {model.card.title}{known}{mended}{refused}{synthetic}{where}"
