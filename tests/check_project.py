"""A small project whose accuracy depends on what `check` must guard: the joint chosen in each frame, and the end of a clip."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.skeletons import Meta, Sample, Writer
from pipeline.core.training import run as joint
from pipeline.stages import evaluate
from tests.conftest import document_of_params, toy_grid, write_params

CELL = "p-sta-lstm-scratch"
META = Meta(
    joints=("head", "left hand", "right hand", "foot"),
    bones=((1, 0), (2, 0), (3, 0)),
    mirror=(0, 2, 1, 3),
    actions=("up", "down", "aside", "stop"),
    bodies=1,
    fps=15.0,
    unit="metres",
)
NOISE = 0.4  # makes about one clip in ten a hard one
DIRECTIONS = np.array([[1, 0], [-0.5, 0.87], [-0.5, -0.87]])
SMALL = {
    "model": {"hidden": 12, "attention_hidden": 8, "layers": 1, "dropout": 0.0},
    "objective": {"lambda1": 0.0, "lambda2": 0.0, "lambda3": 0.0},
    "training": {"batch": 20, "learning_rate": 0.03, "temporal_rate": 0.1},
    "pretrain": {"attention": 1, "main": 1, "tune": 1},
    "finetune": {"main": 12, "joint": 0},
    "evaluate": {"time_bins": 2},
}


def frames(action: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A clip `[T, 1, 4, 3]`: in every frame another joint, marked by its third coordinate, points where the action says.

    The other joints point anywhere. Clips are short or long. The last action starts like any other and comes to rest, so
    that frames of zeros after a movement speak for it.
    """
    length = int(rng.integers(4, 6) if rng.random() < 0.5 else rng.integers(9, 11))
    moving = length if action < 4 else max(2, length // 3)
    shown = action - 1 if action < 4 else int(rng.integers(3))
    clip = rng.normal(0, 0.1, (length, 1, 4, 3))
    marked = rng.integers(4, size=moving)
    clip[:moving, 0, :, :2] += DIRECTIONS[rng.integers(3, size=(moving, 4))]
    clip[np.arange(moving), 0, marked, :2] = DIRECTIONS[shown] + rng.normal(0, NOISE, (moving, 2))
    clip[np.arange(moving), 0, marked, 2] += 2
    return clip.astype(np.float32)


def make(folder: Path, clips: int, seeds: list[int]) -> None:
    """Write store, split (two folds, each half tests once) and parameters; the same bytes every time."""
    rng, names = np.random.default_rng(3), [f"clip-{i:03}" for i in range(clips)]
    store, splits = folder / "data/skeletons/demo/sbu", folder / "data/splits/demo"
    splits.mkdir(parents=True)
    with Writer(store, META) as writer:
        for i, name in enumerate(names):
            writer.add(Sample(name, 1, 0, 0, 0, 1, i % 4 + 1), frames(i % 4 + 1, rng))
    parts = [(fold, name, "test" if i % 8 // 4 == fold - 1 else "train") for fold in (1, 2) for i, name in enumerate(names)]
    pd.DataFrame(parts, columns=["fold", "name", "part"]).to_csv(splits / "p.csv", index=False)
    document = toy_grid(parameters.overlay(document_of_params(), SMALL, "test"), ["sta-lstm-scratch"])
    document["seeds"]["demo"] = seeds
    with contextlib.chdir(folder):
        write_params(document)


def train() -> None:
    """Train the runs of the cell anew in this process, where a test may have changed the network."""
    cell = cells.load(CELL, "finetune")
    for job in cells.jobs(cell, "finetune"):
        joint.train(job)
    cells.finish(cell, "finetune")


def predict() -> pd.DataFrame:
    """The predictions of the trained runs, as `evaluate` makes them."""
    todo = cells.jobs(cells.load(CELL, "evaluate"), "finetune")
    return pd.concat([evaluate.work(job).predictions for job in todo], ignore_index=True)
