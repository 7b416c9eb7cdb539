"""The page over all data sets: pooling and clusters by hand, and that the committed page is that of the committed predictions."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.answers import pooled, searched
from pipeline.answers.predictions import Study, counted, studies
from pipeline.answers.sensitivity import clustered
from pipeline.commands import answer
from pipeline.config import params as parameters
from pipeline.config.commands import Answer
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.results.components import Components, Term
from pipeline.results.statistics import Difference, compare, judge
from tests.conftest import ROOT
from tests.test_statistics import RULE, made, shares


def known(points: float, error: float, degrees: float = 50) -> Difference:
    return judge(Components(points, Term(error**2, degrees)), RULE, (5,))


def test_the_mean_of_data_sets_weighs_them_alike() -> None:
    found = pooled.mean([known(1.0, 0.3, 10), known(3.0, 0.4, 20)], RULE)
    assert (found.points, found.standard_error) == (2.0, pytest.approx(0.25))
    assert found.degrees == pytest.approx(0.25**2 / (0.09**2 / 10 + 0.16**2 / 20))


def test_random_effects_by_hand() -> None:
    assert pooled.random_effects([known(1, 1), known(2, 1)], RULE) is None
    found = pooled.random_effects([known(x, 1.0) for x in (0.0, 2.0, 4.0)], RULE)
    assert found is not None
    # equal variances: Q = 8 / (1 + spread²) = 2, so spread² = 3; standard error sqrt(4 / 3)
    assert (found.points, found.spread) == pytest.approx((2.0, sqrt(3)), abs=1e-4)
    assert found.high - 2 == pytest.approx(stats.t.ppf(0.975, 2) * sqrt(4 / 3), rel=1e-4)
    assert found.predicted_high - 2 == pytest.approx(stats.t.ppf(0.975, 1) * sqrt(3 + 4 / 3), rel=1e-4)


def test_intervals_over_data_sets_end_where_those_of_the_data_sets_do() -> None:
    ends = (-100.0, 100.0)
    found = [judge(Components(x, Term(80.0**2, 1), possible=ends), RULE, (5,)) for x in (-60.0, 0.0, 60.0)]
    assert (pooled.mean(found, RULE).low, pooled.mean(found, RULE).high) == ends
    over = pooled.random_effects(found, RULE)
    assert over and (over.low, over.high, over.predicted_low, over.predicted_high) == ends * 2


def test_data_sets_that_agree_too_well_do_not_shrink_the_interval() -> None:
    found = pooled.random_effects([known(x, 1.0) for x in (1.0, 1.0, 1.0)], RULE)
    assert found is not None and found.spread == 0
    assert found.high - 1 == pytest.approx(stats.t.ppf(0.975, 2) * sqrt(1 / 3))


def test_clusters_by_hand() -> None:
    # one fold; the pair 1, 2 has all right in sets 1-2 and 2-1, the pair 3, 4 half, the pair 5, 6 none
    right = shares(4, 4) + shares(4, 4) + shares(4, 2) + shares(4, 0)
    names = tuple(f"s{a}s{b}/{i}" for a, b in ((1, 2), (2, 1), (3, 4), (5, 6)) for i in range(4))
    one = replace(made(right), names=names)
    found = clustered([(1.0, one)], RULE, r"s(\d)s(\d)/")
    assert list(found) == [("sequence", 16), ("set", 4), ("pair of people", 3), ("person", 6)]
    deviation = [4 * (100 - 62.5) / 16, 4 * (100 - 62.5) / 16, 4 * (50 - 62.5) / 16, 4 * (0 - 62.5) / 16]
    expected = {
        ("set", 4): sum(d**2 for d in deviation) * 4 / 3,
        ("pair of people", 3): ((deviation[0] + deviation[1]) ** 2 + deviation[2] ** 2 + deviation[3] ** 2) * 3 / 2,
    }
    for key, variance in expected.items():
        judged = found[key]
        assert judged is not None
        assert (judged.standard_error, judged.degrees) == (pytest.approx(sqrt(variance)), key[1] - 1)
    person = found["person", 6]  # nobody is in two pairs: the sums of pairs, with six people
    assert person is not None
    assert person.standard_error == pytest.approx(sqrt(expected["pair of people", 3] * (2 / 3) * 6 / 5))


def test_sequences_alone_change_nothing() -> None:
    rng = np.random.default_rng(2)
    one, other = made(rng.random((3, 40)) < 0.8), made(rng.random((3, 40)) < 0.7)
    found = clustered([(1.0, one), (-1.0, other)], RULE, r"s\d\d(\d\d)")
    alone, plain = found["person", 40], compare(one, other, RULE)
    assert alone is not None and list(found) == [("sequence", 40), ("person", 40)]
    assert (alone.p, alone.degrees) == pytest.approx((plain.p, plain.degrees))


@pytest.mark.parametrize(("pattern", "message"), [("s(", "no regular expression"), ("s.*", "a group for each person")])
def test_people_are_found_by_groups(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Answer(subjects=[], people={"sbu": pattern}, copies={}, inputs={})


def test_committed_answers_are_those_of_the_committed_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    (tmp_path / "reports").mkdir()
    for folder in ("baseline", "searched", "paper.csv"):
        (tmp_path / "reports" / folder).symlink_to(ROOT / "reports" / folder)
    monkeypatch.chdir(tmp_path)
    assert "sbu" in answer.main()
    files = sorted(path.relative_to(tmp_path) for path in (tmp_path / "reports/answers").rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(ROOT) for path in (ROOT / "reports/answers").rglob("*") if path.is_file())
    assert [path for path in files if path.read_bytes() != (ROOT / path).read_bytes()] == [], "run `python -m pipeline answer`"


def test_reports_of_single_subjects_say_what_the_answers_say() -> None:
    """Florence 3D: effects by recipe with their intervals over subjects, on both committed pages."""
    keys = ["effect", "recipe"]
    own = pd.read_csv(ROOT / "reports/florence3d/tables/answers.csv").query("effect == effect and points == points")
    own = own.assign(recipe=own["place"].str.extract(r"recipe (\w+)")[0]).dropna(subset="recipe").set_index(keys)
    over_all = pd.read_csv(ROOT / "reports/answers/tables/recipes.csv").query("protocol == 'florence3d'").set_index(keys)
    columns = ["points", "low", "high", "p", "standard_error"]
    assert len(over_all) == 16
    pd.testing.assert_frame_equal(own.loc[over_all.index, columns], over_all[columns], atol=1e-4)


def test_names_that_tell_nobody_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"answer\.people: .* finds nobody in the name 's0000'"):
        clustered([(1.0, made(shares(8, 4)))], RULE, r"x(\d)")


def test_copies_of_training_sequences_count_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong on the copies alone: 100 % without them."""
    names = [f"a{a:02}_s{s:02}_e00_v03" for a in (1, 2, 3, 4) for s in (7, 10)]
    wrong = {name for name in names if name[:3] in ("a02", "a03")}
    rows = [(f"nw-ucla-xview-tuned-{m}", 1, 1, name, 1, int(name not in wrong)) for m in ("lstm", "sta-lstm") for name in names]
    (tmp_path / "reports/baseline").mkdir(parents=True)
    columns = ["cell", "fold", "seed", "name", "label", "predicted"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "reports/baseline/nw_ucla.csv.gz", index=False)
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    answer.main()
    found = pd.read_csv("reports/answers/tables/accuracies.csv")
    assert found[["mean", "samples"]].to_numpy().tolist() == [[100.0, 4]] * 2
    assert "nw-ucla-xview (4 test sequences without copies of training sequences" in Path("reports/answers/report.md").read_text()


