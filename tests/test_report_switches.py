"""The switch table and the record of the search, on results small enough to compute by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.config import params as parameters
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.report import switches
from pipeline.stages import report
from tests.report_project import Project

REPORT = Path("reports/toy")
RECIPES = ["plain: {model: {alpha_scale: one}}", "peers: {training: {select: test}, model: {score_norm: none}}"]


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(REPORT / "tables" / f"{name}.csv", keep_default_na=False)


def section(title: str) -> str:
    parts = (REPORT / "report.md").read_text().split("\n## ")
    return next(part for part in parts if part.startswith(title))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """STA-LSTM right everywhere, and three switches of it: plain alpha (half right), another store, the practice of peers."""
    found = Project(tmp_path, tests=30, recipes=RECIPES).prepare().install(monkeypatch)
    found.cell("lstm", lambda _n, place, _s: place > 9)
    found.cell("sta-lstm", lambda _n, place, _s: place > 2)
    found.cell("sta-lstm", lambda _n, place, _s: place > 17, recipe="plain", switch_of="sta-lstm", few=True, dead=True)
    found.cell("sta-lstm", lambda _n, place, _s: place > 3, key="turned", store="sbu-turned", switch_of="sta-lstm")
    found.cell("sta-lstm", lambda _n, _p, _s: True, recipe="peers", switch_of="sta-lstm")
    return found


def test_switch_says_what_differs_in_parameters_and_store(project: Project) -> None:
    report.main("toy")
    rows = table("switches-toy-sbu").set_index("cell")
    assert rows["what"].tolist() == [
        "nothing: STA-LSTM, recipe paper",
        "`normalize.sbu.order`: left_first \N{RIGHTWARDS ARROW} file",
        "`model.alpha_scale`: joints \N{RIGHTWARDS ARROW} one",
        "`model.score_norm`: frames \N{RIGHTWARDS ARROW} none; `training.select`: last \N{RIGHTWARDS ARROW} test"
        " (NOT COMPARABLE: chosen by test data)",
    ]
    assert rows["switch_of"].tolist() == ["", *["toy-sta-lstm"] * 3]


def test_differences_take_all_seeds_and_are_adjusted_together(project: Project) -> None:
    report.main("toy")
    rows = table("switches-toy-sbu").set_index("cell")
    plain = rows.loc["toy-plain-sta-lstm"]
    assert (float(plain["mean"]), int(plain["runs"]), float(plain["points"])) == (40.0, 1, -50.0)
    assert float(plain["p_holm"]) == pytest.approx(min(1, 3 * float(plain["p"])), abs=1e-4)
    assert [float(v) for v in rows.loc["toy-turned", ["points", "worse", "better"]]] == [-3.3333, 2.0, 0.0]
    # one of 30 in each of two folds: fewer than five sequences, so that two more of 100 points are added
    error = np.sqrt(2 * np.var([1.0] + [0.0] * 29, ddof=1) / 30 / 4 + 2 / 60**2)
    p = 2 * stats.t.sf(1 / 30 / error, 58)  # the greatest p of the three stays as it is
    assert [float(rows.loc["toy-turned", key]) for key in ("p", "p_holm")] == pytest.approx([p, p], abs=1e-4)
    assert (float(plain["dead"]), float(rows.loc["toy-turned", "dead"]), int(plain["networks"])) == (100.0, 0.0, 2)


def test_established_switches_are_listed_and_those_chosen_by_test_data_never(project: Project) -> None:
    report.main("toy")
    text = section("One thing switched at a time")
    arrow = "\N{RIGHTWARDS ARROW}"
    sentence = (
        f"of 2 switches that can be compared, 1 established: model.alpha_scale: joints {arrow} one (\N{MINUS SIGN}50.00 points)."
    )
    assert f"toy-sbu: {sentence}" in text
    assert table("switches-toy-sbu")["established"].tolist() == [False, False, True, False]
    assert table("switches-toy-sbu")["comparable"].tolist() == [True, True, True, False]
    assert "NOT COMPARABLE: chosen by test data" in text
    assert "to choose an epoch, or a method to show, but for the switches that are marked so." in section("How these numbers")


def test_switches_stand_in_no_other_table_answer_or_picture(project: Project) -> None:
    report.main("toy")
    with_switches = {path: path.read_text() for path in sorted((REPORT / "tables").glob("*.csv"))}
    figures = {path.name for path in (REPORT / "figures").iterdir()}
    kept = {name: line for name, line in project.cells.items() if "switch_of" not in line}
    project.cells = kept
    project.write_params()
    report.main("toy")
    without = {path: path.read_text() for path in sorted((REPORT / "tables").glob("*.csv"))}
    changed = {path.stem for path in with_switches if with_switches[path] != without.get(path)}
    assert changed == {"switches-toy-sbu", "runs", "ledger"}  # the ledger: the variant's own parameter
    assert figures - {path.name for path in (REPORT / "figures").iterdir()} == {"switches-toy-sbu.svg"}
    assert "What the gap to the paper" not in (REPORT / "report.md").read_text()


def test_metrics_have_switches_apart(project: Project) -> None:
    report.main("toy")
    found = json.loads((REPORT / "metrics.json").read_text())["toy-sbu"]
    assert sorted(found) == ["paper", "switches"] and sorted(found["paper"]) == ["lstm", "sta-lstm"]
    peers = found["switches"]["toy-peers-sta-lstm"]
    assert (peers["accuracy"]["mean"], peers["comparable"]) == (100.0, False)
    assert found["switches"]["toy-turned"]["comparable"] is True


def test_peers_number_is_not_established_however_large(project: Project) -> None:
    project.cell("sta-lstm", lambda _n, place, _s: place > 17)
    report.main("toy")
    peers = table("switches-toy-sbu").set_index("cell").loc["toy-peers-sta-lstm"]
    assert float(peers["p_holm"]) < 0.001 and float(peers["low"]) > 0 and not peers["established"]


def test_recipe_that_chooses_by_test_data_is_for_switches_alone(project: Project) -> None:
    with pytest.raises(ParamsError, match="its recipe 'peers' chooses by test data; only a cell with `switch_of` may do so"):
        project.cell("lstm", lambda _n, _p, _s: True, recipe="peers")
    project.cells["toy-peers-lstm"] = project.cells["toy-peers-lstm"].replace("methods", "switch_of: toy-lstm, methods")
    project.write_params()
    report.main("toy")


def test_figure_is_sorted_and_described(project: Project) -> None:
    report.main("toy")
    alt = next(line for line in section("One thing switched").splitlines() if line.startswith("!"))
    order = [alt.index(word) for word in ("alpha_scale", "normalize.sbu.order", "score_norm")]
    assert order == sorted(order) and "established after adjustment" in alt
    svg = (REPORT / "figures" / "switches-toy-sbu.svg").read_text()
    assert "model.alpha_scale: joints" in svg and "NOT COMPARABLE" in svg


def test_labels_of_the_figure_lie_between_their_intervals(project: Project) -> None:
    """One has many lines and stands below others: they must end below the interval that follows."""
    recipe = "many: {augment: {mirror: 0.5, turn: 0.5, yaw: 0.3, scale: 0.1, window: 0.8, noise: 0.02}}"
    project.recipes.append(recipe)
    project.cell("sta-lstm", lambda _n, place, _s: place > 5, recipe="many", switch_of="sta-lstm")
    report.main("toy")
    svg = (REPORT / "figures" / "switches-toy-sbu.svg").read_text()
    found = re.findall(r"(?:translate|rotate)\([^)]* ([\d.]+)\)\">[^<]*\N{RIGHTWARDS ARROW}[^<]*<", svg)
    heights = sorted(float(height) for height in found)
    assert len(heights) == 10 and min(np.diff(heights)) > 8  # a line is 9 high


def test_variants_in_use_are_named_below_the_repairs_of_the_plain_store(project: Project) -> None:
    report.main("toy")
    assert set(table("repairs")["store"]) == {"sbu"}
    assert "variants of a store, with one step changed: sbu-turned (order: file)." in section("Data")
    assert "normalize.variants.toy.sbu-turned.order" in table("ledger")["parameter"].tolist()
    assert not [key for key in table("ledger")["parameter"] if key.startswith("normalize.variants.sbu")]


def test_settings_of_a_method_without_regularisers(project: Project) -> None:
    project.cell("sta-lstm-noreg", lambda _n, _p, _s: True)
    found = switches.settings(parameters.load(), "toy-sta-lstm-noreg")
    assert (found["objective.lambda1"], found["method.regularised"], found["normalize.sbu.order"]) == (0.0, False, "left_first")


SEARCH: dict[str, Any] = {
    "protocol": "toy-sbu",
    "seeds": [11, 12],
    "budget": {"networks": 40, "core_minutes": 12.4},
    "rule": "The candidate with the best mean is chosen.",
    "folds": [1, 2],
    "candidates": [
        {
            "name": "start",
            "round": 1,
            "method": "sta-lstm",
            "changes": {},
            "inner": {"1": 80.0, "2": 90},
            "mean": 85.0,
            "sd_seeds": 1.5,
        },
        {
            "name": "mirrored",
            "round": 2,
            "method": "sta-lstm",
            "changes": {"augment.mirror": 0.5, "training.fit": "train"},
            "inner": {"1": 90.0, "2": 88.0},
            "mean": 89.0,
            "sd_seeds": None,
        },
    ],
    "chosen": {"1": "mirrored", "2": "start"},
    "frozen": "mirrored",
}


def record(content: object) -> None:
    Path("reports/search").mkdir()
    Path("reports/search/toy.json").write_text(json.dumps(content))


def test_search_is_shown_with_its_rule_cost_and_choice(project: Project) -> None:
    record(SEARCH)
    report.main("toy")
    rows = table("search").set_index("candidate")
    assert rows["chosen"].tolist() == ["fold 2", "fold 1; frozen"]
    assert rows.loc["mirrored", "changes"] == "augment.mirror: 0.5; training.fit: train"
    assert [float(v) for v in rows.loc["start", ["fold 1", "fold 2", "mean", "sd_seeds"]]] == [80, 90, 85, 1.5]
    text = section("How the tuned recipe was chosen")
    assert SEARCH["rule"] in text and "2 candidates with seeds 11 and 12: 40 networks, 12 core minutes" in text
    page = (REPORT / "report.md").read_text()
    assert page.index("## Data") < page.index("## How the tuned recipe was chosen") < page.index("## Parameters")


def test_without_a_search_there_is_no_section(project: Project) -> None:
    report.main("toy")
    assert "How the tuned recipe was chosen" not in (REPORT / "report.md").read_text()


def test_record_that_cannot_be_read_is_named_with_its_format(project: Project) -> None:
    record({**SEARCH, "frozen": 3})
    with pytest.raises(ResultsMissing, match=r"search/toy\.json: frozen: .*reports/search/README\.md has the format"):
        report.main("toy")
