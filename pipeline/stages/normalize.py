"""Stage `normalize`: raw files to skeleton stores, one a raw format and one a variant, with every repair counted beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.core.errors import Interrupted, ParamsError
from pipeline.core.files import whole_folder
from pipeline.datasets.shared import registry as datasets

RAW, SKELETONS, WORK = Path("data/raw"), Path("data/skeletons"), Path(".work/normalize")


def main(dataset: str) -> None:
    """Write `data/skeletons/<dataset>/<store>/` for each raw format and variant of the data set; on a failure none of them.

    Raises `ParamsError` for a variant of a raw format that the data set does not have, and `Interrupted` after Ctrl-C.
    """
    module = datasets.load(dataset)
    settings = datasets.params_of(dataset, "normalize")
    try:
        with whole_folder(SKELETONS / dataset) as folder:
            for store, made in settings["stores"].items():
                if (raw := made["format"]) not in module.FORMATS:
                    known = ", ".join(module.FORMATS)
                    raise ParamsError(f"params.yaml: store {store} of {dataset}: expected a raw format of it: {known}")
                form = module.FORMATS[raw]
                (folder / store).mkdir()
                form.normalize(RAW / dataset / raw, folder / store, form.SECTION(**made["section"]), settings["allow_malformed"])
    except KeyboardInterrupt:
        raise Interrupted(f"normalize {dataset}: stopped; run it again to go on") from None
    shutil.rmtree(WORK / dataset, ignore_errors=True)  # how far it was, for an interrupted run to go on from
