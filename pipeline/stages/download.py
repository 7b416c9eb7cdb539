"""Stage `download`: bring the raw files of a data set, or the record of them, into `data/raw/<dataset>`."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.files import whole_folder
from pipeline.datasets.shared import registry as datasets

RAW = Path("data/raw")


def main(dataset: str) -> None:
    """Fetch into a new folder beside `data/raw/<dataset>` and put it in its place only when all is there.

    What was in `data/raw/<dataset>` before stays untouched by a failure. Raises what the data set's `fetch` raises.
    """
    module = datasets.load(dataset)
    section = datasets.download_section(dataset)
    with whole_folder(RAW / dataset) as folder:
        module.fetch(folder, section)
