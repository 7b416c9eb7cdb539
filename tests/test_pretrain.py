"""Stage `pretrain` on a small project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from pipeline import cells
from pipeline.errors import ParamsError
from pipeline.stages import pretrain

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
def test_methods_without_staged_training_leave_an_empty_history(small_project: Path, method: str) -> None:
    pretrain.main(f"p-{method}")
    folder = RUNS / f"p-{method}" / "pretrain"
    assert [p.name for p in folder.rglob("*")] == ["history.csv"]
    assert len(pd.read_csv(folder / "history.csv")) == 0


def test_the_result_does_not_depend_on_what_is_trained_later(small_project: Path) -> None:
    before = cells.fingerprint(cells.load("p-sta-lstm"), "pretrain")
    document = yaml.safe_load(Path("params.yaml").read_text())
    document["finetune"]["joint"] = 9
    Path("params.yaml").write_text(yaml.safe_dump(document))
    assert cells.fingerprint(cells.load("p-sta-lstm"), "pretrain") == before
    document["pretrain"]["tune"] = 9
    Path("params.yaml").write_text(yaml.safe_dump(document))
    assert cells.fingerprint(cells.load("p-sta-lstm"), "pretrain") != before


def test_an_unknown_cell_is_named(small_project: Path) -> None:
    with pytest.raises(ParamsError, match=r"no 'p-nothing'; it has .*p-lstm"):
        pretrain.main("p-nothing")
