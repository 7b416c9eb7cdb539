"""The candidates of the searches: the lead over LSTM by hand, and what the committed records say."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from pipeline.answers import candidates
from pipeline.report import text
from pipeline.report.search import Search
from tests.conftest import ROOT

FOLDER = ROOT / "reports/searched"


def record(method: str, **means: float) -> Search:
    tried = [
        {"name": name, "round": 1, "method": "m", "changes": {}, "inner": {"1": mean}, "mean": mean, "sd_seeds": None}
        for name, mean in means.items()
    ]
    told = {
        "protocol": "p",
        "method": method,
        "seeds": [1],
        "budget": {"networks": 1, "core_minutes": 1.0},
        "rule": "r",
        "folds": [1],
    }
    return Search.model_validate({**told, "candidates": tried, "chosen": {"1": "good"}, "frozen": "good"})


FOUND = {"lstm": record("lstm", good=95.0, poor=80.0), "sta-lstm": record("sta-lstm", good=94.5, poor=86.25, other=99.0)}


def test_leads_are_by_the_accuracy_of_lstm_with_the_same_candidate() -> None:
    assert candidates.leads(FOUND) == {"sta-lstm": [(80.0, 6.25), (95.0, -0.5)]}


def test_the_figure_tells_its_ends() -> None:
    drawn = candidates.figure("sbu", candidates.leads(FOUND))
    assert drawn.alt.replace(text.MINUS, "-").endswith("STA-LSTM: +6.25 at 80.00 %, -0.50 at 95.00 %.")
    assert drawn.key == "leads-sbu" and "no test" in drawn.caption


def test_a_row_a_candidate_with_the_folds_that_chose_it() -> None:
    table = candidates.table("sbu", {"lstm": FOUND["lstm"]})
    assert table.texts() == [["1", "good", "95.00 (1)"], ["1", "poor", "80.00"]]


@pytest.mark.parametrize("method", ["lstm", "sta-lstm"])
def test_a_method_alone_has_no_figure(tmp_path: Path, method: str) -> None:
    (tmp_path / "a.json").write_text(FOUND[method].model_dump_json())
    assert [block.key for block in candidates.blocks("sbu", {method: tmp_path / "a.json"})] == ["candidates-sbu"]


def test_the_figure_has_a_point_a_candidate() -> None:
    leads = {"sa-lstm": [(80.0, 1.0), (81.0, 2.0), (82.0, 3.0)], "sta-lstm": [(80.0, 4.0), (81.0, 5.0)]}
    svg = candidates.figure("sbu", leads).svg
    points = re.findall(r"<use [^>]*?style=\"fill: (#\w+); fill-opacity: 0.8", svg)
    assert sorted(Counter(points).values()) == [2 + 1, 3 + 1]  # one more each in the legend


def test_the_committed_table_is_that_of_the_records() -> None:
    rows = pd.read_csv(ROOT / "reports/answers/tables/candidates-sbu.csv").set_index("candidate")
    for path in sorted(FOLDER.glob("sbu-*.json")):
        means = {one["name"]: one["mean"] for one in json.loads(path.read_text())["candidates"]}
        assert rows[path.stem.removeprefix("sbu-")].to_dict() == pytest.approx(means)
