"""The two panels of the paper's rows, and our readings, which are shown and never ranked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.core.errors import ResultsMissing
from pipeline.report import panels
from pipeline.stages import report
from tests.report_project import Project, Right

REPORT = Path("reports/toy")
JI = "raw-skeleton-ji2014"


def first(wrong: int) -> Right:
    """Wrong on this many sequences of a fold, with every seed."""
    return lambda _name, place, _seed: place >= wrong


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """STA-LSTM 90 %, hierarchical RNN 50 %, our reading of Ji et al. 100 %."""
    found = Project(tmp_path, protocol="sbu", tests=30).prepare().install(monkeypatch, synthetic=False)
    for method, wrong in (("sta-lstm", 3), ("hbrnn", 15), (JI, 0)):
        found.cell(method, first(wrong))
    return found


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(REPORT / "tables" / f"{name}.csv", keep_default_na=False)


def page() -> str:
    return (REPORT / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")


def test_ranks() -> None:
    assert panels.ranks([90.0, None, 95.0, 90.0, 10.0]) == [2, None, 1, 2, 4]


def test_a_reading_is_shown_and_has_no_rank_and_no_verdict(project: Project) -> None:
    report.main("toy")
    rows = table("panel-sbu").set_index("method")
    assert rows["mean"].astype(float).to_dict() == {"hbrnn": 50, JI: 100, "sta-lstm": 90}
    assert rows["rank"].astype(str).to_dict() == {"hbrnn": "2", JI: "", "sta-lstm": "1"}
    assert rows.loc[JI, "sta_points"] == rows.loc[JI, "sta_p_holm"] == ""
    assert float(rows.loc["hbrnn", "sta_points"]) == 40 and rows.loc["hbrnn", "sta_p"] == rows.loc["hbrnn", "sta_p_holm"]
    assert table("earlier-sbu").set_index("method").loc[JI, "sta_points"] == ""
    answers = table("answers").set_index("question")["verdict"]
    assert answers["RQ4"] == "yes: better than every method re-run"  # a reading at 100 % says nothing against it
    paragraph = next(line for line in page().splitlines() if line.startswith("**RQ4."))
    assert "Poselets" not in paragraph and "Raw skeleton (Ji et al.) (" not in paragraph  # neither ranked nor missing
    assert "| Raw skeleton (Ji et al.), ours: our reading * |" in page()
    assert "Poselets on raw skeletons (our reading of Ji et al.)" in page()


def test_reported_numbers_have_a_panel_of_their_own(project: Project) -> None:
    (project.root / "reports" / "reasons.csv").write_text(
        "protocol,method,kind,text\nsbu,hbrnn,basis,windows of frames\nntu-cs,hbrnn,basis,other\n"
    )
    report.main("toy")
    rows = table("reported-sbu").set_index("method")
    assert rows["rank"].tolist() == [8, 6, 7, 4, 5, 3, 1, 2] and rows["basis"].tolist().count("") == 7
    assert rows.loc["hbrnn", "basis"] == "windows of frames"


def test_costs_stand_beside_their_cell(project: Project) -> None:
    path = project.root / "reports" / "costs.csv"
    path.write_text("protocol,recipe,method,numbers,train_s,infer_ms,core\nsbu,paper,hbrnn,1234567,8.25,0.5,made up\n")
    report.main("toy")
    row = table("panel-sbu").set_index("method").loc["hbrnn"]
    assert [float(row[key]) for key in ("numbers", "train_s", "infer_ms")] == [1234567, 8.25, 0.5]
    line = next(line for line in page().splitlines() if "1,234,567" in line)
    assert "| 2 | 1,234,567 | 8.2 | 0.50 |" in line
    path.write_text("protocol,recipe,method\n")
    with pytest.raises(ResultsMissing, match=r"costs\.csv: expected the columns .* it lacks numbers, train_s, infer_ms"):
        report.main("toy")


def test_rows_that_leave_their_report_get_a_sentence(project: Project) -> None:
    project.cell("sta-lstm", first(3), recipe="warm")
    project.cell("hbrnn", first(6), recipe="warm")  # 80 %, reported 80.35: within
    (project.root / "reports" / "reasons.csv").write_text("protocol,method,kind,text\nsbu,hbrnn,gap,a reason that was measured\n")
    report.main("toy")
    said = [line for line in page().splitlines() if "was reported" in line]
    assert said[0].startswith("Hierarchical RNN (Du et al.) has 50.00 % [")
    assert said[0].endswith(
        "on sbu, recipe paper where 80.35 was reported: training it by the recipe warm instead changes its accuracy by"
        " +30.00 points; a reason that was measured."
    )
    assert "it is our reading, another method than theirs." in said[1] and len(said) == 2


def test_without_earlier_methods_there_are_no_panels(project: Project) -> None:
    project.cells = {"toy-sta-lstm": project.cells["toy-sta-lstm"]}
    project.write_params()
    report.main("toy")
    assert not (REPORT / "tables" / "panel-sbu.csv").exists() and not (REPORT / "tables" / "reported-sbu.csv").exists()
