"""Stage `normalize`: raw files to skeleton stores, one a raw format and one a variant, with every repair counted beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline import datasets
from pipeline import params as parameters
from pipeline.datasets import progress
from pipeline.errors import Interrupted, ParamsError

RAW, SKELETONS = Path("data/raw"), Path("data/skeletons")


def main(dataset: str) -> None:
    """Write `data/skeletons/<dataset>/<store>/` for each raw format and variant of the data set; on a failure none of them.

    Raises `ParamsError` for a variant of a raw format that the data set does not have, and `Interrupted` after Ctrl-C.
    """
    settings, module = parameters.load().normalize, datasets.load(dataset)
    target, partial = SKELETONS / dataset, SKELETONS / f"{dataset}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for store in [*module.FORMATS, *settings.variants.get(dataset, {})]:
            raw, section = parameters.raw_format(settings, dataset, store), parameters.section_of(settings, dataset, store)
            if raw not in module.FORMATS:
                raise ParamsError(f"normalize.variants.{dataset}.{store}: {dataset} has raw formats {', '.join(module.FORMATS)}")
            (partial / store).mkdir(parents=True)
            module.FORMATS[raw].normalize(RAW / dataset / raw, partial / store, section, settings.allow_malformed)
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
        progress.forget(dataset)
    except KeyboardInterrupt:
        raise Interrupted(f"normalize {dataset}: stopped; run it again to go on") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
