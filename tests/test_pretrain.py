"""Stage `pretrain` on a small project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.errors import ParamsError
from pipeline.stages import pretrain
from tests.conftest import write_params

RUNS = Path("data/runs/demo")


def test_every_fold_and_seed_is_pretrained(small_project: Path) -> None:
    pretrain.main("p-sta-lstm")
    folder = RUNS / "p-sta-lstm" / "pretrain"
    found = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    weights = [f"weights/fold-{f}-seed-{s}/model.pt" for f in (1, 2) for s in (1, 2)]
    assert found == ["history.csv", *weights]
    history = pd.read_csv(folder / "history.csv")
    assert history.groupby(["fold", "seed"])["step"].apply(list).tolist() == [[1, 2, 3, 4, 5, 6]] * 4
    parts = {k.split(".")[0] for k in torch.load(folder / weights[0], weights_only=True)}
    assert parts == {"main", "spatial", "temporal"}
    assert not list(Path(".work").rglob("*.pt")), "checkpoints are removed once the outputs are written"


@pytest.mark.parametrize("method", ["lstm", "lstm-noreg", "sta-lstm-scratch", "ta-lstm-scratch"])
def test_methods_without_staged_training_have_no_such_stage(small_project: Path, method: str) -> None:
    assert not cells.has_pretraining(cells.load(f"p-{method}", "finetune").method)
    with pytest.raises(ParamsError, match=f"p-{method} has no stage pretrain"):
        pretrain.main(f"p-{method}")
    assert not Path("data/params", f"p-{method}", "pretrain.json").exists() and not RUNS.exists() and not Path(".work").exists()


def fingerprint(stage: str) -> str:
    return cells.fingerprint(cells.load("p-sta-lstm", stage), stage)


def test_the_result_does_not_depend_on_what_is_trained_later(small_project: Path) -> None:
    before, later = fingerprint("pretrain"), fingerprint("finetune")
    document = parameters.read()
    document["finetune"]["joint"] = 9
    write_params(document)
    assert fingerprint("pretrain") == before and fingerprint("finetune") != later
    document["pretrain"]["tune"] = 9
    write_params(document)
    assert fingerprint("pretrain") != before


def test_an_unknown_cell_is_named(small_project: Path) -> None:
    with pytest.raises(ParamsError, match=r"no cell 'p-nothing' with a stage pretrain; near it are p-"):
        pretrain.main("p-nothing")
