"""A run of a stage as plain data, for the processes that hand out runs without importing torch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.owners import Owner
from pipeline.core.settings import Method, Settings

PLACE = ("fold", "seed", "stage", "phase", "epoch", "step")
LOSSES = ("loss", "cross_entropy", "spatial_term", "temporal_term", "l1_term")
OTHERS = ("train_accuracy", "validation_accuracy", "learning_rate", "gradient_norm", "beta_mean", "beta_dead")
COLUMNS = (*PLACE, *LOSSES, *OTHERS)
"""Columns of a history: averages over the clips of an epoch; `step` counts epochs over the phases of a stage."""

Row = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Job:
    """One run of a stage: everything that its outcome depends on, and where it writes.

    `start` is a folder with the weights of the stage before, or None; `steps_before` the epochs that it took. `target`
    receives `model.pt`; `live` is the history as it grows; `checkpoint` the file to resume from. `owner` is the stage's run that
    this one belongs to: where another has begun since, nothing is written. None writes in any case.
    """

    stage: str
    fold: int
    seed: int
    method: Method
    params: Settings
    store: Path
    split: Path
    start: Path | None
    steps_before: int
    target: Path
    live: Path
    checkpoint: Path
    owner: Owner | None = None

    def allowed(self) -> AbstractContextManager[None]:
        """To be entered to put a file in place; raises `Superseded` where it is not this run's any more."""
        return self.owner.alone() if self.owner else nullcontext()
