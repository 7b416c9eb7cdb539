"""Stage `finetune` on a small project."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline.core.errors import ResultsMissing
from pipeline.core.files import sha256
from pipeline.stages import finetune, pretrain

RESULTS, RUNS = Path("data/results/demo"), Path("data/runs/demo")


@pytest.fixture
def trained(small_project: Path) -> Path:
    pretrain.main("p-ta-lstm")
    finetune.main("p-ta-lstm")
    return small_project


def test_the_history_runs_through_both_stages(trained: Path) -> None:
    history = pd.read_csv(RESULTS / "p-ta-lstm" / "history.csv")
    run = history[(history["fold"] == 2) & (history["seed"] == 1)]
    assert run[["stage", "phase", "step"]].to_numpy().tolist() == [
        ["pretrain", "temporal-1-layer", 1],
        ["finetune", "main", 2],
        ["finetune", "joint", 3],
    ]
    assert len(history) == 4 * 3 and history["loss"].notna().all()


def test_training_starts_from_the_pretrained_attention(trained: Path) -> None:
    place = Path("weights/fold-1-seed-2/model.pt")
    before = torch.load(RUNS / "p-ta-lstm" / "pretrain" / place, weights_only=True)
    after = torch.load(RUNS / "p-ta-lstm" / "finetune" / place, weights_only=True)
    assert {k.split(".")[0] for k in after} == {"main", "temporal"}
    moved = (before["temporal.lstm.weight_hh_l0"] - after["temporal.lstm.weight_hh_l0"]).abs().max()
    assert 0 < moved < 0.1, "trained a little further, not drawn anew"


def test_the_run_says_what_it_was_made_from(trained: Path) -> None:
    document = json.loads((RESULTS / "p-ta-lstm" / "run.json").read_text())
    assert document["stage"] == "finetune@p-ta-lstm" and document["recipe"] == "paper"
    assert document["params"]["model.hidden"] == 8 and document["params"]["methods.spatial"] is False
    weights = {
        (f, s): RUNS / "p-ta-lstm" / "finetune" / "weights" / f"fold-{f}-seed-{s}" / "model.pt" for f in (1, 2) for s in (1, 2)
    }
    assert document["runs"] == [{"fold": f, "seed": s, "weights": sha256(path)} for (f, s), path in weights.items()]
    assert set(document["fingerprint"]) == {"pretrain", "finetune"} and len(set(document["fingerprint"].values())) == 2
    assert document["data"]["store_sha256"] == json.loads(Path("data/skeletons/demo/sbu/meta.json").read_text())["sha256"]


def test_a_method_without_pretraining_has_one_stage_of_training(small_project: Path) -> None:
    finetune.main("p-sta-lstm-scratch")
    history = pd.read_csv(RESULTS / "p-sta-lstm-scratch" / "history.csv")
    runs = history.groupby(["fold", "seed"])
    assert runs["phase"].apply(list).tolist() == [["main", "joint"]] * 4 and runs["step"].apply(list).tolist() == [[1, 2]] * 4
    assert set(history["stage"]) == {"finetune"}
    prints = json.loads((RESULTS / "p-sta-lstm-scratch" / "run.json").read_text())["fingerprint"]
    assert prints["pretrain"] == prints["finetune"]
    assert [path.name for path in (RUNS / "p-sta-lstm-scratch").iterdir()] == ["finetune"]


def test_twice_gives_the_same_bytes(trained: Path) -> None:
    files = [p for p in (*RUNS.rglob("*"), *RESULTS.rglob("*")) if p.is_file()]
    first = {p: p.read_bytes() for p in files}
    assert len(first) == 2 * 4 + 3
    for path in files:
        path.unlink()
    pretrain.main("p-ta-lstm")
    finetune.main("p-ta-lstm")
    assert {p: p.read_bytes() for p in files} == first


def test_without_pretraining_it_says_what_to_do(small_project: Path) -> None:
    with pytest.raises(ResultsMissing, match=r"pretrain/history\.csv: expected .*run `dvc repro`"):
        finetune.main("p-ta-lstm")
