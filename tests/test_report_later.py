"""Later methods in the report: a table of their own, and nothing else of what is said of STA-LSTM changes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config import params
from pipeline.core.errors import ParamsError
from pipeline.report import earlier, text
from pipeline.stages import report
from tests.conftest import document_of_params
from tests.report_project import LATER, Project, Right

REPORT = Path("reports/toy")


def first(wrong: int) -> Right:
    """Wrong on this many sequences of a fold, with every seed."""
    return lambda _name, place, _seed: place >= wrong


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(REPORT / "tables" / f"{name}.csv", keep_default_na=False)


def page() -> str:
    return (REPORT / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")


def answers() -> str:
    return page().split("\n## Methods of the paper")[0]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """As of a real data set: two folds of 30 sequences; LSTM 80 %, STA-LSTM 90 %, HBRNN 50 % and SGN 100 %."""
    found = Project(tmp_path, protocol="sbu", tests=30).prepare().install(monkeypatch, synthetic=False)
    for name, wrong in {"lstm": 6, "sta-lstm": 3, "hbrnn": 15, "sgn": 0}.items():
        found.cell(name, first(wrong))
    return found


def test_a_row_a_later_method_with_sta_lstm_minus_it(project: Project) -> None:
    report.main("toy")
    row = table("later-sbu").iloc[0]
    assert (row["recipe"], row["method"], float(row["mean"]), float(row["sta_points"])) == ("paper", "sgn", 100.0, -10.0)
    assert float(row["sta_p"]) == float(row["sta_p_holm"]) < 0.05  # alone in its family
    section = page().split("\n## Later methods")[1].split("\n## ")[0]
    assert "of no answer" in section and "| SGN (Zhang et al.) | 100.00" in section


def test_a_method_that_is_better_and_later_changes_no_answer(project: Project) -> None:
    project.cell("hcn", first(0))
    report.main("toy")
    with_them, said, verdicts = answers(), (REPORT / "tables" / "answers.csv").read_text(), table("answers")
    assert set(verdicts.loc[verdicts["question"] == "RQ4", "verdict"]) == {earlier.ALL}
    assert "SGN" not in with_them and "HCN" not in with_them
    for name in ("earlier-sbu", "comparison-sbu", "ablation-sbu", "headline"):
        assert not set(LATER) & set(table(name)["method"]), name
    pictures = {path.name: path.read_text() for path in (REPORT / "figures").iterdir()}
    assert set(table("later-sbu")["method"]) == set(LATER)
    project.cells = {name: line for name, line in project.cells.items() if name.removeprefix("toy-") not in LATER}
    project.write_params()
    report.main("toy")
    assert answers() == with_them and (REPORT / "tables" / "answers.csv").read_text() == said
    assert {path.name: path.read_text() for path in (REPORT / "figures").iterdir()} == pictures
    assert not (REPORT / "tables" / "later-sbu.csv").exists() and "Later methods" not in page()


def test_metrics_have_them(project: Project) -> None:
    report.main("toy")
    assert json.loads((REPORT / "metrics.json").read_text())["sbu"]["paper"]["sgn"]["accuracy"]["mean"] == 100.0


def test_later_methods_alone(project: Project) -> None:
    project.cells = {"toy-sgn": project.cells["toy-sgn"]}
    project.write_params()
    report.main("toy")
    row = table("later-sbu").iloc[0]
    assert (float(row["mean"]), row["sta_points"], row["sta_p_holm"]) == (100.0, "", "")
    answered = table("answers")
    assert set(answered["verdict"]) == {text.NOT_RUN}


def test_a_method_is_not_both() -> None:
    document = document_of_params()
    document["methods"]["sgn"]["earlier"] = True
    with pytest.raises(ParamsError, match="`earlier` and `later`"):
        params.build(document)
