"""Command `trace`: everything that is recorded of a cell's results, from the files that record it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from pipeline import tracking
from pipeline.commands import trace
from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.files import write_digest
from pipeline.stages import evaluate, finetune
from tests.conftest import write_params

CELL = "p-lstm"
LOCK = Path("cells/p", CELL, "dvc.lock")


@pytest.fixture
def trained(small_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cell without pretraining, trained, evaluated and committed with a lock."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for stage in (finetune, evaluate):
        stage.main(CELL)
    out = {"path": f"data/results/demo/{CELL}/evaluate", "md5": "e" * 32 + ".dir"}
    store = {"path": "data/skeletons/demo/sbu", "md5": "a" * 32 + ".dir"}
    core = {"path": "pipeline/core", "md5": "c" * 32 + ".dir"}
    LOCK.parent.mkdir(parents=True)
    LOCK.write_text(yaml.safe_dump({"schema": "2.0", "stages": {"evaluate": {"deps": [store, core], "outs": [out]}}}))
    return small_project


def git(*arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def lines(root: Path) -> list[str]:
    return list(trace.main(root, CELL, lambda _root, fingerprint: f"run of {fingerprint}"))


def test_all_that_is_recorded(trained: Path) -> None:
    git("init", "-q")
    git("add", str(LOCK))
    git("commit", "-qm", "Results of a cell")
    Path("other").touch()
    git("add", "other")
    git("commit", "-qm", "Something else")
    found = lines(trained)
    run = json.loads(Path(f"data/results/demo/{CELL}/run.json").read_text())
    metrics = json.loads(Path(f"data/results/demo/{CELL}/evaluate/metrics.json").read_text())
    right = {fold: [r["correct"] for r in metrics["runs"] if r["fold"] == fold] for fold in (1, 2)}
    mean = 50 * sum(right[1]) / (2 * 6) + 50 * sum(right[2]) / (2 * 12)
    own = run["fingerprint"]["finetune"]
    assert found[:2] == [
        f"{CELL}: protocol p, recipe paper, method lstm, data set demo",
        f"accuracy: {mean:.2f} %, mean of 2 folds; {metrics['accuracy']:.2f} % of {2 * (6 + 12)} predictions together",
    ]
    assert found[2].startswith(f"commit: {git('rev-parse', 'HEAD~1')} ") and found[2].endswith(" Results of a cell")
    assert f"data: store_sha256 {run['data']['store_sha256']}" in found
    assert f"data: data/skeletons/demo/sbu md5 {'a' * 32}.dir" in found
    assert f"code: pipeline/core md5 {'c' * 32}.dir" in found
    assert f"fingerprint of finetune: {own}, as on disk" in found
    assert any(line.startswith("libraries: ") and f"torch {torch.__version__}" in line for line in found)
    assert f"MLflow: run of {own}" in found
    assert "parameter: model.hidden = 8  [re-implementation]" not in found  # a file without comments
    assert "parameter: model.hidden = 8" in found
    assert found[-1] == f"again: python -m pipeline use p && dvc repro cells/p/{CELL}/dvc.yaml"


def test_what_a_recipe_sets_has_not_the_provenance_of_the_value_below_it(trained: Path) -> None:
    text = Path("params.yaml").read_text().replace("hidden: 8", "hidden: 8  # [paper] units", 1)
    Path("params.yaml").write_text(text)
    assert "parameter: model.hidden = 8  [paper] units" in lines(trained)
    document = parameters.read()
    document["recipes"]["paper"] = {"model": {"hidden": 8}}
    text = text.replace("recipes:\n  paper: {}", "recipes:\n  paper:\n    model: {hidden: 8}")
    assert parameters.parse(text)["recipes"]["paper"] == {"model": {"hidden": 8}}
    Path("params.yaml").write_text(text)
    assert "parameter: model.hidden = 8 (recipe paper)  [ours] what recipe paper sets" in lines(trained)


def test_what_changed_since_and_what_is_not_known(trained: Path) -> None:
    document = parameters.read()
    document["finetune"] |= {"joint": 2}
    write_params(document)
    Path(f".work/made/{CELL}/finetune.json").unlink()
    LOCK.write_text("cut")
    found = lines(trained)
    now = cells.fingerprint(cells.load(CELL, "finetune"), "finetune")
    assert any(line.endswith(f"on disk it is {now}: parameters, data or code changed since") for line in found)
    assert "commit: no commit has these results in its lock" in found
    assert any(line.startswith("machine: not noted here") for line in found)
    assert tracking.run_of(trained, now) == f"no run ({trained}/mlflow.db is made when something is tracked)"
    assert not (trained / "mlflow.db").exists()


def test_a_clone_without_results_tells_what_the_repository_has(trained: Path) -> None:
    """Of the committed predictions: fold 1 all right, fold 2 half."""
    rows = [(CELL, fold, 1, f"c{fold}{i}", 1, 1 if fold == 1 or i else 2) for fold in (1, 2) for i in (0, 1)]
    Path("reports/baseline").mkdir(parents=True)
    columns = ["cell", "fold", "seed", "name", "label", "predicted"]
    pd.DataFrame(rows, columns=columns).to_csv("reports/baseline/demo.csv.gz", index=False)
    write_digest(Path("reports/baseline/demo.csv.gz"))
    here = [line for line in lines(trained) if line.startswith("parameter: ")]
    Path(f"data/results/demo/{CELL}/run.json").unlink()
    found = lines(trained)
    assert found[0].endswith("data set demo; its results are not on disk, and this is what the repository has of them")
    assert found[1] == "accuracy: 75.00 %, mean of 2 folds; 4 predictions in reports/baseline/demo.csv.gz"
    assert f"data: data/skeletons/demo/sbu md5 {'a' * 32}.dir" in found
    assert "parameters: as params.yaml has them now, NOT those in the lock" in found  # whose hashes are made up
    assert {line for line in here if "methods." not in line} <= set(found)
    assert found[-1] == f"again: python -m pipeline use p && dvc repro cells/p/{CELL}/dvc.yaml"


def test_no_such_cell_no_results_and_cut_ones(trained: Path) -> None:
    with pytest.raises(ParamsError, match="the grid has no cell 'x'"):
        list(trace.main(trained, "x", lambda *_: ""))
    Path(f"data/results/demo/{CELL}/run.json").write_text("{}")
    with pytest.raises(ResultsMissing, match=r"run\.json: has no data, dataset, fingerprint"):
        lines(trained)
    Path(f"data/results/demo/{CELL}/run.json").unlink()
    with pytest.raises(ResultsMissing, match=r"expected the results of p-lstm; run `dvc repro`, or `dvc pull`"):
        lines(trained)