def test_a_data_set_counts_once_and_with_all_four_methods() -> None:
    """Other folds of the same recordings add no data; recipes with one method compare nothing."""
    one = made(shares(8, 4))
    four = {"paper": dict.fromkeys(("lstm", "sa", "ta", "sta"), one)}
    first, again = Study("a", "a-one", {}, four), Study("a", "a-two", {}, four)
    part = Study("b", "b-one", {}, {"paper": {"lstm": one}, "tuned": {"lstm": one, "sta": one}})
    assert [study.protocol for study in counted([part, first, again])] == ["a-one"]
    assert list(part.compared) == ["tuned"]


def test_the_committed_mean_is_that_of_data_sets_and_not_of_protocols() -> None:
    effects = pd.read_csv(ROOT / "reports/answers/tables/effects.csv").set_index(["effect", "protocol"])["points"].unstack()
    both = effects.loc["both attentions: STA-LSTM \N{MINUS SIGN} LSTM"]
    counting = ["sbu", "florence3d", "utkinect", "nw-ucla-xview"]
    assert pd.notna(both["nw-ucla-xsub"]) and both["mean of the data sets"] == pytest.approx(both[counting].mean(), abs=1e-4)
    text = (ROOT / "reports/answers/report.md").read_text()
    assert "nw-ucla-xsub is in no mean of data sets: it divides the recordings of nw-ucla-xview otherwise." in text


