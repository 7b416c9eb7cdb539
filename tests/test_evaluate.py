"""Stage `evaluate`: tables of known shape and content from trained runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.core import cell as cells
from pipeline.core.training import files
from pipeline.core.training import run as joint
from pipeline.core.training.loop import predict
from pipeline.stages import evaluate, finetune, pretrain

FOLDER = Path("data/results/demo/p-sta-lstm/evaluate")


@pytest.fixture
def evaluated(small_project: Path) -> Path:
    for stage in (pretrain, finetune, evaluate):
        stage.main("p-sta-lstm")
    return FOLDER


def test_every_test_sample_is_predicted_once_a_run(evaluated: Path) -> None:
    table = pd.read_csv(evaluated / "predictions.csv")
    split = pd.read_csv("data/splits/demo/p.csv")
    for (fold, _), rows in table.groupby(["fold", "seed"]):
        expected = split.loc[(split["fold"] == fold) & (split["part"] == "test"), "name"]
        assert sorted(rows["name"]) == sorted(expected)
    assert len(table) == 2 * (6 + 12)
    logits = table.filter(like="logit_").to_numpy()
    assert logits.shape[1] == 3 and (logits.argmax(1) == table["predicted"]).all()
    number = table["name"].str.removeprefix("clip-").astype(int)
    assert (table["label"] == number % 3).all()


def test_accuracy_is_that_of_the_predictions(evaluated: Path) -> None:
    table, document = pd.read_csv(evaluated / "predictions.csv"), json.loads((evaluated / "metrics.json").read_text())
    right = table["label"] == table["predicted"]
    assert document["accuracy"] == pytest.approx(100 * right.mean(), abs=1e-4)
    assert [(r["fold"], r["seed"], r["samples"]) for r in document["runs"]] == [(1, 1, 6), (1, 2, 6), (2, 1, 12), (2, 2, 12)]
    assert sum(r["correct"] for r in document["runs"]) == right.sum()


def test_every_fold_and_seed_is_tested_with_its_own_weights(evaluated: Path) -> None:
    table = pd.read_csv(evaluated / "predictions.csv").set_index(["fold", "seed"])
    for job in cells.jobs(cells.load("p-sta-lstm", "finetune"), "finetune"):
        clips = files.clips_of(job, "test")
        model = joint.build(job, joint.phases_of(job)[-1], {}, clips.store)
        folder = Path(f"data/runs/demo/p-sta-lstm/finetune/weights/fold-{job.fold}-seed-{job.seed}")
        model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
        logits = predict(model, clips, 256, torch.device("cpu")).logits
        found = table.loc[(job.fold, job.seed)].filter(like="logit_").to_numpy()
        np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5)  # six digits in the file


def test_evaluation_is_the_same_twice_whatever_the_dropout(evaluated: Path) -> None:
    job = cells.jobs(cells.load("p-sta-lstm", "evaluate"), "finetune")[0]
    params = replace(job.params, model=replace(job.params.model, dropout=0.5))  # what evaluation reads has none at all
    job = replace(job, params=params)
    torch.manual_seed(1)
    first = evaluate.work(job).predictions
    torch.manual_seed(2)
    pd.testing.assert_frame_equal(first, evaluate.work(job).predictions)


def test_mean_attention(evaluated: Path) -> None:
    alpha, beta = pd.read_csv(evaluated / "alpha.csv"), pd.read_csv(evaluated / "beta.csv")
    assert len(alpha) == 3 * 4 * 8 and len(beta) == 3 * 4
    np.testing.assert_allclose(alpha.groupby(["label", "bin"])["weight"].sum(), 1, atol=1e-5)
    assert (beta["weight"] >= 0).all() and (beta["clips"] == 12).all()  # 36 predictions, three classes


def test_a_method_without_attention_has_empty_tables(small_project: Path) -> None:
    for stage in (finetune, evaluate):
        stage.main("p-lstm")
    folder = FOLDER.parent.parent / "p-lstm" / "evaluate"
    assert (folder / "alpha.csv").read_text() == "label,bin,joint,weight,clips\n"
    assert (folder / "beta.csv").read_text() == "label,bin,weight,clips\n"


def test_time_bins_share_frames_by_overlap() -> None:
    clip = np.array([1.0, 2.0, 6.0], np.float32)
    np.testing.assert_allclose(evaluate.in_bins(clip, 3), [1, 2, 6])
    np.testing.assert_allclose(evaluate.in_bins(clip, 2), [(1 + 0.5 * 2) / 1.5, (0.5 * 2 + 6) / 1.5])
    np.testing.assert_allclose(evaluate.in_bins(clip, 6), [1, 1, 2, 2, 6, 6])
    gates = np.stack([clip, 2 * clip], axis=1)
    np.testing.assert_allclose(evaluate.in_bins(gates, 1), [[3, 6]])
