"""What a run reads and writes: the clips of its fold, its weights, and its history as it grows."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.core.errors import StoreMismatch, WeightsUnfit
from pipeline.core.files import naming, whole
from pipeline.core.skeletons import Store
from pipeline.core.training.batches import Clips
from pipeline.core.training.job import COLUMNS, Job, Row

State = dict[str, Tensor]
AGAIN = "run the stage that writes it again, or `dvc repro`"


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
    with whole(job.target / "model.pt", job.checkpoint.parent, job.allowed) as path:
        write_tensors(dict(sorted(weights.items())), path)


def read_weights(folder: Path) -> State:
    """The state dict in a folder's `model.pt`.

    Raises `WeightsUnfit` where there is none, or it is damaged, empty or not finite.
    """
    path = folder / "model.pt"
    try:
        weights = read_tensors(path)
    except FileNotFoundError:
        raise WeightsUnfit(f"{path}: expected the weights of a trained run, found none; run `dvc repro`") from None
    except ValueError as error:
        raise WeightsUnfit(f"{path}: expected the weights of a trained run ({error}); {AGAIN}") from error
    if not isinstance(weights, dict) or not weights or not all(isinstance(w, Tensor) for w in weights.values()):
        raise WeightsUnfit(f"{path}: expected weights by name, found {type(weights).__name__} without them; {AGAIN}")
    if bad := not_finite(weights):
        raise WeightsUnfit(f"{path}: {bad} is not finite; {AGAIN}")
    return weights


def fit(weights: State, wanted: State, path: Path) -> None:
    """`WeightsUnfit` unless each of the wanted weights is there in its shape."""
    for name, weight in wanted.items():
        if name not in weights:
            raise WeightsUnfit(f"{path}: expected the weight {name}, found {', '.join(sorted(weights))}; {AGAIN}")
        if weights[name].shape != weight.shape:
            found, own = (list(w[name].shape) for w in (weights, wanted))
            raise WeightsUnfit(f"{path}: {name} is {found}, expected {own}: of other parameters or data; {AGAIN}")


def not_finite(weights: State) -> str:
    """The name of a weight that is not finite, or nothing."""
    return next((name for name, weight in weights.items() if not bool(torch.isfinite(weight).all())), "")


def write_tensors(content: object, path: Path) -> None:
    """As `torch.save`, which says nothing of a full disk but that it failed; here it is the `OSError` of the system."""
    try:
        torch.save(content, path)
    except RuntimeError:
        memory = io.BytesIO()
        torch.save(content, memory)
        with naming(path), path.open("wb") as file:
            file.write(memory.getbuffer())  # fails as torch did, but says why
        raise


def read_tensors(path: Path) -> Any:
    """What `write_tensors` wrote, on the CPU. Nothing in it is run; `ValueError` where it is damaged, in a word.

    torch does not compare the checksums that it writes.
    """
    try:
        with zipfile.ZipFile(path) as file:
            bad = file.testzip()
        content = None if bad else torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a reader of zips and one of pickles, both written in C, each with failures of its own
        raise ValueError(f"damaged or cut: {' '.join(f'{type(error).__name__}: {error}'.split())[:120]}") from error
    if bad:
        raise ValueError(f"damaged: the checksum of {bad} differs")
    return content


def write_live(job: Job, rows: list[Row]) -> None:
    """Keep the history of a run in progress where `track` finds it."""
    with whole(job.live, job.live.parent, job.allowed) as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
