"""Histories into MLflow: known runs and curves, twice the same, continued where they were."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline import tracking
from pipeline.tracking.errors import TrackingUnavailable
from pipeline.tracking.fill import Counts
from pipeline.tracking.store import lock
from tests import tracking_project
from tests.tracking_project import PARENT, Project, losses

database, project = tracking_project.database, tracking_project.project  # fixtures
# MLflow 3.17 uses what SQLAlchemy 2.1 is to remove
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow")


def test_finished_cell_becomes_an_experiment_a_parent_and_a_child_a_run(project: Project) -> None:
    runs = [(1, 1), (1, 2), (2, 1), (2, 2)]
    project.finish(3, 2, runs)
    project.evaluate({(1, 1): 40, (1, 2): 30, (2, 1): 20, (2, 2): 10})
    counts = project.sync()
    assert counts == Counts(experiments=1, parents=1, children=4, epochs=20, accuracies=5)
    (parent,), children = project.runs()
    assert set(children) == set(runs)
    assert all(run.data.tags[PARENT] == parent.info.run_id for run in children.values())
    assert project.curve(children[2, 1]) == losses(2, 5)
    assert project.curve(children[2, 1], "train_accuracy") == [(s, 0.5) for s in range(1, 6)]
    assert "validation_accuracy" not in children[2, 1].data.metrics
    assert (parent.data.metrics["test_accuracy"], children[1, 2].data.metrics["test_accuracy"]) == (50.0, 60.0)
    assert {run.info.status for run in (parent, *children.values())} == {"FINISHED"}


def test_runs_say_what_they_were_made_from(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(project.root)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    monkeypatch.setenv("DVC_EXP_NAME", "bold-idea")
    project.finish(1, 1, [(1, 7)])
    project.sync()
    (project.root / "params.yaml").write_text("changed: true\n")
    project.grow("pretrain", (1, 7), 0, 1, ("p2", ""))
    project.sync()
    parents, _ = project.runs()
    later, first = parents
    expected = {"recipe": "demo", "method": "sta-lstm", "protocol": project.protocol, "dataset": "demo"}
    expected |= {"dvc_stage": f"finetune@{project.protocol}-sta-lstm", "dvc_experiment": "bold-idea"}
    expected |= {"store_sha256": "aa", "split_sha256": "bb", "git_commit": commit, "git_dirty": "false", "backfilled": "true"}
    expected |= {"fingerprint_pretrain": f"{project.protocol}-p1", "fingerprint_finetune": f"{project.protocol}-f1"}
    assert {key: first.data.tags.get(key) for key in expected} == expected
    assert first.data.params == {"training.length": "0", "pretrain.length": "1", "finetune.length": "2"}
    assert (later.data.tags["git_dirty"], "backfilled" in later.data.tags) == ("true", False)


def test_runs_too_quick_to_be_seen_have_the_origin_of_their_siblings(project: Project) -> None:
    project.grow("finetune", (1, 1), 0, 1)
    project.sync()
    project.finish(0, 1, [(1, 1), (2, 1)])  # fold 2 began and ended between two looks
    project.finish(0, 1, [(3, 1)], ("p2", "f2"))
    project.results.rename(project.results.with_name("other"))
    project.finish(0, 1, [(1, 1), (2, 1)])
    project.sync()
    _, children = project.runs()
    assert {fold: run.data.tags.get("backfilled") for (fold, _), run in children.items()} == {1: None, 2: None, 3: "true"}


def test_twice_adds_nothing(project: Project) -> None:
    project.finish(2, 2, [(1, 1), (2, 1)])
    project.evaluate({(1, 1): 40, (2, 1): 30})
    project.grow("pretrain", (1, 1), 0, 2, ("p9", ""))
    first, second = project.sync(), project.sync()
    assert (first.parents, first.children, first.epochs) == (2, 3, 10)
    assert second == Counts()
    parents, _ = project.runs()
    assert len(parents) == 2


@pytest.mark.parametrize("moment", ["create_experiment", "create_run"])
def test_another_machine_that_logs_the_same_cell_meanwhile_doubles_nothing(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr("pipeline.tracking.fill.random.uniform", lambda *_: 0.0)
    other = Project(tmp_path_factory.mktemp("other"), project.protocol)
    for clone in (project, other):  # of one repository: the locks of two folders know nothing of each other
        clone.finish(2, 1, [(1, 1), (2, 1)])
    client, meanwhile = project.client(), [other.sync]
    original = getattr(type(client), moment)

    def late(self: Any, *arguments: Any, **options: Any) -> Any:
        while meanwhile:  # between the look and the creation
            meanwhile.pop()()
        return original(self, *arguments, **options)

    monkeypatch.setattr(type(client), moment, late)
    assert tracking.sync(project.root, client) == Counts(experiments=int(moment == "create_run"))
    parents, children = project.runs()
    assert (len(parents), set(children)) == (1, {(1, 1), (2, 1)})
    assert project.curve(children[2, 1]) == losses(2, 3)


def test_same_epochs_from_two_machines_are_kept_once(project: Project) -> None:
    project.finish(2, 1, [(1, 1)])
    project.sync()
    _, children = project.runs()
    project.client().delete_tag(children[1, 1].info.run_id, "rows_pretrain")  # as a machine sees it that looked before
    os.utime(project.results / "history.csv", (time.time() + 100,) * 2)
    assert project.sync().epochs == 2
    assert project.curve(children[1, 1]) == losses(1, 3)


def test_live_run_is_continued_by_finetune_and_finished(project: Project) -> None:
    project.grow("pretrain", (1, 1), 0, 2)
    assert project.sync().epochs == 2
    project.grow("pretrain", (1, 1), 0, 3)
    assert project.sync() == Counts(epochs=1)
    (parent,), children = project.runs()
    assert (parent.info.status, children[1, 1].info.status) == ("RUNNING", "RUNNING")
    shutil.rmtree(project.live("pretrain"))  # its last epoch, the 4th, was not seen
    project.grow("finetune", (1, 1), 4, 2)
    assert project.sync() == Counts(epochs=2)
    project.finish(4, 3, [(1, 1), (2, 1)])
    shutil.rmtree(project.live("finetune"))
    assert project.sync() == Counts(children=1, epochs=2 + 7)
    (after,), later = project.runs()
    assert after.info.run_id == parent.info.run_id
    assert later[1, 1].info.run_id == children[1, 1].info.run_id
    assert project.curve(later[1, 1]) == losses(1, 7)
    assert project.curve(later[2, 1]) == losses(2, 7)
    assert (after.info.status, later[1, 1].info.status) == ("FINISHED", "FINISHED")
    assert after.data.params["finetune.length"] == "2"
    assert later[1, 1].data.tags["fingerprint_finetune"] == f"{project.protocol}-f1"


def test_other_parameters_of_finetune_are_another_run(project: Project) -> None:
    project.finish(2, 1, [(1, 1)])
    project.sync()
    project.finish(2, 1, [(1, 1)], ("p1", "f2"))
    assert project.sync() == Counts(parents=1, children=1, epochs=3)
    project.finish(2, 1, [(1, 1)])
    assert project.sync() == Counts()


def test_repeated_pretraining_leaves_a_finished_run_alone(project: Project) -> None:
    project.finish(3, 1, [(1, 1)])
    project.sync()
    shutil.rmtree(project.results)  # as DVC does
    project.grow("pretrain", (1, 1), 0, 2)
    assert project.sync() == Counts()
    (parent,), children = project.runs()
    assert (parent.info.status, children[1, 1].info.status) == ("FINISHED", "FINISHED")


def test_unfinished_line_waits(project: Project) -> None:
    path = project.grow("pretrain", (1, 1), 0, 2)
    whole = path.read_text()
    path.write_text(whole[:-3])
    assert project.sync().epochs == 1
    path.write_text(whole)
    assert project.sync().epochs == 1
    _, children = project.runs()
    assert project.curve(children[1, 1]) == losses(1, 2)


def test_interrupted_fill_goes_on_where_it_was(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tracking.fill.BATCH", 4)  # two epochs of two numbers
    project.finish(5, 0, [(1, 1)])
    client, calls = project.client(), []
    log = type(client).log_batch

    def failing(self: Any, *arguments: Any, **options: Any) -> None:
        calls.extend(options.get("metrics", []))
        if len(calls) > 4:
            raise OSError("disk full")
        log(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(client), "log_batch", failing)
        with pytest.raises(TrackingUnavailable, match="disk full"):
            tracking.sync(project.root, client)
    assert project.sync() == Counts(epochs=3)
    _, children = project.runs()
    assert project.curve(children[1, 1]) == losses(1, 5)


def test_accuracy_is_left_out_beside_a_training_and_replaced_after_it(project: Project) -> None:
    project.finish(1, 1, [(1, 1)])
    project.evaluate({(1, 1): 20})
    assert project.sync(accuracies=False).accuracies == 0
    assert project.sync().accuracies == 2
    project.evaluate({(1, 1): 25})
    assert project.sync().accuracies == 2
    (parent,), children = project.runs()
    assert (parent.data.metrics["test_accuracy"], children[1, 1].data.metrics["test_accuracy"]) == (50.0, 50.0)


def test_seen_files_are_not_looked_at_again_until_they_change(project: Project) -> None:
    seen: set[Any] = set()
    path = project.grow("pretrain", (1, 1), 0, 1)
    assert project.sync(seen=seen).epochs == 1
    path.with_name("run.json").write_text("{")  # damaged, so it would be counted if it were read
    assert len(project.sync(seen=seen).unreadable) == 1
    project.grow("pretrain", (1, 1), 0, 2)
    assert project.sync(seen=seen) == Counts(epochs=1)
    assert project.sync(seen=seen) == Counts()
    assert len(seen) == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"runs": []}', '{"runs": [{"fold": 1}]}'])
def test_damaged_cell_is_named_and_others_are_logged(project: Project, content: str) -> None:
    project.finish(1, 1, [(1, 1)])
    damaged = project.root / "data" / "results" / "demo" / "broken-lstm"
    damaged.mkdir(parents=True)
    (damaged / "run.json").write_text(content)
    counts = project.sync()
    assert (counts.children, len(counts.unreadable)) == (1, 1)
    assert str(damaged) in counts.unreadable[0]


def test_abandoned_training_is_not_shown_as_running(project: Project) -> None:
    path = project.grow("pretrain", (1, 1), 0, 1)
    for file in (path, path.with_name("run.json")):
        os.utime(file, (time.time() - 90_000,) * 2)
    project.sync()
    (parent,), children = project.runs()
    assert (parent.info.status, children[1, 1].info.status) == ("KILLED", "KILLED")
    project.grow("pretrain", (1, 1), 0, 2)  # resumed
    project.sync()
    (parent,), children = project.runs()
    assert (parent.info.status, children[1, 1].info.status) == ("RUNNING", "RUNNING")


def test_deleted_experiment_comes_back(project: Project) -> None:
    project.finish(1, 1, [(1, 1)])
    project.sync()
    client = project.client()
    client.delete_experiment(client.get_experiment_by_name(project.protocol).experiment_id)
    assert project.sync() == Counts()
    assert client.get_experiment_by_name(project.protocol).lifecycle_stage == "active"


def test_database_is_in_the_project_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking.uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert tracking.uri(tmp_path) == "http://127.0.0.1:1"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(TrackingUnavailable, match="another process"), lock(tmp_path, wait_s=0.2):
        pass
    with lock(tmp_path, wait_s=0):
        pass
