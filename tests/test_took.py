"""What a run costs, said beforehand, and what it took, said at the end."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main as cli
from pipeline.commands import costs, took
from pipeline.config import params as parameters
from tests.conftest import ROOT, in_a_project

CONFIG = parameters.load(ROOT / "params.yaml")


def test_costs_count_networks_and_follow_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no splits here
    monkeypatch.setattr("pipeline.running.cores.granted", lambda: 1)
    line = costs.lines(CONFIG, ["sbu"])[0]
    cells = [cell for cell in CONFIG.every.values() if cell.group == "sbu"]
    total = sum(5 * len(CONFIG.params.seeds[cell.seeds]) for cell in cells)
    assert line.startswith(f"sbu: {len(cells)} cells, {total} networks: about {total * 52 / 3600:.0f} h here")
    assert "how many folds is known after `split`" in costs.lines(CONFIG, ["ntu"])[0]
    split = tmp_path / "data/splits/ntu/ntu-cs.csv"
    split.parent.mkdir(parents=True)
    for name in ("ntu-cs", "ntu-cv"):
        split.with_name(f"{name}.csv").write_text("fold,name,part\n1,a,train\n1,b,test\n")
    assert "not measured yet" in costs.lines(CONFIG, ["ntu"])[0]


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
    assert found[-1].startswith("2 of ") and "were up to date or in DVC's cache" in found[-1]


def test_a_stage_that_fails_did_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no"), took.measured("split", "demo"):
        raise ValueError("no")
    assert not took.FILE.exists()


@pytest.mark.parametrize("command", ["costs", "took"])
def test_commands_speak(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_project(tmp_path, monkeypatch)
    found = CliRunner().invoke(cli, [command])
    assert found.exit_code == 0 and found.output.strip()
