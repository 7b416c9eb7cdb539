"""What MLflow's own pages look for: kind of experiment, data sets, source, interval, confusion, report, a model a cell."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import load, tracking
from pipeline.core.errors import ResultsMissing
from pipeline.predict import flavor
from pipeline.predict.model import InMemory
from pipeline.tracking import contents
from tests import tracking_project
from tests.conftest import ROOT
from tests.tracking_project import PARENT, Project

database, project = tracking_project.database, tracking_project.project  # fixtures
pytestmark = [  # MLflow 3.17 uses what SQLAlchemy 2.1 is to remove, and warns of its own classes when mlflow.pyfunc is imported
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
]
PREDICTIONS = "fold,seed,name,label,predicted\n1,1,a,0,0\n1,1,b,0,1\n1,1,c,1,1\n1,2,a,0,0\n1,2,b,0,0\n1,2,c,1,1\n"
WEIGHTS = ROOT / "models" / "demo-ntu-cs-sta-lstm.safetensors"


@pytest.fixture
def evaluated(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two runs of one fold with predictions of three clips; MLflow's files stay in the project's folder."""
    monkeypatch.chdir(project.root)
    shutil.copy(ROOT / "params.yaml", project.root)
    project.finish(1, 1, [(1, 1), (1, 2)])
    project.evaluate({(1, 1): 40, (1, 2): 30})
    (project.results / "evaluate" / "predictions.csv").write_text(PREDICTIONS)
    return project


def artifact(run: Any, name: str) -> str:
    return Path(run.info.artifact_uri.removeprefix("file://"), name).read_text()


def test_an_experiment_is_one_of_model_development(evaluated: Project) -> None:
    client = evaluated.client()
    client.create_experiment(evaluated.protocol)  # as an earlier version of this project made it
    evaluated.sync()
    assert client.get_experiment_by_name(evaluated.protocol).tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_run_names_its_data_and_its_source(evaluated: Project) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(evaluated.root)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    evaluated.sync()
    (parent,), children = evaluated.runs()
    protocol = evaluated.protocol
    for run in (parent, *children.values()):
        found = [
            (one.dataset.name, one.dataset.digest, json.loads(one.dataset.source)["uri"]) for one in run.inputs.dataset_inputs
        ]
        assert sorted(found) == [
            ("demo", "aa", "data/skeletons/demo"),
            (f"{protocol} split", "bb", f"data/splits/demo/{protocol}.csv"),
        ]
        assert run.data.tags["mlflow.source.name"] == f"python -m pipeline finetune {protocol}-sta-lstm"
        assert run.data.tags["mlflow.source.git.commit"] == commit


def test_a_cell_has_the_interval_and_the_confusion_of_its_predictions(evaluated: Project) -> None:
    evaluated.sync()
    (parent,), children = evaluated.runs()
    low, high = (parent.data.metrics[f"test_accuracy_{end}"] for end in ("low", "high"))
    assert 0 <= low < 100 * 5 / 6 < high <= 100
    assert artifact(parent, "confusion.csv") == "true,1,2\n1,3,1\n2,0,2\n"
    assert "test_accuracy_low" not in children[1, 1].data.metrics


def test_confusion_has_the_names_of_classes_nobody_predicted(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(PREDICTIONS)
    assert contents.confusion(tmp_path / "p.csv", ["wave", "clap", "point"]) == (
        "true,wave,clap,point\nwave,3,1,0\nclap,0,2,0\npoint,0,0,0\n"
    )


def test_the_report_is_an_artifact_and_follows_the_file(evaluated: Project) -> None:
    page = evaluated.root / "reports" / "demo" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("first")
    evaluated.sync()
    evaluated.sync()
    client = evaluated.client()
    experiment = client.get_experiment_by_name(evaluated.protocol).experiment_id

    def reports() -> list[Any]:
        return [run for run in client.search_runs([experiment]) if run.info.run_name == "report"]

    (run,) = reports()
    assert artifact(run, "report.html") == "first" and PARENT not in run.data.tags
    page.write_text("second")
    evaluated.sync()
    (run,) = reports()
    assert artifact(run, "report.html") == "second" and run.info.status == "FINISHED"


def test_contents_are_logged_once(evaluated: Project) -> None:
    evaluated.sync()
    (parent,), _ = evaluated.runs()
    evaluated.sync()
    assert len(evaluated.client().get_metric_history(parent.info.run_id, "test_accuracy_low")) == 1


def test_a_model_a_cell_is_registered_and_loads_without_a_pickle(evaluated: Project) -> None:
    from mlflow import pyfunc  # noqa: PLC0415

    def export(cell: str, path: Path) -> tracking.Exported:
        shutil.copy(WEIGHTS, path)
        return tracking.Exported((-1, 25, 3), 8, {"test_accuracy": "81.25", "fold": "1"}, ("torch",))

    evaluated.sync()
    client, cell = evaluated.client(), f"{evaluated.protocol}-sta-lstm"
    assert tracking.add_models(evaluated.root, client, export, ()) == (1, [])
    assert tracking.add_models(evaluated.root, client, export, ()) == (0, [])
    (version,) = client.search_model_versions(f"name='{cell}'")
    assert version.tags == {"test_accuracy": "81.25", "fold": "1"}
    loaded = pyfunc.load_model(f"models:/{cell}/1")
    assert loaded.metadata.signature.inputs.inputs[0].shape == (-1, -1, 25, 3)
    place = Path(client.get_logged_model(version.source.removeprefix("models:/")).artifact_location.removeprefix("file://"))
    assert sorted(path.name for path in place.rglob("*") if path.is_file()) == [
        "MLmodel",
        "conda.yaml",
        "input_example.json",
        "model.safetensors",
        "python_env.yaml",
        "registered_model_meta",
        "requirements.txt",
        "serving_input_example.json",
    ]
    clip = np.random.default_rng(1).normal(size=(30, 1, 25, 3)).astype(np.float32)
    assert loaded.predict(clip).sum() == pytest.approx(1)
    assert np.array_equal(loaded.predict(clip), flavor.Loaded(load(WEIGHTS)).predict(clip))


def test_the_flavor_gives_the_logits_of_the_model() -> None:
    from pipeline.core.training.batches import Clips  # noqa: PLC0415 (torch)

    model = load(WEIGHTS)
    clip = np.random.default_rng(2).normal(size=(20, 2, 25, 3)).astype(np.float32)
    settings = model.card.settings
    clips = Clips(InMemory([clip], model.card.meta), np.arange(1), settings.training.frames, settings.model.velocity)
    logits = model.answer(clips).logits[0]
    found = flavor.Loaded(model).predict(clip)
    assert np.log(found) - np.log(found[0]) == pytest.approx(logits - logits[0], abs=1e-5)


def test_a_cell_without_weights_is_left_out_with_the_reason(evaluated: Project) -> None:
    def export(cell: str, path: Path) -> tracking.Exported:
        raise ResultsMissing("no weights")

    evaluated.sync()
    found = tracking.add_models(evaluated.root, evaluated.client(), export, (ResultsMissing,))
    assert found == (0, [f"{evaluated.protocol}-sta-lstm: no weights"])
