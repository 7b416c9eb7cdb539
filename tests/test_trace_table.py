"""Command `trace` of a table: which cells a row rests on, and what makes it again; on the committed reports of this project."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main as cli
from pipeline.commands import trace_table
from pipeline.core.errors import PipelineError
from tests.conftest import ROOT

HEADLINE = Path("reports/demo/tables/headline.csv")
EFFECTS = Path("reports/answers/tables/effects.csv")


def cells(path: Path, row: int | None = None) -> list[str]:
    lines = trace_table.main(ROOT, path, row)
    return [line.split()[1].rstrip(",") for line in lines if line.startswith("cell: ")]


def row_with(path: Path, **values: str) -> int:
    with (ROOT / path).open(encoding="utf-8", newline="") as file:
        return next(i for i, row in enumerate(csv.DictReader(file), 1) if values.items() <= row.items())


def test_a_number_of_one_method_rests_on_its_cell() -> None:
    number = row_with(HEADLINE, protocol="demo-sbu", method="sta-lstm")
    lines = list(trace_table.main(ROOT, HEADLINE, number))
    assert lines[0] == "reports/demo/tables/headline.csv: 6 rows, made from data/results/demo"
    assert lines[2].startswith(f"row {number}: protocol demo-sbu, recipe demo, method sta-lstm, mean ")
    assert lines[3:] == [
        "cell: demo-sbu-sta-lstm, lock cells/demo/demo-sbu-sta-lstm/dvc.lock",
        "again: dvc repro report@demo",
        "more of a cell: python -m pipeline trace demo-sbu-sta-lstm",
    ]


def test_an_effect_rests_on_the_methods_that_it_compares() -> None:
    four = [f"nw-ucla-xview-{recipe}-{method}lstm" for recipe in ("paper", "tuned") for method in ("", "sa-", "ta-", "sta-")]
    row = row_with(EFFECTS, protocol="nw-ucla-xview", effect="temporal attention, main effect")
    assert sorted(cells(EFFECTS, row)) == sorted(four)
    row = row_with(EFFECTS, protocol="nw-ucla-xview", effect="both attentions: STA-LSTM \N{MINUS SIGN} LSTM")
    assert sorted(cells(EFFECTS, row)) == sorted(name for name in four if "-sa-" not in name and "-ta-" not in name)
    row = row_with(EFFECTS, protocol="sbu", effect="the stages of training: STA-LSTM with \N{MINUS SIGN} without")
    assert {name.rpartition("-")[2] for name in cells(EFFECTS, row)} == {"lstm", "scratch"}


def test_a_file_that_is_named_after_a_protocol_rests_on_its_cells() -> None:
    assert cells(Path("reports/demo/tables/classes-demo-ntu-cv.csv")) == ["demo-ntu-cv-lstm", "demo-ntu-cv-sta-lstm"]


def test_a_row_that_names_its_cell() -> None:
    runs = Path("reports/demo/tables/runs.csv")
    assert cells(runs, row_with(runs, cell="demo-sbu-ta-lstm")) == ["demo-sbu-ta-lstm"]


@pytest.mark.parametrize(
    "path", ["README.csv", "reports/demo/tables/none.csv", "../reports/demo/tables/x.csv", "reports/costs.csv"]
)
def test_what_is_no_table_of_a_report(path: str) -> None:
    with pytest.raises(PipelineError, match=r"expected a table reports/<data set, or answers>/tables/<name>\.csv"):
        cells(Path(path))


def test_a_row_that_is_not_there() -> None:
    with pytest.raises(PipelineError, match="no row 99; it has 1 to 6"):
        cells(HEADLINE, 99)


def test_without_git_the_rest_is_told(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "reports/demo/tables", tmp_path / "reports/demo/tables")
    lines = list(trace_table.main(tmp_path, HEADLINE, 1))
    assert lines[1] == "commit: not known, this is no git repository"
    assert lines[-2] == "again: dvc repro report@demo"


def test_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "docs")
    run = CliRunner().invoke(cli, ["trace", f"../{HEADLINE}", "--row", "1"])
    assert run.exit_code == 0
    assert "again: dvc repro report@demo" in run.output
    assert CliRunner().invoke(cli, ["trace", "demo-sbu-lstm", "--row", "1"]).exit_code == 2
