"""The nested search: inner splits, scores that never touch the fold they decide for, a search that goes on where it was."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.commands import search
from pipeline.config import params as parameters
from pipeline.config.commands import Candidate
from pipeline.core.errors import ParamsError
from tests.conftest import ROOT, write_params

FOLDS = (1, 2, 3, 4)


def protocol(folds: tuple[int, ...] = FOLDS, size: int = 2) -> pd.DataFrame:
    """Every sample `f-i` is test in fold f, and validation or train in the others."""
    names = [(fold, f"{fold}-{i}") for fold in folds for i in range(size)]
    rows = [(f, n, "test" if own == f else "validation" if n.endswith("0") else "train") for f in folds for own, n in names]
    return pd.DataFrame(rows, columns=["fold", "name", "part"])


def test_inner_splits_train_on_all_folds_but_two() -> None:
    table = search.pairs(protocol())
    assert sorted(table["fold"].unique()) == [12, 13, 14, 23, 24, 34]
    assert not table.duplicated(["fold", "name"]).any() and len(table) == 6 * 8
    one = table[table["fold"] == 24].groupby("part")["name"].agg(sorted).to_dict()
    assert one == {"test": ["2-0", "2-1", "4-0", "4-1"], "train": ["1-0", "1-1", "3-0", "3-1"]}


def test_two_folds_cannot_be_nested() -> None:
    with pytest.raises(ParamsError, match="3 to 9 folds, not 2"):
        search.pairs(protocol((1, 2)))


def answer(pair: tuple[int, int], right: dict[int, int], seed: int = 1) -> dict[str, Any]:
    """A network of 10 samples a fold; `right` of those of both folds of its pair, whatever the views."""
    counts = {str(fold): [right[fold], 10] for fold in pair}
    return {"pair": list(pair), "seed": seed, "right": {"1": counts}, "seconds": 1.0}


def test_scores_inside_a_fold_are_those_of_the_other_folds() -> None:
    answers = [answer(pair, {1: 1, 2: 2, 3: 3, 4: 6}) for pair in combinations(FOLDS, 2)]
    scores = search.inner(answers, 1)
    assert {fold: by_seed[1] for fold, by_seed in scores.items()} == pytest.approx(
        {1: 10 * (2 + 3 + 6) / 3, 2: 10 * (1 + 3 + 6) / 3, 3: 10 * (1 + 2 + 6) / 3, 4: 10 * (1 + 2 + 3) / 3}
    )


@pytest.mark.parametrize("outer", FOLDS)
def test_a_fold_s_own_samples_have_no_part_in_its_score(outer: int) -> None:
    def score(own: int) -> dict[int, float]:
        right = dict.fromkeys(FOLDS, 5) | {outer: own}
        return search.inner([answer(pair, right) for pair in combinations(FOLDS, 2)], 1)[outer]

    assert score(0) == score(10)


def test_choice_and_vote() -> None:
    candidates = [
        {"name": "a", "inner": {"1": 90.0, "2": 80.0, "3": 70.0}, "mean": 80.0},
        {"name": "b", "inner": {"1": 90.0, "2": 85.0, "3": 60.0}, "mean": 78.3},
        {"name": "c", "inner": {"1": 10.0, "2": 85.0, "3": 75.0}, "mean": 56.7},
    ]
    chosen, frozen = search.choose(candidates)
    assert chosen == {"1": "a", "2": "b", "3": "c"}  # of equals the earlier
    assert frozen == "a"  # one vote each: the best mean


def test_samples_are_counted_by_their_own_fold(tmp_path: Path) -> None:
    protocol().to_csv(tmp_path / "split.csv", index=False)
    right = pd.Series([True, False, True, True], index=["1-0", "1-1", "3-1", "3-0"])
    assert search.counts(right, tmp_path / "split.csv") == {"1": [1, 2], "3": [2, 2]}


@pytest.fixture
def searched(small_project: Path) -> Path:
    """The small project with three folds of 8 clips, and a search over one candidate with one view and with four."""
    split = small_project / "data" / "splits" / "demo" / "p.csv"
    names = sorted(pd.read_csv(split)["name"].unique())
    rows = [(f, name, "test" if i % 3 + 1 == f else "train") for f in (1, 2, 3) for i, name in enumerate(names)]
    pd.DataFrame(rows, columns=["fold", "name", "part"]).to_csv(split, index=False)
    document = parameters.read()
    plain = {"round": 1, "staged": True, "changes": {}}
    document["search"] = {
        "cell": "p-sta-lstm",
        "seeds": [1, 2],
        "nested_seeds": [1, 2],
        "base": {"training": {"learning_rate": 0.01}},
        "views": [1, 4],
        "candidates": {"plain": plain},
    }
    write_params(document)
    return small_project


def test_search_writes_its_outcome_and_goes_on_where_it_was(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search.main([])
    path = searched / "reports" / "search" / "demo.json"
    first, remembered = path.read_text(), list((searched / ".work" / "search" / "p-sta-lstm").glob("*.json"))
    outcome = json.loads(first)
    assert len(remembered) == 3 * 2 + 3 * 2 and outcome["budget"]["networks"] == 6  # pairs x seeds
    assert [c["name"] for c in outcome["candidates"]] == ["plain", "plain, 4 views"]
    assert outcome["candidates"][1]["changes"] == {"evaluate.views": 4} and outcome["folds"] == [1, 2, 3]
    monkeypatch.setattr(search.runs, "run_all", lambda work, jobs, title: [1 / 0 for _ in jobs])
    search.main([])
    assert path.read_text() == first


def test_each_outer_fold_is_answered_by_its_own_choice(searched: Path) -> None:
    search.main([])
    outcome = json.loads((searched / "reports" / "search" / "demo.json").read_text())
    plan = search.plan_of(None)
    split = searched / ".work" / "search" / "p-sta-lstm" / "outer.csv"
    for fold, name in outcome["chosen"].items():
        trained = search.tasks(plan, "plain", split.relative_to(searched), [int(fold)], [1, 2])
        right = [json.loads(task.memory.read_text())["right"]["4" if "4 views" in name else "1"] for task in trained]
        assert [list(one) for one in right] == [[fold]] * 2 and all(one[fold][1] == 8 for one in right)
        assert outcome["outer"]["folds"][fold] == pytest.approx(100 * sum(one[fold][0] for one in right) / 16, abs=0.01)
    assert outcome["outer"]["mean"] == pytest.approx(sum(outcome["outer"]["folds"].values()) / 3, abs=0.01)


def test_other_training_parameters_are_other_networks(searched: Path) -> None:
    plan = search.plan_of(None)
    split = search.write_pairs(plan.cell)
    longer = Candidate(round=1, staged=True, changes={"finetune": {"joint": 3}})
    section = plan.section.model_copy(update={"candidates": {**plan.section.candidates, "longer": longer}})
    one, other = (search.tasks(replace(plan, section=section), name, split, [12], [1]) for name in ("plain", "longer"))
    assert {task.memory for task in one}.isdisjoint(task.memory for task in other)


def test_another_method_has_the_same_candidates_in_its_own_record(searched: Path) -> None:
    search.main([], "lstm")
    folder = searched / "reports" / "searched"
    outcome = json.loads((folder / "demo-lstm.json").read_text())
    assert [c["method"] for c in outcome["candidates"]] == ["lstm", "lstm"] and outcome["method"] == "lstm"
    assert not (searched / "reports" / "search").exists()  # nothing that a report is made from
    table = pd.read_csv(folder / "demo-lstm.csv.gz", dtype={"name": str})
    assert list(table) == ["cell", "fold", "seed", "name", "label", "predicted"] and len(table) == 24 * 2
    right = (table["label"] == table["predicted"]).groupby(table["fold"]).mean() * 100
    assert outcome["outer"]["folds"] == {str(fold): pytest.approx(value, abs=0.01) for fold, value in right.items()}


def test_the_method_of_a_candidate(searched: Path) -> None:
    plan = search.plan_of("sta-lstm")
    assert [plan.method_of(Candidate(round=1, staged=staged, changes={})) for staged in (True, False)] == [
        "sta-lstm",
        "sta-lstm-scratch",
    ]
    assert search.plan_of("lstm").scratch == "lstm"  # has no stages
    with pytest.raises(ParamsError, match=r"methods has no 'gru'; it has .*sta-lstm"):
        search.plan_of("gru")
    with pytest.raises(ParamsError, match="methods has no ''"):
        search.plan_of("")


def test_a_method_that_no_gradient_trains_has_nothing_to_search_for(searched: Path) -> None:
    document = parameters.read()
    document["methods"]["quads"] = parameters.read(ROOT / "params.yaml")["methods"]["skeletal-quads"]
    write_params(document)
    with pytest.raises(ParamsError, match=r"methods\.quads: no gradient trains it"):
        search.plan_of("quads")


def test_a_name_that_is_no_candidate(searched: Path) -> None:
    with pytest.raises(ParamsError, match="has no other; it has plain"):
        search.main(["other"])
