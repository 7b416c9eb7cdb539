"""Support vector machines on windows: what the network votes is what liblinear decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.svm import LinearSVC

from pipeline.core.errors import TrainingFailed
from pipeline.core.model import STALSTM, Config
from pipeline.core.settings import Method, Settings
from pipeline.core.training import ranks
from pipeline.core.training.files import clips_of
from pipeline.core.training.job import Job
from pipeline.core.training.loop import predict
from pipeline.core.training.run import restore, train
from pipeline.networks import liblinear as svm
from pipeline.networks.windows import WindowSVM
from pipeline.stages import evaluate, finetune

CELL = "p-raw-skeleton-yun2012"


def machine(features: str) -> Method:
    network = {"kind": "window-svm", "features": features, "width": 2, "cost": 1.0}
    return Method(spatial=False, temporal=False, staged=False, network=network)


@pytest.fixture
def job(small_store: tuple[Path, Path], small_params: Callable[..., Settings], tmp_path: Path) -> Callable[[str], Job]:
    store, split = small_store

    def make(features: str) -> Job:
        base = tmp_path / "run" / features
        paths = (base, base / "live.csv", base / "checkpoint.pt")
        return Job("finetune", 1, 1, machine(features), small_params(), store, split, None, 0, *paths)

    return make


@pytest.mark.parametrize("features", ["raw", "joint"])
def test_votes_are_the_librarys_decisions(job: Callable[[str], Job], features: str) -> None:
    todo = job(features)
    rows = svm.train(todo)
    clips = clips_of(todo, "train")
    model = restore(todo, clips.store)
    x, y = svm.windows(model, clips)
    assert len(x) == clips.lengths.sum() and not np.isnan(x).any()
    found = LinearSVC(C=1.0, dual=False).fit((x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1), y)
    decided = found.predict((x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1))
    assert rows[0]["train_accuracy"] == pytest.approx(float((decided == y).mean()), abs=0.02)
    logits = predict(model, clips, 3, torch.device("cpu")).logits
    np.testing.assert_allclose(logits.sum(1), 1, atol=1e-6)
    start = 0
    for places, batch in clips.in_order(svm.FEW):  # the order of the windows: one batch, frame by frame
        at = [np.flatnonzero(np.nonzero(batch.mask.numpy())[1] == b) + start for b in range(len(places))]
        shares = [np.bincount(decided[rows_], minlength=3) / len(rows_) for rows_ in at]
        np.testing.assert_allclose(logits[places], shares, atol=0.26)  # a window or so may lie on the border
        start += int(batch.mask.sum())


def test_loss_and_accuracy_by_hand() -> None:
    found = LinearSVC()
    found.classes_, found.coef_, found.intercept_ = np.array([0, 2]), np.array([[2.0]]), np.array([0.0])
    x, y = np.array([[1.0], [-0.25], [0.25]], np.float32), np.array([2, 0, 0])
    # margins 2, -0.5, 0.5 for class 2: hinge 0, 0.5, 1.5
    assert svm.scores(found, x, y) == {"loss": pytest.approx((0.25 + 2.25) / 3), "train_accuracy": pytest.approx(2 / 3)}


def test_two_classes_of_three() -> None:
    model = STALSTM(Config(1, 1, 3, spatial=False, temporal=False), main=lambda n, c: WindowSVM(n, c, "raw", 1))
    found = LinearSVC()
    found.classes_, found.coef_, found.intercept_ = np.array([0, 2]), np.array([[1.0, 0, 0]]), np.array([0.5])
    svm.carry_over(found, np.full(3, 1, np.float32), np.full(3, 2, np.float32), model.main)  # type: ignore[arg-type]
    x = torch.tensor([0.5, -0.5]).view(2, 1, 1, 1) * torch.tensor([1.0, 0, 0])  # (0.5 - 1) / 2 + 0.5 > 0 > (-0.5 - 1) / 2 + 0.5
    votes = model.main(x.flatten(2), torch.ones(2, 1, dtype=torch.bool))
    assert votes.squeeze(1).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_machine_that_does_not_converge_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sklearn.svm.LinearSVC", lambda **settings: LinearSVC(max_iter=1, tol=1e-12, **settings))
    rng = np.random.default_rng(0)
    with pytest.raises(TrainingFailed, match=r"fold 2, seed 3: expected .* within 1 iterations; lower .* \(now 1e\+06\)"):
        svm.fit(rng.normal(size=(40, 5)).astype(np.float32), rng.integers(0, 3, 40), 1e6, "fold 2, seed 3")


def test_of_several_processes_the_first_fits(job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "place", lambda: ranks.Place(1, 2))
    assert train(job("raw")) == [] and not job("raw").target.exists()
    monkeypatch.setattr(ranks, "place", lambda: ranks.Place(0, 2))
    assert len(train(job("raw"))) == 1 and (job("raw").target / "model.pt").exists()


def test_through_the_stages(small_project: Path) -> None:
    for stage in (finetune, evaluate):
        stage.main(CELL)
    results = small_project / "data" / "results" / "demo" / CELL
    history = pd.read_csv(results / "history.csv")
    assert len(history) == 2 * 2 and history["loss"].notna().all() and (history["phase"] == "joint").all()
    assert history.groupby("fold")["loss"].nunique().eq(1).all()  # no seed changes anything
    document = json.loads((results / "run.json").read_text())
    assert document["params"]["methods.network.kind"] == "window-svm" and document["params"]["methods.network.width"] == 3
    assert json.loads((results / "evaluate" / "metrics.json").read_text())["accuracy"] > 60  # three classes, easy
