"""Stage `split`: the protocols' parts, validation in whole groups, no sample in two parts."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.core.skeletons import Sample, Store, Writer
from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.sbu import dataset as sbu
from pipeline.datasets.shared.errors import SplitMismatch
from pipeline.datasets.shared.registry import ranges
from pipeline.stages.split import Split, check, choose, digests, equal, equal_summary, hold_out, main, summary
from tests.conftest import META, in_a_project


def index_of(subjects: int, actions: int, folds: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One sample a subject and action, and a protocol that tests subject k in fold k."""
    rows = [(f"s{s:02}a{a:02}", s, 0, 0, 0, 1, a) for s, a in product(range(1, subjects + 1), range(1, actions + 1))]
    index = pd.DataFrame(rows, columns=["name", "subject", "partner", "camera", "setup", "replication", "action"])
    assigned = [
        (fold, name, "test" if subject == fold else "train")
        for fold in range(1, folds + 1)
        for name, subject in zip(index["name"], index["subject"], strict=True)
    ]
    return index, pd.DataFrame(assigned, columns=["fold", "name", "part"])


def held_out(table: pd.DataFrame, index: pd.DataFrame, fold: int = 1) -> set[int]:
    """Subjects in the validation part of a fold."""
    rows = table[(table["fold"] == fold) & (table["part"] == "validation")].merge(index, on="name")
    return set(rows["subject"])


@pytest.mark.parametrize(("share", "groups"), [(0.0, 0), (0.01, 1), (0.1, 1), (0.11, 2), (0.5, 5), (0.99, 9)])
def test_whole_groups_until_the_share_is_reached(share: float, groups: int) -> None:
    """Ten training subjects of three samples; the last one always stays in training."""
    index, assigned = index_of(11, 3)
    table = hold_out(assigned, index["subject"], index, Split(validation_share=share, seed=1))
    assert (table["part"] == "validation").sum() == 3 * groups
    assert len(held_out(table, index)) == groups
    assert table["part"].value_counts()["test"] == 3


def test_test_samples_stay_test_and_nothing_is_lost() -> None:
    index, assigned = index_of(8, 4, folds=8)
    table = hold_out(assigned, index["subject"], index, Split(validation_share=0.2, seed=1))
    before, after = ({tuple(row) for row in t[t["part"] == "test"].to_numpy().tolist()} for t in (assigned, table))
    assert before == after
    assert sorted(zip(table["fold"], table["name"], strict=True)) == sorted(zip(assigned["fold"], assigned["name"], strict=True))


def test_no_group_is_in_training_and_validation() -> None:
    index, assigned = index_of(8, 4, folds=8)
    table = hold_out(assigned, index["subject"], index, Split(validation_share=0.3, seed=1)).merge(index, on="name")
    for _, rows in table.groupby("fold"):
        assert set(rows["subject"][rows["part"] == "validation"]).isdisjoint(rows["subject"][rows["part"] == "train"])
        assert (rows["part"] == "validation").sum() == 12  # of 28, in fours: the first number from 8.4 on


def test_folds_and_seeds_draw_their_own_groups() -> None:
    index, assigned = index_of(30, 2, folds=5)
    drawn = {}
    for seed in (1, 2):
        table = hold_out(assigned, index["subject"], index, Split(validation_share=0.2, seed=seed))
        again = hold_out(assigned, index["subject"], index, Split(validation_share=0.2, seed=seed))
        pd.testing.assert_frame_equal(table, again)
        drawn |= {(seed, fold): frozenset(held_out(table, index, fold)) for fold in range(1, 6)}
    assert len(set(drawn.values())) == 10


def test_a_fold_draws_the_same_whatever_other_folds_there_are() -> None:
    index, assigned = index_of(30, 2, folds=5)
    section = Split(validation_share=0.2, seed=3)
    alone = hold_out(assigned[assigned["fold"] == 4], index["subject"], index, section)
    assert held_out(alone, index, 4) == held_out(hold_out(assigned, index["subject"], index, section), index, 4)


def test_order_of_the_samples_does_not_matter() -> None:
    index, assigned = index_of(20, 2)
    shuffled, section = index.sample(frac=1, random_state=0), Split(validation_share=0.2, seed=1)
    expected = hold_out(assigned, index["subject"], index, section)
    found = hold_out(assigned.sample(frac=1, random_state=1), shuffled["subject"], shuffled, section)
    pd.testing.assert_frame_equal(found, expected)
    assert expected.equals(expected.sort_values(["fold", "name"], ignore_index=True))


