"""Stage `report`: tables, figures and pages of a data set from its saved results, into `reports/<dataset>/`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pipeline.config import params as parameters
from pipeline.datasets.shared.registry import params_of
from pipeline.report import page, plots, results
from pipeline.report.analysis import analyse, metrics

REPORTS = Path("reports")


def main(target: str) -> None:
    """Write `report.md`, `report.html`, `metrics.json`, `curves.csv`, `confusion/`, `tables/` and `figures/`.

    Raises `ResultsMissing` where results are incomplete; the report that was there before stays then.
    """
    document = params_of(target, "report")
    provenance = [tuple(row) for row in document["provenance"]]
    found = results.load(target, parameters.build(document["params"]), provenance)
    analyses = analyse(found)
    partial = REPORTS / f".{target}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        page.write(page.build(found, analyses), partial)
        plots.write(analyses, partial)
        text = json.dumps(metrics(found, analyses), indent=1, sort_keys=True)
        (partial / "metrics.json").write_text(text + "\n")
        _move(partial, REPORTS / target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _move(source: Path, folder: Path) -> None:
    """Put each entry in place of the one before; what else lies in the folder stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        place = folder / entry.name
        if place.is_dir():
            shutil.rmtree(place)
        entry.replace(place)
