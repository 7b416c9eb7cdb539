"""The page over all data sets: weights that do not look, and switches with fresh seeds, from predictions with known answers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.commands import answer
from tests.test_answer import empty_project

PATH, TABLES, REPORT = (Path("reports") / name for name in ("baseline/sbu.csv.gz", "answers/tables", "answers/report.md"))
MINUS = "\N{MINUS SIGN}"
METHODS = ("lstm", "sa-lstm", "ta-lstm", "sta-lstm")
STATIC = {"sa-lstm": "static-alpha-lstm", "ta-lstm": "static-beta-lstm", "sta-lstm": "static-attention-lstm"}


@pytest.fixture
def sbu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """In an empty project: the committed predictions of SBU's four methods."""
    table = empty_project(tmp_path, monkeypatch)
    return table[table["cell"].str.fullmatch(r"sbu-(paper|tuned)-(sa-|ta-|sta-)?lstm")]


def copy(table: pd.DataFrame, cell: str, to: str, seeds: int = 0) -> pd.DataFrame:
    """The predictions of a cell under the name of another one, with seeds that many higher."""
    own = table[table["cell"] == cell]
    return own.assign(cell=to, seed=own["seed"] + seeds)


def accuracy(table: pd.DataFrame, cell: str) -> float:
    """In per cent, the mean of SBU's folds and seeds."""
    own = table[table["cell"] == cell]
    return float(100 * (own["label"] == own["predicted"]).groupby(own["fold"]).mean().mean())


def test_attention_stands_beside_weights_that_do_not_look(sbu: pd.DataFrame) -> None:
    """Weights of joints predict as SA-LSTM does, weights of moments as LSTM, both kinds are always right."""
    parts = [sbu]
    for recipe in ("paper", "tuned"):
        parts.append(copy(sbu, f"sbu-{recipe}-sa-lstm", f"sbu-{recipe}-static-alpha-lstm"))
        parts.append(copy(sbu, f"sbu-{recipe}-lstm", f"sbu-{recipe}-static-beta-lstm"))
        right = copy(sbu, f"sbu-{recipe}-sta-lstm", f"sbu-{recipe}-static-attention-lstm")
        parts.append(right.assign(predicted=right["label"]))
    parts.append(copy(sbu, "sbu-paper-sta-lstm", "sbu-paper-sta-lstm-fresh", seeds=5))  # counts as well, and changes no mean
    pd.concat(parts).to_csv(PATH, index=False)
    answer.main()
    found = pd.read_csv(TABLES / "static-sbu.csv").set_index(["effect", "recipe"])
    assert len(found) == 6 * 3  # both recipes and their mean
    effects = pd.read_csv(TABLES / "effects.csv").query("protocol == 'sbu'").set_index("effect")
    alone = found.loc[f"weights of joints {MINUS} LSTM"].loc["mean of the recipes"]
    assert alone["points"] == effects.loc[f"spatial attention alone: SA-LSTM {MINUS} LSTM", "points"]
    points = found["points"].unstack()
    assert points.loc[f"SA-LSTM {MINUS} weights of joints"].tolist() == [0, 0, 0]
    assert found.loc[f"SA-LSTM {MINUS} weights of joints"]["verdict"].tolist() == ["equivalent"] * 3
    assert points.loc[f"weights of moments {MINUS} LSTM"].tolist() == [0, 0, 0]
    paper, tuned = (accuracy(sbu, f"sbu-{recipe}-sta-lstm") - 100 for recipe in ("paper", "tuned"))
    both = points.loc[f"STA-LSTM {MINUS} weights of joints and moments"]
    seeds = found["seeds"].loc[f"STA-LSTM {MINUS} weights of joints and moments"]
    assert seeds.to_dict() == {"paper": "10 and 5 seeds", "tuned": "5 seeds", "mean of the recipes": "10 and 5 seeds"}
    expected = {"mean of the recipes": (paper + tuned) / 2, "paper": paper, "tuned": tuned}
    assert both.to_dict() == pytest.approx(expected, abs=1e-4)
    assert "static-" not in "".join(pd.read_csv(TABLES / "earlier.csv")["method"]), "no method before STA-LSTM"


def test_without_weights_that_do_not_look_the_page_names_their_group(sbu: pd.DataFrame) -> None:
    sbu.to_csv(PATH, index=False)
    answer.main()
    assert "Not run yet: weights that are learned but the same for every clip (group `sbu-static`" in REPORT.read_text()
    assert not (TABLES / "static-sbu.csv").exists() and not (TABLES / "switches-again.csv").exists()


def test_a_switch_again_stands_beside_its_first_seeds_and_in_no_family_of_theirs(sbu: pd.DataFrame) -> None:
    """First like its reference, then with fresh seeds always right, beside the reference with fresh seeds, which is like LSTM."""
    of, switch = "sbu-paper-sta-lstm", "sbu-paper-lambda1-0"
    first = [sbu, copy(sbu, of, switch), copy(sbu, "sbu-paper-lstm", f"{of}-fresh", seeds=5)]
    pd.concat(first).to_csv(PATH, index=False)
    answer.main()
    before = pd.read_csv(TABLES / "switches.csv")
    again = copy(sbu, of, f"{switch}-fresh", seeds=5)
    pd.concat([*first, again.assign(predicted=again["label"])]).to_csv(PATH, index=False)
    answer.main()
    pd.testing.assert_frame_equal(pd.read_csv(TABLES / "switches.csv"), before)
    [row] = pd.read_csv(TABLES / "switches-again.csv").to_dict("records")
    assert (row["what"], row["seeds"]) == ("`objective.lambda1`: 0.001 \N{RIGHTWARDS ARROW} 0.0", "5 seeds")
    assert (row["points"], row["first_points"]) == (pytest.approx(100 - accuracy(sbu, "sbu-paper-lstm"), abs=1e-4), 0)
    assert (row["verdict"], row["p_holm"]) == ("better", row["p"])