def test_a_group_that_alone_has_an_action_stays_in_training() -> None:
    """Subject 2 alone performs action 3; whatever the draw, it is never held out."""
    rows = pd.DataFrame({"group": [1, 2, 3, 4, 5] * 2, "action": [1] * 5 + [2, 3, 2, 2, 2]})
    for seed in range(20):
        chosen = choose(rows, 0.9, np.random.default_rng(seed))
        assert 2 not in chosen
        left = rows[~rows["group"].isin(chosen)]
        assert set(left["action"]) == {1, 2, 3}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pairs_of_sbu_stay_whole_in_every_fold(seed: int) -> None:
    """Set s01s02 and set s02s01 are one pair of people."""
    rows = [(f"{s}/{a:02}/001", int(s[1:3]), int(s[4:6]), 0, 0, 1, a) for s in sbu.SETS for a in range(1, 9)]
    index = pd.DataFrame(rows, columns=["name", "subject", "partner", "camera", "setup", "replication", "action"])
    pairs = dict(zip(index["name"], index[["subject", "partner"]].apply(frozenset, axis=1), strict=True))
    folds = {fold: index["name"].str[:6].isin(names) for fold, names in enumerate((sbu.SETS[k::5] for k in range(5)), 1)}
    assigned = pd.concat(
        pd.DataFrame({"fold": fold, "name": index["name"], "part": tested.map({True: "test", False: "train"})})
        for fold, tested in folds.items()
    )
    table = hold_out(assigned, sbu.groups("sbu", index), index, Split(validation_share=0.08, seed=seed))
    table["pair"] = table["name"].map(pairs)
    for _, rows_of_fold in table.groupby("fold"):
        parts = {part: set(rows_of_fold["pair"][rows_of_fold["part"] == part]) for part in ("train", "validation")}
        assert parts["validation"]
        assert parts["train"].isdisjoint(parts["validation"])


def test_check_finds_a_sample_in_two_parts() -> None:
    good = pd.DataFrame({"fold": [1, 1, 2], "name": ["a", "b", "a"], "part": ["train", "test", "test"]})
    check(good)
    for part in ("train", "validation", "test"):
        twice = pd.concat([good, pd.DataFrame({"fold": [1], "name": ["a"], "part": [part]})])
        with pytest.raises(SplitMismatch, match="fold 1: a is in more than one part"):
            check(twice)


def test_check_finds_a_part_that_is_none() -> None:
    with pytest.raises(SplitMismatch, match="parts dev"):
        check(pd.DataFrame({"fold": [1], "name": ["a"], "part": ["dev"]}))


def test_summary_says_what_is_absent() -> None:
    index, assigned = index_of(3, 2)
    assigned.loc[assigned["name"].isin(["s02a02", "s03a02"]), "part"] = "validation"
    index["camera"] = [1, 1, 3, 3, 3, 3]
    assert summary(assigned, index, META).splitlines() == [
        "6 samples, subjects 1-3, cameras 1, 3",
        "  no samples of actions 3",
        "  fold 1: train 2, validation 2, test 2; in test but not in training: actions 2",
    ]


