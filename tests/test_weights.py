"""Checkpoints that are none, weights that are another's, data that changed since: told by the stage that reads them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.errors import StoreMismatch, WeightsUnfit
from pipeline.core.training import run
from pipeline.core.training.files import read_weights, write_tensors
from pipeline.core.training.job import Job
from pipeline.stages import evaluate, finetune, pretrain
from tests.conftest import write_params

CELL = "p-sta-lstm"


@pytest.fixture
def trained(small_project: Path) -> Path:
    """The project after all three stages of the cell."""
    for stage in (pretrain, finetune, evaluate):
        stage.main(CELL)
    return small_project


def job(stage: str) -> Job:
    """The first run of a stage of the cell."""
    return cells.jobs(cells.load(CELL, stage), stage, {(1, 1): 1} if stage == "finetune" else None)[0]


def weights(stage: str, fold: int = 1, seed: int = 1) -> Path:
    return Path(f"data/runs/demo/{CELL}/{stage}/weights/fold-{fold}-seed-{seed}/model.pt")


def turned(path: Path) -> None:
    """A bit of the numbers in a file of torch, or numpy, is another one."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# --- checkpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("empty", "damaged or cut: BadZipFile"),
        ("cut", "damaged or cut: BadZipFile"),
        ("turned", "damaged"),
        ("other", "of another run, or of other parameters"),
        ("keys", "unexpected keyword argument 'colour'"),
        ("infinite", "main.out.bias is not finite"),
        ("table", "damaged or cut: BadZipFile"),
    ],
)
def test_a_checkpoint_that_is_none_is_told_and_the_run_starts_again(
    damage: str, said: str, small_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    todo = job("pretrain")
    rows = run.train(todo)
    whole, expected = run.resume(todo), (todo.target / "model.pt").read_bytes()
    assert whole is not None and whole.rows == rows and capsys.readouterr().err == ""
    content = vars(whole)
    name = next(iter(whole.weights))
    if damage in ("other", "keys", "infinite"):
        broken = {**whole.weights, name: torch.full_like(whole.weights[name], torch.inf)}
        change = {"other": {"run": "another"}, "keys": {"colour": 1}, "infinite": {"weights": broken}}[damage]
        write_tensors(content | change, todo.checkpoint)
        said = said.replace("main.out.bias", name)
    else:
        size = todo.checkpoint.stat().st_size
        {
            "empty": lambda: todo.checkpoint.write_bytes(b""),
            "cut": lambda: todo.checkpoint.write_bytes(todo.checkpoint.read_bytes()[: size // 2]),
            "turned": lambda: turned(todo.checkpoint),
            "table": lambda: todo.checkpoint.write_text("fold,seed\n1,1\n"),
        }[damage]()
    assert run.resume(todo) is None
    told = capsys.readouterr().err
    assert told.startswith(f"{todo.checkpoint}: ") and said in told and told.endswith("; this run starts again\n")
    assert run.train(todo) == rows
    assert (todo.target / "model.pt").read_bytes() == expected


def test_a_checkpoint_of_other_parameters_is_never_resumed(small_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = job("pretrain")
    run.train(first)
    document = parameters.read()
    document["training"] |= {"learning_rate": 0.02}
    write_params(document)
    capsys.readouterr()
    other = job("pretrain")
    assert other.checkpoint != first.checkpoint
    other.checkpoint.parent.mkdir(parents=True)
    shutil.copy(first.checkpoint, other.checkpoint)
    assert run.resume(other) is None
    assert "of other parameters; this run starts again" in capsys.readouterr().err


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_of_another_fold(trained: Path) -> None:
    for stage, reader, note in (("pretrain", finetune, f".work/made/{CELL}/pretrain.json"), ("finetune", evaluate, "run.json")):
        kept = weights(stage).read_bytes()
        shutil.copy(weights(stage, 2, 1), weights(stage))
        with pytest.raises(WeightsUnfit, match=rf"{weights(stage)}: not the weights that .*{note} has of fold 1, seed 1") as told:
            reader.main(CELL)
        assert "they are those of fold 2, seed 1; run `dvc repro`" in str(told.value)
        weights(stage).write_bytes(kept)
        reader.main(CELL)


def test_a_bit_that_turned_in_weights(trained: Path) -> None:
    for stage, reader in (("pretrain", finetune), ("finetune", evaluate)):
        turned(weights(stage))
        with pytest.raises(WeightsUnfit, match=rf"{weights(stage)}: not the weights that"):
            reader.main(CELL)
        shutil.rmtree(Path(".work/made"))  # as on a machine that made nothing
        run_json = Path(f"data/results/demo/{CELL}/run.json")
        document = json.loads(run_json.read_text())
        run_json.write_text(json.dumps(document | {"runs": [{"fold": r["fold"], "seed": r["seed"]} for r in document["runs"]]}))
        with pytest.raises(WeightsUnfit, match=rf"{weights(stage)}: expected the weights of a trained run \(damaged"):
            reader.main(CELL)
        turned(weights(stage))
        finetune.main(CELL)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "expected weights by name, found dict without them"),
        ([1], "expected weights by name, found list"),
        ({"main.a": torch.tensor([1.0, float("nan")])}, "main.a is not finite"),
        ({"main.a": torch.ones(2)}, r"expected the weight (temporal|spatial)\S+, found main.a"),
    ],
)
def test_weights_that_are_none(content: object, said: str, small_project: Path) -> None:
    todo = job("finetune")
    assert todo.start is not None
    with pytest.raises(WeightsUnfit, match=r"model\.pt: expected the weights of a trained run, found none; run `dvc repro`"):
        run.train(todo)
    todo.start.mkdir(parents=True)
    write_tensors(content, todo.start / "model.pt")
    with pytest.raises(WeightsUnfit, match=said):
        run.train(todo)


def test_weights_of_another_size(trained: Path) -> None:
    todo = job("finetune")
    found = read_weights(todo.target)
    name = next(name for name in found if found[name].ndim == 2)
    write_tensors(found | {name: found[name][:, :-1]}, todo.target / "model.pt")
    with pytest.raises(WeightsUnfit, match=rf"{name} is \[\d+, \d+\], expected \[\d+, \d+\]: of other parameters or data"):
        run.restore(todo, run.Store(todo.store))


# --- data -------------------------------------------------------------------------------------------------------------


def test_a_bit_that_turned_in_the_store(trained: Path) -> None:
    turned(Path("data/skeletons/demo/sbu/frames.npy"))
    said = r"frames\.npy: not what was written \(SHA-256 \w{12}, expected \w{12}\); `dvc repro --force .* normalize@demo`"
    for stage in (pretrain, finetune, evaluate):
        with pytest.raises(StoreMismatch, match=said):
            stage.main(CELL)


def test_evaluation_on_another_split_than_that_of_training(trained: Path) -> None:
    split = Path("data/splits/demo/p.csv")
    table = pd.read_csv(split)
    table.loc[table["part"] == "train", "part"] = "test"
    table.to_csv(split, index=False)
    with pytest.raises(StoreMismatch, match=rf"run\.json: {CELL} was trained on other data than those on disk; run `dvc repro`"):
        evaluate.main(CELL)


@pytest.mark.parametrize(
    ("column", "value"), [("offset", 1), ("length", 99), ("bodies", 3), ("action", 0), ("action", 4), ("name", "clip-01")]
)
def test_an_index_that_does_not_fit_the_frames(column: str, value: object, small_project: Path) -> None:
    path = Path("data/skeletons/demo/sbu/index.csv")
    table = pd.read_csv(path)
    table.loc[2, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(StoreMismatch, match=r"index\.csv: line [34] does not fit the frames, or its neighbours"):
        run.Store(path.parent)
