"""A project folder with histories and results as the stages write them, for the tests of tracking."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import tracking
from pipeline.core.training.job import COLUMNS
from pipeline.tracking.fill import Counts

PARENT = "mlflow.parentRunId"


class Project:
    """A project folder with results as the stages write them, in an experiment of its own."""

    def __init__(self, root: Path, protocol: str):
        self.root, self.protocol = root, protocol
        self.results = root / "data" / "results" / "demo" / f"{protocol}-sta-lstm"

    def client(self) -> Any:
        return tracking.connect(self.root)

    def sync(self, **options: Any) -> Counts:
        return tracking.sync(self.root, self.client(), **options)

    def document(self, stage: str, prints: tuple[str, str], runs: list[tuple[int, int]]) -> dict[str, Any]:
        known = ("pretrain",) if stage == "pretrain" else ("pretrain", "finetune")
        names = dict(zip(known, (f"{self.protocol}-{name}" for name in prints), strict=False))
        params = {f"{s}.length": i for i, s in enumerate(("training", *known))}
        return {
            "stage": f"{stage}@{self.protocol}-sta-lstm",
            "protocol": self.protocol,
            "method": "sta-lstm",
            "recipe": "demo",
            "dataset": "demo",
            "data": {"store_sha256": "aa", "split_sha256": "bb"},
            "fingerprint": names,
            "params": params,
            "runs": [{"fold": fold, "seed": seed} for fold, seed in runs],
        }

    def finish(self, pretrain: int, finetune: int, runs: list[tuple[int, int]], prints: tuple[str, str] = ("p1", "f1")) -> None:
        rows = [
            row for run in runs for row in [*epochs(run, "pretrain", 0, pretrain), *epochs(run, "finetune", pretrain, finetune)]
        ]
        self.results.mkdir(parents=True, exist_ok=True)
        write(rows, self.results / "history.csv")
        (self.results / "run.json").write_text(json.dumps(self.document("finetune", prints, runs)))

    def evaluate(self, correct: dict[tuple[int, int], int]) -> None:
        each = [{"fold": f, "seed": s, "samples": 50, "correct": k} for (f, s), k in correct.items()]
        document = {"accuracy": 2.0 * sum(correct.values()) / len(correct), "runs": each}
        (self.results / "evaluate").mkdir(exist_ok=True)
        (self.results / "evaluate" / "metrics.json").write_text(json.dumps(document))

    def grow(self, stage: str, run: tuple[int, int], before: int, count: int, prints: tuple[str, str] = ("p1", "f1")) -> Path:
        folder = self.live(stage, prints)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(json.dumps(self.document(stage, prints, [run])))
        path = folder / f"fold-{run[0]}-seed-{run[1]}.csv"
        write(epochs(run, stage, before, count), path)
        return path

    def live(self, stage: str, prints: tuple[str, str] = ("p1", "f1")) -> Path:
        return self.root / ".work" / "live" / f"{self.protocol}-sta-lstm" / f"{stage}-{prints[stage == 'finetune']}"

    def runs(self) -> tuple[list[Any], dict[tuple[int, int], Any]]:
        """Parents, and the children by (fold, seed) and parent, from MLflow."""
        client = self.client()
        experiment = client.get_experiment_by_name(self.protocol)
        runs = client.search_runs([experiment.experiment_id])
        children = [run for run in runs if PARENT in run.data.tags]
        by_run = {(int(run.data.tags["fold"]), int(run.data.tags["seed"])): run for run in children}
        assert len(by_run) == len(children) or len(runs) - len(children) > 1
        return [run for run in runs if PARENT not in run.data.tags], by_run

    def curve(self, run: Any, key: str = "loss") -> list[tuple[int, float]]:
        return sorted((point.step, point.value) for point in self.client().get_metric_history(run.info.run_id, key))


def epochs(run: tuple[int, int], stage: str, before: int, count: int) -> list[dict[str, object]]:
    """Rows whose loss is their step plus the fold's hundreds: known values; no validation accuracy."""
    place = {"fold": run[0], "seed": run[1], "stage": stage, "phase": "main"}
    steps = range(before + 1, before + count + 1)
    return [place | {"epoch": s - before, "step": s, "loss": 100 * run[0] + s, "train_accuracy": 0.5} for s in steps]


def write(rows: list[dict[str, object]], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def losses(fold: int, steps: int) -> list[tuple[int, float]]:
    return [(s, 100.0 * fold + s) for s in range(1, steps + 1)]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all: making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def project(database: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    return Project(tmp_path, request.node.name.replace("_", "-"))
