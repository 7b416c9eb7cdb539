"""Linear support vector machines on windows of frames, fitted by liblinear: the one method that no gradient step trains.

Nothing here is random: the same clips give the same machine, whatever the seed.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch

from pipeline.core.errors import TrainingFailed
from pipeline.core.model import STALSTM
from pipeline.core.training import phases as methods
from pipeline.core.training.batches import Clips
from pipeline.core.training.files import clips_of, write_live, write_weights
from pipeline.core.training.job import COLUMNS, Job, Row
from pipeline.networks.windows import WindowSVM

if TYPE_CHECKING:
    from sklearn.svm import LinearSVC

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
FEW = 64  # clips a batch: features of all joint pairs are large


def train(job: Job) -> list[Row]:
    """Fit the job's machine on the windows of its training clips, write `model.pt`, return the history's one row.

    Raises `TrainingFailed` where liblinear gives up.
    """
    torch.set_num_threads(1)
    clips = clips_of(job, "train")
    phase = methods.finetune_phases(job.method, job.params)[-1]
    model = methods.build(phase, job.method, job.params, clips.store.meta)
    x, y = windows(model, clips)
    mean, deviation = moments(x)
    machine = fit((x - mean) / deviation, y, cost_of(job), f"{job.stage}, fold {job.fold}, seed {job.seed}")
    carry_over(machine, mean, deviation, cast(WindowSVM, model.main))
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"fold": job.fold, "seed": job.seed, "stage": job.stage, "phase": phase.name, "epoch": 1}
    row |= {"step": job.steps_before + 1, **scores(machine, (x - mean) / deviation, y)}
    write_live(job, [row])
    write_weights(model.state_dict(), job)
    return [row]


def cost_of(job: Job) -> float:
    """The weight of training errors, `network.cost`."""
    return float((job.method.network or {})["cost"])


def windows(model: STALSTM, clips: Clips) -> tuple[Floats, Labels]:
    """Features `[n, F]` of all windows of the clips, and the label of each one's clip `[n]`."""
    main = cast(WindowSVM, model.main)
    found, labels = [], []
    for _, batch in clips.in_order(FEW):
        found.append(main.measure(batch.x.flatten(2))[batch.mask].numpy())
        labels.append(batch.labels.expand_as(batch.mask)[batch.mask].numpy())
    return np.concatenate(found), np.concatenate(labels)


def moments(x: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each feature; a deviation of 1 where a feature never changes."""
    mean, deviation = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 0, deviation, 1).astype(np.float32)


def fit(x: Floats, y: Labels, cost: float, run: str) -> LinearSVC:
    """One machine a class against the others, squared hinge loss; `TrainingFailed`, naming the run, where liblinear gives up."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 (slow to import, and needed here alone)
    from sklearn.svm import LinearSVC  # noqa: PLC0415

    machine = LinearSVC(C=cost, dual=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # one that did not converge is no result
        try:
            return machine.fit(x, y)
        except ConvergenceWarning:
            raise TrainingFailed(
                f"{run}: expected liblinear to converge within {machine.max_iter} iterations;"
                f" lower the method's network.cost in params.yaml (now {cost:g})"
            ) from None


def scores(machine: LinearSVC, x: Floats, y: Labels) -> dict[str, float]:
    """Mean squared hinge loss over windows and machines, and the share of windows that are right."""
    margins = machine.decision_function(x).reshape(len(y), -1)  # [n, classes], or [n, 1] for two classes
    sides = np.where(y[:, None] == machine.classes_[-margins.shape[1] :], 1, -1)
    hinge = np.maximum(1 - sides * margins, 0) ** 2
    return {"loss": float(hinge.mean()), "train_accuracy": float((machine.predict(x) == y).mean())}


@torch.no_grad()
def carry_over(machine: LinearSVC, mean: Floats, deviation: Floats, network: WindowSVM) -> None:
    """Write what was fitted into the network, which votes with it; a class without training windows never gets a vote."""
    weight, bias = torch.from_numpy(machine.coef_).float(), torch.from_numpy(machine.intercept_).float()
    if len(machine.classes_) == 2:  # one machine then, for the second class
        weight, bias = torch.cat([-weight, weight]), torch.cat([-bias, bias])
    network.z.weight.zero_()
    network.z.bias.fill_(-torch.inf)
    network.z.weight[machine.classes_], network.z.bias[machine.classes_] = weight, bias
    network.mean.copy_(torch.from_numpy(mean))
    network.scale.copy_(torch.from_numpy(deviation))
