"""What a run reads and writes: the clips of its fold, its weights, and its history as it grows."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.core.errors import StoreMismatch
from pipeline.core.files import whole
from pipeline.core.skeletons import Store
from pipeline.core.training.batches import Clips
from pipeline.core.training.job import COLUMNS, Job, Row

State = dict[str, Tensor]


def clips_of(job: Job, part: str) -> Clips:
    """The clips of a part (`train`, `validation`, `test`) of the job's fold.

    Raises `StoreMismatch` where the split names a sample that the store lacks.
    """
    store = Store(job.store)
    split = pd.read_csv(job.split, dtype={"name": str})
    names = split.loc[(split["fold"] == job.fold) & split["part"].isin(used_parts(part, job)), "name"]
    places = pd.Index(store.index["name"]).get_indexer(names)
    if (places < 0).any():
        raise StoreMismatch(f"{job.split}: names {names[places < 0].iloc[0]}, which {job.store} lacks; run `dvc repro`")
    return Clips(store, places.astype(np.intp), job.params.training.frames, job.params.model.velocity)


def used_parts(part: str, job: Job) -> list[str]:
    """The parts of the split that a part of the job is made of: with `fit: train_and_validation` training takes both."""
    if job.params.training.fit == "train":
        return [part]
    return {"train": ["train", "validation"], "validation": []}.get(part, [part])


def write_weights(weights: State, job: Job) -> None:
    """`target/model.pt`, a state dict; always this name, because torch writes it into the file."""
    with whole(job.target / "model.pt", job.checkpoint.parent) as path:
        torch.save(dict(sorted(weights.items())), path)


def write_live(job: Job, rows: list[Row]) -> None:
    """Keep the history of a run in progress where `track` finds it."""
    with whole(job.live, job.live.parent) as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
