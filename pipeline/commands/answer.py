"""Command `answer`: RQ1 to RQ4 over all data sets, from the committed predictions alone, into `reports/answers/`."""

from __future__ import annotations

from pathlib import Path

from pipeline.answers import page as answers
from pipeline.answers.predictions import FOLDER as PREDICTIONS
from pipeline.answers.predictions import studies
from pipeline.config import params as parameters
from pipeline.core.errors import ResultsMissing
from pipeline.core.files import whole_folder
from pipeline.report import page

FOLDER = Path("reports/answers")


def main() -> str:
    """Write `report.md`, `report.html` and `tables/`; returns what to say. `ResultsMissing` where no data set has predictions."""
    config = parameters.load()
    found = studies(config)
    if not found:
        raise ResultsMissing(f"{PREDICTIONS}: expected predictions of a real data set, found none; `check --accept` writes them")
    with whole_folder(FOLDER) as folder:
        page.write(answers.build(config, found, studies(config, synthetic=True)), folder)
    return f"{FOLDER / 'report.html'}: {', '.join(study.protocol for study in found)}"
