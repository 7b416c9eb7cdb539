"""RQ4 on the page over all data sets: who stands beside STA-LSTM, in which order, with which verdict."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.answers import earlier
from pipeline.commands import answer
from pipeline.report import text
from tests.conftest import ROOT

CLIPS = [f"s01s02/0{action}/00{take}" for action in (1, 2, 3, 4) for take in range(1, 6)]


def predictions(cell: str, wrong: int, seeds: int = 2) -> pd.DataFrame:
    """Twenty clips in two folds, of which so many are wrong in every seed."""
    rows = [
        (cell, 1 + i % 2, seed, name, i % 4, (i + (i < wrong)) % 4)
        for seed in range(1, seeds + 1)
        for i, name in enumerate(CLIPS)
    ]
    return pd.DataFrame(rows, columns=["cell", "fold", "seed", "name", "label", "predicted"])


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Recipe `paper`: STA-LSTM has 5 of 20 wrong, a fitted method 0, a network 19, a reading 2; `tuned`: STA-LSTM has 1."""
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    (tmp_path / "reports/baseline").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    cells = {"paper-sta-lstm": 5, "paper-hbrnn": 19, "paper-dynamic-skeletons": 0, "paper-raw-skeleton-ji2014": 2}
    cells |= {"tuned-sta-lstm": 1, "paper-hcn": 0}
    found = [predictions(f"sbu-{name}", wrong) for name, wrong in cells.items()]
    pd.concat(found).to_csv("reports/baseline/sbu.csv.gz", index=False)
    answer.main()
    return pd.read_csv("reports/answers/tables/earlier.csv")


def test_order_ranks_and_verdicts(table: pd.DataFrame) -> None:
    paper = table[table["recipe"] == "paper"]
    assert paper["method"].tolist() == ["dynamic-skeletons", "raw-skeleton-ji2014", "sta-lstm", "hbrnn"]
    assert paper["rank"].fillna(0).tolist() == [1, 0, 2, 3]
    assert paper["verdict"].tolist() == ["worse", text.MISSING, text.MISSING, "better"]
    assert paper["points"].fillna(0).tolist() == [-25.0, 0, 0, 70.0]


def test_what_no_gradient_trains_stands_beside_every_recipe_and_a_network_beside_its_own(table: pd.DataFrame) -> None:
    tuned = table[table["recipe"] == "tuned"]
    assert tuned["method"].tolist() == ["dynamic-skeletons", "sta-lstm", "raw-skeleton-ji2014"]
    assert tuned["cell"].tolist() == ["sbu-paper-dynamic-skeletons", "sbu-tuned-sta-lstm", "sbu-paper-raw-skeleton-ji2014"]


def test_later_methods_are_none_of_these(table: pd.DataFrame) -> None:
    assert "hcn" not in set(table["method"])


def test_the_answer_in_words(table: pd.DataFrame) -> None:
    said = Path("reports/answers/report.md").read_text()
    assert "On sbu, recipe paper, STA-LSTM (75.00 %) is number 2 of 3; better than Hierarchical RNN" in said
    assert "worse than Dynamic skeletons" in said and "Ji et al.) (" not in said


def test_without_any_there_is_no_answer() -> None:
    assert earlier.paragraph([]) == "**RQ4.** Not run."


def test_synthetic_rows_have_a_table_of_their_own(table: pd.DataFrame) -> None:
    """Called synthetic in title, column and note, in the order of the grid, without rank; the answers stay as they were."""
    before = Path("reports/answers/report.md").read_text()
    assert "(group `demo-earlier` of params.yaml)" in before
    names = {"demo-sbu-sta-lstm": 2, "demo-sbu-lstm": 5, "demo-ntu-cs-lie-group": 1, "demo-sbu-sa-lstm": 3}
    found = [predictions(name, wrong) for name, wrong in names.items()]
    pd.concat(found).to_csv("reports/baseline/demo.csv.gz", index=False)
    answer.main()
    rows = pd.read_csv("reports/answers/tables/earlier-synthetic.csv")
    assert rows["cell"].tolist() == ["demo-sbu-lstm", "demo-sbu-sta-lstm", "demo-ntu-cs-lie-group"]
    assert rows["mean"].tolist() == [75.0, 90.0, 95.0]
    after = Path("reports/answers/report.md").read_text()
    shown = after.split("## The paper's rows on synthetic data")[1].split("## ")[0]
    assert "SYNTHETIC data" in shown and "Accuracy, SYNTHETIC (%)" in shown and "says nothing of people" in shown
    pd.testing.assert_frame_equal(pd.read_csv("reports/answers/tables/earlier.csv"), table)
