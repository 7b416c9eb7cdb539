"""Stage `download`: bring the raw files of a data set, or the record of them, into `data/raw/<dataset>`."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline import datasets, params
from pipeline.errors import ParamsError

RAW = Path("data/raw")


def main(dataset: str) -> None:
    """Fetch into a new folder beside `data/raw/<dataset>` and put it in its place only when all is there.

    What was in `data/raw/<dataset>` before stays untouched by a failure. Raises what the data set's `fetch` raises.
    """
    sections = dict(params.load().download)
    module = datasets.load(dataset)
    if dataset not in sections:
        raise ParamsError(f"params.yaml: download has no section for data set {dataset!r}; add one")
    target, partial, old = RAW / dataset, RAW / f"{dataset}.partial", RAW / f"{dataset}.old"
    for leftover in (partial, old):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        module.fetch(partial, sections[dataset])
        if target.exists():
            target.replace(old)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
