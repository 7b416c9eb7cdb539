"""Stage `normalize`: raw files to skeleton stores, one a raw format, with every repair counted beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline import datasets, params

RAW, SKELETONS = Path("data/raw"), Path("data/skeletons")


def main(dataset: str) -> None:
    """Write `data/skeletons/<dataset>/<store>/` for each raw format of the data set; all of them or, on a failure, none."""
    settings, module = params.load().normalize, datasets.load(dataset)
    target, partial = SKELETONS / dataset, SKELETONS / f"{dataset}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for store, reader in module.FORMATS.items():
            (partial / store).mkdir(parents=True)
            reader.normalize(RAW / dataset / store, partial / store, getattr(settings, store), settings.allow_malformed)
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
