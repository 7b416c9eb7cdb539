"""Ten broken models, as changes of the code for as long as a context lasts: what `benchmarks.gate` trains and evaluates with.

Each changes functions of the pipeline from outside, in this process; nothing of them is in the product. `python -m
benchmarks.faults` runs, under each fault that costs little accuracy, the test that knows the right answer: it must fail.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.core.model import STALSTM, Output, attention, sta_lstm
from pipeline.core.skeletons import Frames, Store
from pipeline.core.training import batches, files, run
from pipeline.core.training.batches import Batch, Clips
from pipeline.core.training.job import Job
from pipeline.core.training.loop import Rate

Fault = Callable[[], contextlib.AbstractContextManager[object]]


def gates_late() -> contextlib.AbstractContextManager[object]:
    """The gates of a frame are used on the frame after it."""
    whole = STALSTM.gate

    def gate(self: STALSTM, x: Tensor, alpha: Tensor | None) -> Tensor:
        return whole(self, x, None if alpha is None else attention.previous(alpha))

    return mock.patch.object(STALSTM, "gate", gate)


def mask_ignored() -> contextlib.AbstractContextManager[object]:
    """Padding counts as frames."""
    whole = STALSTM.forward

    def forward(self: STALSTM, x: Tensor, mask: Tensor) -> Output:
        return whole(self, x, mask.new_ones(mask.shape))

    return mock.patch.object(STALSTM, "forward", forward)


@contextlib.contextmanager
def clips_changed(change: Callable[[Job, str, Clips], Clips]) -> Iterator[None]:
    """What a run reads of a part of its fold, changed; in training and in evaluation."""
    whole = files.clips_of

    def clips_of(job: Job, part: str) -> Clips:
        return change(job, part, whole(job, part))

    with mock.patch.object(files, "clips_of", clips_of), mock.patch.object(run, "clips_of", clips_of):
        yield


def labels_shifted() -> contextlib.AbstractContextManager[object]:
    """Training labels one too high: of the second fold, of the only one where there is one."""

    def change(job: Job, part: str, clips: Clips) -> Clips:
        folds = pd.read_csv(job.split)["fold"].nunique()
        if part == "train" and job.fold == min(2, folds):
            known = np.unique(clips.labels)
            clips.labels = known[(np.searchsorted(known, clips.labels) + 1) % len(known)]
        return clips

    return clips_changed(change)


def dropout_on() -> contextlib.AbstractContextManager[object]:
    """Dropout in evaluation, too, of the recipe's 0.1: what evaluation reads of the parameters has none."""
    whole = sta_lstm.Dropout.forward

    def forward(self: sta_lstm.Dropout, x: Tensor) -> Tensor:
        was, self.training, self.p = self.training, True, self.p or 0.1
        try:
            return whole(self, x)
        finally:
            self.training = was

    return mock.patch.object(sta_lstm.Dropout, "forward", forward)


def beta_dead() -> contextlib.AbstractContextManager[object]:
    """beta is 0 in every frame."""

    def forward(self: attention.TemporalAttention, x: Tensor) -> Tensor:
        return torch.zeros_like(self.w_x(x).squeeze(-1), requires_grad=True)

    return mock.patch.object(attention.TemporalAttention, "forward", forward)


def another_folds_weights() -> contextlib.AbstractContextManager[object]:
    """A fold is tested with the weights of the next one, which learned from its test samples; one fold alone is as it was."""
    whole = run.restore

    def restore(job: Job, store: Store) -> STALSTM:
        folds = sorted(pd.read_csv(job.split)["fold"].unique().tolist())
        other = folds[(folds.index(job.fold) + 1) % len(folds)]
        return whole(replace(job, target=Path(str(job.target).replace(f"fold-{job.fold}", f"fold-{other}"))), store)

    return mock.patch.object(run, "restore", restore)


def velocity_of_padding() -> contextlib.AbstractContextManager[object]:
    """Velocities are taken after padding, so that the first frame of it moves back to the origin."""
    whole = Clips.batch

    def batch(self: Clips, chosen: batches.Rows, change: batches.Change | None = None) -> Batch:
        made = whole(self, chosen, change)
        if self.velocity:
            place = made.x[..., :3]
            moved = torch.diff(place, dim=0, prepend=place[:1]) * self.velocity
            made = made._replace(x=torch.cat([place, moved], -1))
        return made

    return mock.patch.object(Clips, "batch", batch)


def joints_permuted() -> contextlib.AbstractContextManager[object]:
    """Test clips have their joints in another order than training clips."""

    class Permuted(Clips):
        def clip(self, i: int, change: batches.Change | None = None) -> Frames:
            clip = super().clip(i, change)
            return clip[:, np.random.default_rng(1).permutation(clip.shape[1])]

    def change(job: Job, part: str, clips: Clips) -> Clips:
        return clips if part != "test" else Permuted(clips.store, clips.rows, clips.frames, clips.velocity)

    return clips_changed(change)


def rate_tenfold() -> contextlib.AbstractContextManager[object]:
    """The learning rate times 10."""
    whole = Rate.at
    return mock.patch.object(Rate, "at", lambda self, step: 10 * whole(self, step))


def half_the_data() -> contextlib.AbstractContextManager[object]:
    """Every second training clip."""

    def change(job: Job, part: str, clips: Clips) -> Clips:
        return clips if part != "train" else Clips(clips.store, clips.rows[::2], clips.frames, clips.velocity)

    return clips_changed(change)


FAULTS: dict[str, Fault] = {
    "gates shifted by a frame": gates_late,
    "mask ignored": mask_ignored,
    "labels of a fold shifted": labels_shifted,
    "dropout left on in evaluation": dropout_on,
    "beta dead": beta_dead,
    "another fold's weights": another_folds_weights,
    "velocities of the padding": velocity_of_padding,
    "joints permuted between train and test": joints_permuted,
    "learning rate x 10": rate_tenfold,
    "half of the training data": half_the_data,
}
KNOWN_ANSWERS = {
    "gates shifted by a frame": "tests/test_model.py::test_whole_clips_equal_the_loop_over_frames",
    "mask ignored": "tests/test_model.py::test_padding_never_changes_an_output",
    "dropout left on in evaluation": "tests/test_evaluate.py::test_evaluation_is_the_same_twice_whatever_the_dropout",
    "another fold's weights": "tests/test_evaluate.py::test_every_fold_and_seed_is_tested_with_its_own_weights",
    "velocities of the padding": "tests/test_training.py::test_velocity_is_the_movement_since_the_frame_before",
}


def main() -> None:
    """Say of each such fault whether its test failed; ends with code 1 where one did not."""
    import pytest  # noqa: PLC0415

    missed = []
    for kind, test in KNOWN_ANSWERS.items():
        with FAULTS[kind]():
            code = pytest.main(["-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", test])
        print(f"{kind}: {test} {'failed, as it must' if code == pytest.ExitCode.TESTS_FAILED else 'DID NOT FAIL'}", flush=True)
        missed += [kind] if code != pytest.ExitCode.TESTS_FAILED else []
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
