"""Stage `resolve`: small files of what each stage reads, the same bytes every time, and what it says of a change."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.running import up_to_date
from pipeline.config import params as parameters
from pipeline.stages import resolve
from tests.conftest import ROOT, in_a_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    in_a_project(tmp_path, monkeypatch)
    return tmp_path


def replace(pattern: str, new: str) -> None:
    """Edit params.yaml as a user does."""
    path = Path("params.yaml")
    text, count = re.subn(rf"(?m){pattern}", new, path.read_text())
    assert count == 1
    path.write_text(text)


def read(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(Path("data/params", f"{name}.json").read_text())
    return found


def test_every_cell_and_data_set_has_its_files(project: Path) -> None:
    config = parameters.load()
    for name in config.every:
        stages = {path.stem for path in Path("data/params", name).iterdir()}
        assert stages in ({"pretrain", "finetune", "evaluate"}, {"finetune", "evaluate"})
    of_datasets = {name: {p.stem for p in Path("data/params", name).iterdir()} for name in ("demo", "sbu", "ntu", "ntu120")}
    assert of_datasets["demo"] == {"download", "normalize", "split", "report"}
    assert of_datasets["sbu"] == {"download", "normalize", "split"}, "no report of what is not in use"


def test_known_content(project: Path) -> None:
    document = read("sbu-paper-lstm/finetune")
    assert document["seeds"] == [1, 2, 3, 4, 5] and document["method"] == {"spatial": False, "temporal": False, "staged": False}
    assert document["params"] == {
        "model": {
            **{"hidden": 100, "layers": 3, "dropout": 0.5, "dropout_per": "frame", "dropout_after": "each"},
            **{"score_norm": "frames", "init": "default_orthogonal"},
        },
        "objective": {"lambda3": 1e-05, "l1_reduce": "sum"},
        "training": {
            **{"unit": "epochs", "batch": 16, "pool": 16, "learning_rate": 0.003, "schedule": "cosine", "clip_norm": 1.0},
            **{"fit": "train_and_validation", "select": "last"},
        },
        "finetune": {"main": 60, "joint": 40},
    }
    assert read("sbu-tuned-sta-lstm/evaluate")["params"]["evaluate"] == {"views": 4, "time_bins": 20}  # type: ignore[index]
    stores = read("sbu/normalize")["stores"]
    assert list(stores) == ["sbu", "sbu-file-order", "sbu-unsmoothed", "sbu-uncentred", "sbu-centred-once"]  # type: ignore[call-overload]


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_same_bytes_whatever_the_order_of_sets(project: Path, seed: str) -> None:
    before = {path: path.read_bytes() for path in Path("data/params").rglob("*") if path.is_file()}
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "pipeline", "resolve"], env=environment, check=True, capture_output=True)
    assert {path: path.read_bytes() for path in Path("data/params").rglob("*") if path.is_file()} == before


def test_it_names_who_reads_something_else(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(r"^    objective: \{lambda1: 0.0, lambda2: 0.03,", "    objective: {lambda1: 0.0, lambda2: 0.04,")  # of recipe demo
    resolve.main()
    told = capsys.readouterr().out
    assert told.startswith("params.yaml: read otherwise than before by demo-sbu-ta-lstm, demo-sbu-sta-lstm, demo-ntu-cs-sta-lstm")
    assert "demo-sbu-lstm" not in told, "it has no temporal attention"


def test_a_knob_that_turns_nothing_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(r"^  learning_rate: 0\.003 ", "  learning_rate: 0.001 ")  # recipe demo has its own
    resolve.main()
    assert capsys.readouterr().out == (
        "params.yaml: nothing in use reads what changed (a recipe sets it, no method here has a use for it, or it is a comment);"
        " shown in the report of demo\n"
    )


def test_the_first_time_and_a_time_without_a_change_say_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    resolve.main()
    assert capsys.readouterr().out == "params.yaml: nothing changed\n"
    shutil.rmtree("data/params")
    Path("data/params").mkdir()  # as DVC may make it
    resolve.main()
    assert capsys.readouterr().out == "params.yaml: what each stage reads of it is written to data/params\n"
    replace(r"^# Every parameter that affects", "# Each parameter that affects")
    resolve.main()
    assert capsys.readouterr().out.startswith("params.yaml: nothing in use reads what changed (")


def test_a_command_that_resolves_first_has_its_output_to_itself(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(r"^# Every parameter that affects", "# Each parameter that affects")
    capsys.readouterr()
    up_to_date()
    told = capsys.readouterr()
    assert (told.out, told.err[:35]) == ("", "params.yaml: nothing in use reads w")
    up_to_date()
    assert capsys.readouterr() == ("", "")


def test_use_of_another_data_set_leaves_the_report_of_this_one(project: Path) -> None:
    """Case D11: the report of the demo depends on nothing that SBU's groups bring."""
    before = Path("data/params/demo/report.json").read_bytes()
    own = "use: {groups: [demo, sbu, sbu-switches], datasets: {demo: pipeline/datasets, sbu: pipeline/datasets/sbu}}"
    replace(r"^use: .*$", own)
    resolve.main()
    assert Path("data/params/demo/report.json").read_bytes() == before
    assert read("sbu/report")


@pytest.mark.parametrize(("dataset", "subjects"), [("florence3d", ["florence3d"]), ("demo", None)])
def test_a_report_knows_the_unit_of_its_intervals(project: Path, dataset: str, subjects: list[str] | None) -> None:
    """The subject where folds leave one subject out; nothing else of what the answers read."""
    replace(r"^use: .*$", f"use: {{groups: [{dataset}], datasets: {{{dataset}: pipeline/datasets/{dataset}}}}}")
    resolve.main()
    own = json.loads(Path(f"data/params/{dataset}/report.json").read_text())["params"]
    assert own.get("answer", {}).get("subjects") == subjects
    assert [parameters.load().unit(name) for name in ("sbu", "florence3d")] == ["sequence", "subject"]
