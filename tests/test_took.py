"""What a run costs, said beforehand, and what it took, said at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main as cli
from pipeline.commands import costs, took
from pipeline.config import params as parameters
from pipeline.config.sections import GridCell
from tests.conftest import ROOT, in_a_project

CONFIG = parameters.load(ROOT / "params.yaml")


@pytest.fixture
def one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without splits, with committed runs of cells that were recorded whole and of one of which a single run was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.running.cores.granted", lambda: 1)
    table = tmp_path / "reports/runs/sbu.csv"
    table.parent.mkdir(parents=True)
    rows = [f"sbu-paper-lstm,{fold},{seed},cell" for fold in range(1, 6) for seed in (1, 2)]
    table.write_text("\n".join(["cell,fold,seed,evidence", *rows, "sbu-paper-velocity,6,1,run"]) + "\n")
    return tmp_path


def test_costs_count_networks_and_follow_the_cores(one_core: Path) -> None:
    """Folds are those of the committed runs until there is a split."""
    cells = [cell for cell in CONFIG.every.values() if cell.group == "sbu"]
    for folds in (5, 3):
        total = sum(folds * len(CONFIG.params.seeds[cell.seeds]) for cell in cells)
        line = costs.lines(CONFIG, ["sbu"])[0]
        assert line == (
            f"sbu: {len(cells)} cells, {total} networks: about {total * 52 / 3600:.0f} h here if nothing is cached"
            " (690 networks in 5 h on 2 cores of an AMD EPYC)"
        )
        split = one_core / "data/splits/sbu/sbu.csv"
        split.parent.mkdir(parents=True, exist_ok=True)
        split.write_text("fold,name,part\n1,a,train\n2,b,test\n3,c,test\n")


def test_costs_of_a_cell_that_was_measured_alone_are_those(one_core: Path) -> None:
    (one_core / "reports/costs.csv").write_text(
        "protocol,recipe,method,numbers,train_s,infer_ms,core\n"
        + "".join(f"sbu,paper,{cell.method},1,{60 * n},1,Abacus\n" for n, cell in enumerate(classic(), 1))
    )
    seeds = [len(CONFIG.params.seeds[cell.seeds]) for cell in classic()]
    minutes = sum(5 * count * n for n, count in enumerate(seeds, 1))
    assert costs.lines(CONFIG, ["sbu-classic"])[0].endswith(
        f"{5 * sum(seeds)} networks: about {minutes / 60:.0f} h here if nothing is cached"
        " (reports/costs.csv: training alone, on one core of an Abacus)"
    )


def classic() -> list[GridCell]:
    return [cell for cell in CONFIG.every.values() if cell.group == "sbu-classic"]


def test_costs_say_what_is_not_known(one_core: Path) -> None:
    unknown = "ntu: 8 cells; how many folds is known after `split`, and no time is known; docs/scale.md has estimates"
    assert costs.lines(CONFIG, ["ntu"])[0] == unknown
    split = one_core / "data/splits/ntu/ntu-cs.csv"
    split.parent.mkdir(parents=True)
    for name in ("ntu-cs", "ntu-cv"):
        split.with_name(f"{name}.csv").write_text("fold,name,part\n1,a,train\n1,b,test\n")
    told = "ntu: 8 cells, 8 networks; no time is known: 8 of these cells were not measured; docs/scale.md has estimates"
    assert costs.lines(CONFIG, ["ntu"])[0] == told


def test_costs_in_a_clone_have_a_number_for_what_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for group, networks in (("demo", 31), ("sbu", 300), ("florence3d", 400)):
        assert f" cells, {networks} networks" in costs.lines(CONFIG, [group])[0]


@pytest.mark.parametrize("groups", [["sbuu"], ["demo", "sbuu"]])
def test_costs_of_a_group_that_is_none_are_an_error(groups: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_project(tmp_path, monkeypatch)
    found = CliRunner().invoke(cli, ["costs", *groups])
    assert found.exit_code == 2
    assert found.output.startswith("error: params.yaml: no group of cells sbuu; did you mean sbu? there are demo, demo-tuned, ")


def test_stages_that_ran_are_listed_longest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_project(tmp_path, monkeypatch)
    with took.measured("split", "demo"):
        time.sleep(0.01)
    [row] = [json.loads(line) for line in took.FILE.read_text().splitlines()]
    assert 0.01 <= row["seconds"] < 60 and row["megabytes"] > 10
    rows = [
        {"stage": "normalize", "target": "demo", "ended": 50.0, "seconds": 200.0, "megabytes": None},
        {"stage": "report", "target": "demo", "ended": 60.0, "seconds": 3.04, "megabytes": 1234.5},
        {"stage": "download", "target": "demo", "ended": 10.0, "seconds": 9.0, "megabytes": 1.0},
    ]
    took.FILE.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"cut')
    found = took.lines(CONFIG, since=20)
    assert [line.split()[0] for line in found[1:3]] == ["normalize", "report"]
    assert "3 min 20 s" in found[1] and found[1].endswith("not known") and found[2].endswith("1,234 MB")
    every = len(list(took._stages(CONFIG)))
    Path("data/raw/demo").mkdir(parents=True)  # of a download before
    told = f"2 of {every} stages ran, 3 min 23 s; 2 were up to date or in DVC's cache; {every - 4} have not run yet: `dvc repro`"
    assert took.lines(CONFIG, since=20)[-1] == told


def test_where_nothing_was_run_nothing_is_said_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh clone, and the same with what all stages leave."""
    monkeypatch.chdir(tmp_path)
    stages = list(took._stages(CONFIG))
    told = f"none of {len(stages)} stages ran; "
    assert took.lines(CONFIG, 0) == [f"{told}{len(stages)} have not run yet: `dvc repro`"]
    for key in stages:
        took._output(CONFIG, *key).mkdir(parents=True, exist_ok=True)
    assert took.lines(CONFIG, 0) == [f"{told}{len(stages)} were up to date or in DVC's cache"]


def test_a_stage_that_fails_did_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no"), took.measured("split", "demo"):
        raise ValueError("no")
    assert not took.FILE.exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_make_repro_keeps_its_beginning_while_another_is_refused(tmp_path: Path) -> None:
    """Programs in place of those that make calls: a clock that ticks, a dvc during which a second `make repro` is tried."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    programs = {
        "date": "echo x >> ticks; wc -l < ticks",
        "python": 'echo "$3 $5" >> called',
        "dvc": "[ ! -e busy ] || exit 1; touch busy; make repro; :",
    }
    folder = tmp_path / ".venv/bin"
    folder.mkdir(parents=True)
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt", ".venv/.ready"):
        (tmp_path / name).touch()
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS")}
    subprocess.run(["make", "repro"], cwd=tmp_path, env=environment, capture_output=True, check=True)
    called = [line.split() for line in (tmp_path / "called").read_text().splitlines()]
    assert called == [["mend"], ["costs"], ["mend"], ["costs"], ["took", "1"], ["track"], ["where"]]
    assert (tmp_path / "ticks").read_text() == "x\nx\n"


@pytest.mark.parametrize("command", ["costs", "took"])
def test_commands_speak(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_project(tmp_path, monkeypatch)
    found = CliRunner().invoke(cli, [command])
    assert found.exit_code == 0 and found.output.strip()