def empty_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Go to an empty project with the committed parameters; the committed predictions of SBU, which are not in it."""
    (folder / "params.yaml").symlink_to(ROOT / "params.yaml")
    (folder / "reports/baseline").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return pd.read_csv(ROOT / "reports/baseline/sbu.csv.gz")


@pytest.fixture
def sbu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """In an empty project: the committed predictions of SBU without those of fresh seeds."""
    table = empty_project(tmp_path, monkeypatch)
    return table[~table["cell"].str.endswith("-fresh")]


def test_fresh_seeds_stand_beside_the_first_ones(sbu: pd.DataFrame) -> None:
    """The committed predictions once more under the names of the fresh cells: every effect comes again as it was."""
    path, tables = Path("reports/baseline/sbu.csv.gz"), Path("reports/answers/tables")
    sbu.to_csv(path, index=False)
    answer.main()
    before = {name: pd.read_csv(tables / f"{name}.csv") for name in ("switches", "effects", "recipes")}
    again = sbu[sbu["cell"].str.fullmatch(r"sbu-(paper|tuned)-(sa-|ta-|sta-)?lstm")]
    pd.concat([sbu, again.assign(cell=again["cell"] + "-fresh", seed=again["seed"] + 5)]).to_csv(path, index=False)
    answer.main()
    found = pd.read_csv(tables / "fresh.csv")
    assert len(found) == 8 and found["fresh_points"].tolist() == found["points"].tolist()
    assert found["all_points"].tolist() == found["points"].tolist()
    said = Path("reports/answers/report.md").read_text()
    repeated = "with the first seeds, repeats: spatial attention alone: SA-LSTM \N{MINUS SIGN} LSTM."
    assert f"Of what is better or worse on sbu {repeated}" in said and "With all seeds, the fresh ones too, on sbu alone" in said
    repeats = dict(zip(found["verdict"], found["repeats"].fillna(""), strict=True))
    assert repeats == {"undecided": "\N{EN DASH}", "equivalent": "\N{EN DASH}", "better": "yes"}
    for name, table in before.items():
        pd.testing.assert_frame_equal(pd.read_csv(tables / f"{name}.csv"), table)


def test_effects_by_input(sbu: pd.DataFrame) -> None:
    """All quarters of the design with the same predictions, but STA-LSTM always right where clips are augmented."""
    parts = [sbu]
    for method in ("lstm", "sa-lstm", "ta-lstm", "sta-lstm"):
        own = sbu[sbu["cell"] == f"sbu-paper-{method}"]
        for recipe in ("paper", "paper-augmented", "paper-velocity", "paper-augmented-velocity"):
            right = method == "sta-lstm" and "augmented" in recipe
            again = own.assign(cell=f"sbu-{recipe}-{method}-fresh", predicted=own["label"] if right else own["predicted"])
            parts.append(again)
    pd.concat(parts).to_csv("reports/baseline/sbu.csv.gz", index=False)
    answer.main()
    means = pd.read_csv("reports/answers/tables/inputs-sbu.csv").set_index("input")
    assert means["sta"].tolist() == [means.loc["positions", "sta"], 100.0, means.loc["positions", "sta"], 100.0]
    found = pd.read_csv("reports/answers/tables/inputs-effects-sbu.csv").set_index(["effect", "input"])["points"]
    both = found["both attentions: STA-LSTM \N{MINUS SIGN} LSTM"]
    assert both["positions, augmented"] == pytest.approx(100 - means.loc["positions", "lstm"])
    assert both["velocities add"] == pytest.approx(0, abs=1e-9)
    assert both["augmentation adds"] == pytest.approx(100 - means.loc["positions", "sta"])
    shown = pd.read_csv("reports/answers/tables/switches.csv")["what"]
    committed = pd.read_csv(ROOT / "reports/answers/tables/switches.csv").query("protocol == 'sbu'")
    assert not shown.str.contains("fresh").any() and len(shown) == len(committed)


def test_recipes_of_their_own_stand_beside_the_frozen_ones(sbu: pd.DataFrame) -> None:
    """The predictions of recipe tuned in the place of a search's: the effects are those of that recipe."""
    sbu.to_csv("reports/baseline/sbu.csv.gz", index=False)
    Path("reports/searched").mkdir()
    answer.main()
    assert "python -m pipeline search --method lstm" in Path("reports/answers/report.md").read_text()
    for method in ("lstm", "sa-lstm", "sta-lstm"):
        own = sbu[sbu["cell"] == f"sbu-tuned-{method}"].assign(cell=method)
        own.to_csv(f"reports/searched/sbu-{method}.csv.gz", index=False)
        shutil.copy(ROOT / f"reports/searched/sbu-{method}.json", "reports/searched")
    answer.main()
    said = Path("reports/answers/report.md").read_text()
    assert "| LSTM | 94.89 |" in said
    rows = pd.read_csv("reports/answers/tables/candidates-sbu.csv", keep_default_na=False).set_index("candidate")
    for method in ("lstm", "sa-lstm", "sta-lstm"):
        record = json.loads(Path(f"reports/searched/sbu-{method}.json").read_text())
        assert rows[method].tolist() == [one["mean"] for one in record["candidates"]]
        assert {str(name): folds.split() for name, folds in rows[f"{method}_folds"].items() if folds} == {
            name: [fold for fold, choice in record["chosen"].items() if choice == name] for name in record["chosen"].values()
        }
    assert "Not run yet: the same search for ta-lstm (`python -m pipeline search --method ta-lstm`)" in said
    found = pd.read_csv("reports/answers/tables/searched-effects-sbu.csv").set_index("effect")
    frozen = pd.read_csv("reports/answers/tables/recipes.csv").query("recipe == 'tuned'").set_index("effect")
    assert len(found) == 3
    for key in ("points", "low", "high", "p", "verdict"):
        assert found[key].tolist() == frozen.loc[found.index, key].tolist()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The committed searches, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "reports/searched", "reports/searched")
    return tmp_path / "reports/searched"


