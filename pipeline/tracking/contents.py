"""What MLflow's own pages look for beside numbers: kind of experiment, data sets, source, interval, confusion, report."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import params as parameters
from pipeline.core.cell import load as load_cell
from pipeline.core.errors import ParamsError
from pipeline.core.files import sha256
from pipeline.tracking.histories import Document

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput
    from mlflow.entities import Run as MlflowRun

KIND = {"mlflow.experimentKind": "custom_model_development"}  # else the page opens in its view for language models
EVALUATION, REPORT = "evaluation_sha256", "report_sha256"
DIGEST = 32  # MLflow keeps 36 characters


def source(document: Document) -> dict[str, str]:
    """MLflow's own tags for the program that made a run."""
    stage, _, cell = document.stage.partition("@")
    return {"mlflow.source.type": "LOCAL", "mlflow.source.name": f"python -m pipeline {stage} {cell}"}


def inputs(document: Document) -> list[DatasetInput]:
    """The skeletons and the split that a run was made from, by their hashes."""
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

    folders = {"store": f"data/skeletons/{document.dataset}", "split": f"data/splits/{document.dataset}/{document.protocol}.csv"}
    found = []
    for what, context in (("store", "training"), ("split", "split")):
        if digest := document.data.get(f"{what}_sha256"):
            place = json.dumps({"uri": folders[what]})
            name = document.dataset if what == "store" else f"{document.protocol} split"
            found.append(DatasetInput(Dataset(name, digest[:DIGEST], "local", place), [InputTag("mlflow.data.context", context)]))
    return found


def evaluation(client: MlflowClient, run: MlflowRun, document: Document, folder: Path, at: int) -> None:
    """Log the interval of a cell's test accuracy and its confusion matrix, unless the run has those of these predictions."""
    path = folder / "evaluate" / "predictions.csv"
    if not path.exists() or run.data.tags.get(EVALUATION) == (digest := sha256(path)):
        return
    for name, value in interval(path).items():
        client.log_metric(run.info.run_id, name, value, at)
    client.log_text(run.info.run_id, confusion(path, classes(document)), "confusion.csv")
    client.set_tag(run.info.run_id, EVALUATION, digest)


def interval(path: Path) -> dict[str, float]:
    """The ends of the interval of a cell's accuracy, per cent, by the rule of the report; nothing without params.yaml."""
    import pandas as pd  # noqa: PLC0415

    from pipeline.results.statistics import outcomes, summarise  # noqa: PLC0415 (scipy)

    try:
        rule = parameters.load().params.report
    except ParamsError:
        return {}
    found = summarise(outcomes(pd.read_csv(path, dtype={"name": str}, keep_default_na=False)), rule)
    return {"test_accuracy_low": found.low, "test_accuracy_high": found.high}


def classes(document: Document) -> list[str]:
    """The names of a cell's classes, where its skeletons are on disk; else none."""
    try:
        meta = json.loads((load_cell(document.cell, "evaluate").store / "meta.json").read_text())
    except (ParamsError, OSError, ValueError):
        return []
    return list(meta.get("actions", []))


def confusion(path: Path, names: list[str]) -> str:
    """Counts of test samples over all runs as CSV: a row a true class, a column a predicted one."""
    with path.open(newline="") as file:
        counts = Counter((int(row["label"]), int(row["predicted"])) for row in csv.DictReader(file))
    size = max(len(names), 1 + max(max(pair) for pair in counts))
    titles = names or [str(i + 1) for i in range(size)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true", *titles])
    writer.writerows([titles[i], *(counts[i, j] for j in range(size))] for i in range(size))
    return text.getvalue()


def report(client: MlflowClient, experiment: str, run: MlflowRun | None, root: Path, dataset: str) -> None:
    """Log the report of a data set on the experiment's run for it (`run`; None: a new one), unless it has it."""
    path = root / "reports" / dataset / "report.html"
    if not path.exists():
        return
    digest = sha256(path)
    if run is not None and run.data.tags.get(REPORT) == digest:
        return
    at = int(1000 * path.stat().st_mtime)
    own = run or client.create_run(experiment, start_time=at, run_name="report", tags={"dataset": dataset})
    client.log_artifact(own.info.run_id, str(path))
    client.set_tag(own.info.run_id, REPORT, digest)
    client.set_terminated(own.info.run_id, "FINISHED", end_time=at)