@pytest.mark.parametrize(("numbers", "text"), [([], "none"), ([5], "5"), ([3, 1, 2], "1-3"), ([1, 2, 4, 6, 7, 7], "1-2, 4, 6-7")])
def test_ranges(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a store of NTU samples: 10 subjects, 3 cameras, 4 actions."""
    in_a_project(tmp_path, monkeypatch)
    with Writer(tmp_path / "data" / "skeletons" / "ntu" / "ntu", ntu.NTU.META) as writer:
        for camera, subject, action in product((1, 2, 3), range(1, 11), (7, 8, 50, 60)):
            name = f"S001C{camera:03}P{subject:03}R001A{action:03}"
            writer.add(Sample(name, subject, 0, camera, 1, 1, action), np.zeros((1, 1, 25, 3), np.float32))
    return tmp_path


def test_tables_of_all_protocols(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main("ntu")
    tables = {path.stem: pd.read_csv(path) for path in (project / "data" / "splits" / "ntu").glob("*.csv")}
    assert set(tables) == {"ntu-cs", "ntu-cv"}
    for table in tables.values():
        assert table.columns.tolist() == ["fold", "name", "part"]
        assert len(table) == 120
        assert not table.duplicated(["fold", "name"]).any()
    subject = {key: table["name"].str[9:12].astype(int) for key, table in tables.items()}
    test = tables["ntu-cs"]["part"] == "test"
    assert set(subject["ntu-cs"][test]) == {3, 6, 7, 10}
    assert set(tables["ntu-cv"]["name"][tables["ntu-cv"]["part"] == "test"].str[5:8]) == {"001"}
    for key, table in tables.items():
        validation = set(subject[key][table["part"] == "validation"])
        assert len(validation) == 1
        assert validation.isdisjoint(subject[key][table["part"] == "train"])
    assert "no samples of actions 1-6, 9-49, 51-59" in capsys.readouterr().out


def test_the_same_bytes_twice(project: Path) -> None:
    folder = project / "data" / "splits" / "ntu"
    main("ntu")
    first = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.csv")}
    main("ntu")
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.csv")} == first
    assert {str(path) for path in first} == {"ntu-cs.csv", "ntu-cv.csv", "ntu-cs/equal.csv", "ntu-cv/equal.csv"}
    assert not any(b"\r" in content for content in first.values())


# --- equal clips ------------------------------------------------------------------------------------------------------


def test_digests_are_of_numbers_and_shape_not_of_names(tmp_path: Path) -> None:
    frames = np.arange(48, dtype=np.float32).reshape(4, 1, 4, 3)
    changed = frames.copy()
    changed[3, 0, 3, 2] += 1
    with Writer(tmp_path, META) as writer:
        for name, clip in {"a": frames, "b": frames.reshape(2, 2, 4, 3), "c": frames, "d": changed, "e": frames[:3]}.items():
            writer.add(Sample(name, 1, 0, 0, 0, 1, 1), clip)
    a, b, c, d, e = digests(Store(tmp_path))
    assert a == c and len({a, b, d, e}) == 4


def equal_of(parts: str, kinds: str) -> pd.DataFrame:
    """Samples `a`, `b`, ... in the parts with these first letters; those with the same letter in `kinds` are equal."""
    names = [chr(ord("a") + i) for i in range(len(parts))]
    long = {"r": "train", "v": "validation", "t": "test"}
    table = pd.DataFrame({"fold": 1, "name": names, "part": [long[part] for part in parts]})
    index = pd.DataFrame({"name": names, "action": [1 + i % 2 for i in range(len(parts))]})
    return equal(table, index.iloc[::-1], list(kinds[::-1]))


def test_groups_of_equal_clips_with_their_parts() -> None:
    found = equal_of("rtrvtttrrt", "xxyyzzxuvw")
    assert found.columns.tolist() == ["fold", "clips", "actions", "train", "validation", "test"]
    assert found.to_numpy().tolist() == [
        [1, 3, "1 2", "a", "", "b g"],
        [1, 2, "1 2", "c", "d", ""],
        [1, 2, "1 2", "", "", "e f"],
    ]
    assert equal_summary(found) == (
        "equal clips: 3 groups; test clips with a copy in train or validation 2, "
        "validation clips with a copy in train 1, groups within one part 1"
    )


def test_a_test_clip_with_a_copy_in_validation_counts_too() -> None:
    assert "test clips with a copy in train or validation 1, validation clips with a copy in train 0" in equal_summary(
        equal_of("rvt", "xyy")
    )


def test_no_equal_clips() -> None:
    found = equal_of("rvt", "xyz")
    assert found.columns.tolist() == ["fold", "clips", "actions", "train", "validation", "test"]
    assert equal_summary(found) == "equal clips: none"


def test_each_fold_has_its_own_rows() -> None:
    table = pd.DataFrame({"fold": [1, 1, 2, 2], "name": ["a", "b"] * 2, "part": ["train", "test", "test", "train"]})
    found = equal(table, pd.DataFrame({"name": ["a", "b"], "action": [3, 3]}), ["x", "x"])
    assert found.to_numpy().tolist() == [[1, 2, "3", "a", "", "b"], [2, 2, "3", "b", "", "a"]]


def test_the_stage_finds_and_prints_them(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All 120 made-up samples are the same frame of zeros."""
    main("ntu")
    assert capsys.readouterr().out.count("  equal clips: 1 groups; test clips with a copy in train or validation") == 2
    found = pd.read_csv(project / "data/splits/ntu/ntu-cs/equal.csv")
    assert found["clips"].tolist() == [120] and found["actions"].tolist() == ["7 8 50 60"]
    table = pd.read_csv(project / "data/splits/ntu/ntu-cs.csv")
    assert found["test"][0].split() == sorted(table["name"][table["part"] == "test"])