def _edited(**changes: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.assign(**changes)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (_edited(cell="lstm"), "expected predictions of sta-lstm (column cell), found those of lstm"),
        (lambda table: table.iloc[1:], "expected every sequence once a seed"),
        (lambda table: table.iloc[:0], "expected every sequence once a seed"),
        (lambda table: table[table["fold"] != 3], "expected the sequences and labels of the other searches"),
        (_edited(predicted=99), "predicted: 99 is no class of the labels"),
    ],
)
def test_predictions_of_a_search_that_are_amiss(own: Path, edit: Callable[[pd.DataFrame], pd.DataFrame], expected: str) -> None:
    path = own / "sbu-sta-lstm.csv.gz"
    edit(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(ResultsMissing, match=rf"sbu-sta-lstm\.csv\.gz: .*{re.escape(expected)}.*take it from git"):
        list(searched.section(parameters.load(ROOT / "params.yaml")))


def _record(key: str, value: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return write


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (_record("method", "lstm"), "method: expected sta-lstm, found 'lstm'"),
        (_record("candidates", []), "candidates: expected those of the other searches"),
        (_record("chosen", {"1": "none such"}), "chosen: 'none such' is no candidate"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "expected the record of a search"),
        (lambda path: path.unlink(), "expected the record of a search"),
    ],
)
def test_records_of_a_search_that_are_amiss(own: Path, edit: Callable[[Path], None], expected: str) -> None:
    edit(own / "sbu-sta-lstm.json")
    with pytest.raises(ResultsMissing, match=rf"sbu-sta-lstm\.json: .*{re.escape(expected)}.*take it from git"):
        list(searched.section(parameters.load(ROOT / "params.yaml")))


def test_a_record_without_its_predictions(own: Path) -> None:
    (own / "sbu-sta-lstm.csv.gz").unlink()
    with pytest.raises(ResultsMissing, match=r"sbu-sta-lstm\.csv\.gz: expected a table of predictions"):
        list(searched.section(parameters.load(ROOT / "params.yaml")))


def test_the_demo_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert (ROOT / "reports/baseline/demo.csv.gz").exists()
    assert "demo" not in {study.dataset for study in studies(parameters.load())}


def test_without_predictions_there_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ResultsMissing, match="reports/baseline: expected predictions of a real data set"):
        answer.main()
    assert not (tmp_path / "reports").exists()


def test_a_damaged_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    (tmp_path / "reports/baseline").mkdir(parents=True)
    (tmp_path / "reports/baseline/sbu.csv.gz").write_bytes(b"no table")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ResultsMissing, match=r"sbu\.csv\.gz: expected a table of predictions"):
        answer.main()


def test_without_its_section_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = parameters.read(ROOT / "params.yaml")
    document.pop("answer")
    with pytest.raises(ParamsError, match="expected a section answer"):
        _ = parameters.build(document).answer


def test_protocols_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text().replace("[florence3d, utkinect]", "[florence, utkinect]"))
    with pytest.raises(ParamsError, match=r"answer\.subjects: there is no protocol 'florence'; do you mean florence3d\?"):
        _ = parameters.load().answer
