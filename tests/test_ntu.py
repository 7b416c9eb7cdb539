"""NTU RGB+D as a data set: its facts, the protocols' counts, the store made from an archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import params
from pipeline.core.skeletons import Store
from pipeline.datasets.ntu import archive as ntu_archive
from pipeline.datasets.ntu import clips as ntu_clips
from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.shared.errors import ArchiveMismatch, RawDataMissing, SplitMismatch, TooManyMalformed
from pipeline.datasets.shared.settings import SourceDownload
from pipeline.running import executors
from tests.conftest import ROOT, in_a_project
from tests.skeleton_text import NAMES, all_names, clip, pose, text, write_files, write_zip

LISTED = "S001C002P005R002A008"  # one of the 302


@pytest.fixture
def section() -> NtuNormalize:
    return params.load(ROOT / "params.yaml").params.normalize.ntu


# --- facts ------------------------------------------------------------------------------------------------------------------


def test_actions_joints_and_bones() -> None:
    meta = ntu.NTU.META
    assert (len(meta.actions), len(set(meta.actions)), len(meta.joints), len(set(meta.joints))) == (60, 60, 25, 25)
    named = {1: "drink water", 9: "stand up", 27: "jump up", 40: "cross hands in front", 43: "fall down", 58: "shake hands"}
    assert {number: meta.actions[number - 1] for number in named} == named
    spots = {
        1: "base of spine",
        4: "head",
        8: "left hand",
        9: "right shoulder",
        16: "left foot",
        20: "right foot",
        22: "tip of left hand",
    }
    assert {number: meta.joints[number - 1] for number in spots} == spots
    assert len(meta.bones) == 24
    assert {child for child, _ in meta.bones} == set(range(1, 25))
    names = {frozenset((meta.joints[a], meta.joints[b])) for a, b in meta.bones}
    assert {frozenset(pair) for pair in [("left knee", "left hip"), ("neck", "head"), ("right thumb", "right hand")]} <= names


def test_mirror_exchanges_left_and_right_and_keeps_bones() -> None:
    mirror, joints = ntu.NTU.META.mirror, ntu.NTU.META.joints
    swapped = str.maketrans({"<": "right", ">": "left"})
    for joint, other in enumerate(mirror):
        assert joints[other] == joints[joint].replace("left", "<").replace("right", ">").translate(swapped)
    assert {(mirror[a], mirror[b]) for a, b in ntu.NTU.META.bones} == set(ntu.NTU.META.bones)


def test_the_302_listed_samples() -> None:
    names = sorted(ntu.NTU.listed_missing())
    samples = [ntu_archive.sample_of(name, ntu.FACTS) for name in names]
    assert len(names) == 302
    subjects = sum(sample.subject in ntu.TRAIN_SUBJECTS for sample in samples)
    cameras = sum(sample.camera in ntu.TRAIN_CAMERAS for sample in samples)
    assert (subjects, 302 - subjects, cameras, 302 - cameras) == (229, 73, 274, 28)


def index_of(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame([vars(ntu_archive.sample_of(name, ntu.FACTS)) for name in names])


def test_protocol_counts_of_the_full_archive() -> None:
    names = all_names()
    index = index_of(sorted(set(names) - ntu.NTU.listed_missing()))
    assert (len(set(names)), len(index)) == (56_880, 56_578)
    counts = {key: ntu.NTU.assign(key, index)["part"].value_counts().to_dict() for key in ("cs", "cv")}
    assert counts == {"cs": {"train": 40_091, "test": 16_487}, "cv": {"train": 37_646, "test": 18_932}}
    whole = {key: ntu.NTU.assign(key, index_of(names))["part"].value_counts().to_dict() for key in ("cs", "cv")}
    assert whole == {"cs": {"train": 40_320, "test": 16_560}, "cv": {"train": 37_920, "test": 18_960}}


@pytest.mark.parametrize(("protocol", "column", "value"), [("cs", "subject", 3), ("cv", "camera", 1)])
def test_other_counts_of_a_full_archive_are_refused(protocol: str, column: str, value: int) -> None:
    index = index_of(sorted(set(all_names()) - ntu.NTU.listed_missing()))
    row = index.index[index[column] != value][0] if protocol == "cv" else index.index[index["subject"] == 1][0]
    index.loc[row if column == "subject" else index.index[index["camera"] == 2][0], column] = value
    with pytest.raises(SplitMismatch, match=f"ntu-{protocol}"):
        ntu.NTU.assign(protocol, index)


def test_protocols_of_a_part() -> None:
    index = index_of(["S001C001P001R001A001", "S001C002P003R001A001", "S001C003P038R001A001", "S001C001P040R001A001"])
    assert ntu.NTU.assign("cs", index)["part"].tolist() == ["train", "test", "train", "test"]
    assert ntu.NTU.assign("cv", index)["part"].tolist() == ["test", "train", "train", "test"]
    assert ntu.NTU.assign("cs", index)["fold"].tolist() == [1] * 4
    assert [ntu.NTU.groups(protocol, index).tolist() for protocol in ("cs", "cv")] == [[1, 3, 38, 40]] * 2


FILES = {name: clip(name) for name in NAMES}

# --- normalize --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: NtuNormalize) -> Callable[..., Path]:
    """Record an archive or a folder of these files and normalize it: the folder of the store."""
    in_a_project(tmp_path, monkeypatch)

    def run(files: Mapping[str, bytes], allow: int = 0, form: str = "zip", name: str = "store", **rules: Any) -> Path:
        source = write_zip(tmp_path / f"{name}.zip", files) if form == "zip" else write_files(tmp_path / f"{name}-in", files)
        monkeypatch.setenv("NTU_SOURCE", str(source))
        ntu.fetch(tmp_path / f"{name}-raw", SourceDownload(source=str(source)))
        target = tmp_path / name
        target.mkdir()
        ntu.NTU.normalize(tmp_path / f"{name}-raw" / "ntu", target, section.model_copy(update=rules), allow)
        return target

    return run


def repairs(folder: Path) -> dict[str, tuple[int, int]]:
    """What was done at all: repair -> (samples, frames)."""
    table = pd.read_csv(folder / "repairs.csv").set_index("repair")
    return {str(name): (int(row["samples"]), int(row["frames"])) for name, row in table.iterrows() if row["samples"]}


def test_the_store_has_the_repaired_clips(make: Callable[..., Path]) -> None:
    folder = make(FILES, centre="none")
    store = Store(folder)
    assert store.index["name"].tolist() == NAMES
    assert store.index[["subject", "partner", "camera", "setup", "replication", "action"]].to_numpy().tolist() == [
        [1, 0, 1, 1, 1, 1],
        [2, 0, 2, 1, 1, 50],
        [40, 0, 3, 17, 2, 60],
    ]
    assert store.index["bodies"].tolist() == [1, 2, 2]
    assert store.meta == ntu.NTU.META
    first = pose(sum(map(ord, NAMES[0])) * 100 + 1)
    np.testing.assert_array_equal(store.clip(0)[3, 0], np.add(first, (0.1 * 3, 0, 0)).round(6).astype(np.float32))
    assert set(repairs(folder)) <= {ntu_clips.ntu_bodies.ORDER, ntu_clips.ntu_bodies.OTHER_ORDER}
    assert (folder / "set_aside.csv").read_text() == "file,line,reason\n"


def test_every_rule_has_its_row(make: Callable[..., Path]) -> None:
    table = pd.read_csv(make(FILES) / "repairs.csv")
    assert table.columns.tolist() == ["repair", "rule", "samples", "frames"]
    assert table["repair"].tolist() == list(ntu_clips.RULES)
    rules = dict(zip(table["repair"], table["rule"], strict=True))
    assert rules[ntu_clips.ntu_bodies.GHOST] == "shortest_track: 12"
    assert rules[ntu_clips.MALFORMED] == "allow_malformed: 0"
    assert rules[ntu_clips.ntu_bodies.HOLE] == "always"


def test_repairs_are_counted_by_sample_and_frame(make: Callable[..., Path]) -> None:
    ghost = [[(k, pose(k).tolist()) for k in range(2 if 3 <= t < 8 else 1)] for t in range(20)]
    lone = [[] if t in (0, 7) else [(1, pose(1).tolist())] for t in range(20)]
    files = {
        "S001C001P001R001A001": text(ghost),
        "S001C001P001R001A002": text(ghost),
        "S001C001P001R001A055": text(lone),
        LISTED: b"never read",
    }
    assert repairs(make(files)) == {
        ntu_clips.LISTED: (1, 0),
        ntu_clips.ntu_bodies.GHOST: (2, 10),
        ntu_clips.ntu_bodies.HOLE: (1, 1),
        ntu_clips.ntu_bodies.EMPTY: (1, 2),
        ntu_clips.ONE_OF_TWO: (1, 18),
    }


def test_listed_samples_stay_where_the_rule_is_off(make: Callable[..., Path]) -> None:
    files = {NAMES[0]: clip(NAMES[0]), LISTED: clip(LISTED)}
    assert Store(make(files, name="without")).index["name"].tolist() == [NAMES[0]]
    assert Store(make(files, name="with", drop_listed_missing=False)).index["name"].tolist() == [NAMES[0], LISTED]


def test_malformed_files_are_set_aside_by_line(make: Callable[..., Path]) -> None:
    files = {**FILES, NAMES[1]: FILES[NAMES[1]][:5000]}
    folder = make(files, allow=1)
    assert Store(folder).index["name"].tolist() == [NAMES[0], NAMES[2]]
    aside = pd.read_csv(folder / "set_aside.csv")
    assert aside["file"].tolist() == [f"{NAMES[1]}.skeleton"]
    assert aside["line"].tolist() == [len(files[NAMES[1]].splitlines())]
    assert repairs(folder)[ntu_clips.MALFORMED] == (1, 0)


def test_too_many_malformed_files_leave_nothing(make: Callable[..., Path], tmp_path: Path) -> None:
    files = {**FILES, NAMES[0]: b"", NAMES[1]: FILES[NAMES[1]][:5000]}
    with pytest.raises(TooManyMalformed) as caught:
        make(files, allow=1)
    assert all(f"{name}.skeleton, line " in str(caught.value) for name in NAMES[:2])
    assert "normalize.allow_malformed" in str(caught.value)
    assert list((tmp_path / "store").iterdir()) == []


def test_a_clip_without_bodies_is_set_aside_and_does_not_stop_the_stage(make: Callable[..., Path]) -> None:
    folder = make({**FILES, NAMES[2]: text([[], [], []])})
    assert len(Store(folder)) == 2
    assert repairs(folder)[ntu_clips.NO_BODY] == (1, 3)
    assert "no body is left of 0 in 3 frames" in (folder / "set_aside.csv").read_text()


def test_nothing_left_at_all_is_an_error(make: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ArchiveMismatch, match="no clip is left"):
        make({LISTED: b"", NAMES[0]: text([[]])})
    assert list((tmp_path / "store").iterdir()) == []


def test_nan_is_an_error_by_line_where_it_is_refused(make: Callable[..., Path]) -> None:
    joints: list[list[object]] = pose().tolist()
    joints[24][2] = "NaN"
    folder = make({NAMES[0]: text([[(1, joints)]]), NAMES[1]: FILES[NAMES[1]]}, allow=1, not_a_number="reject")
    assert pd.read_csv(folder / "set_aside.csv")["line"].tolist() == [29]


def test_body_coordinates_have_their_own_unit(make: Callable[..., Path]) -> None:
    assert Store(make(FILES, centre="body_per_frame")).meta.unit == "lengths of the spine"


MANY = {
    f"S002C{c:03}P{p:03}R001A{a:03}": clip(f"S002C{c:03}P{p:03}R001A{a:03}", 3)
    for c in (1, 2)
    for p in (3, 7)
    for a in range(1, 24)
}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_processes_folders_and_zips_give_the_same_bytes(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(MANY) > 2 * ntu_clips.CHUNK
    monkeypatch.setattr(executors, "granted", lambda: 2)
    parallel = contents(make(MANY, name="parallel"))
    monkeypatch.setattr(executors, "granted", lambda: 1)
    assert contents(make(MANY, name="alone")) == parallel
    assert contents(make(dict(reversed(MANY.items())), name="folder", form="folder")) == parallel
    assert set(parallel) == {"frames.npy", "index.csv", "meta.json", "repairs.csv", "set_aside.csv"}


def test_an_error_in_a_process_arrives_whole(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(executors, "granted", lambda: 2)
    spoilt = sorted(MANY)[40]
    with pytest.raises(TooManyMalformed, match=f"{spoilt}.skeleton, line 1: "):
        make({**MANY, spoilt: b"?"})
    assert list((tmp_path / "store").iterdir()) == []


def test_a_zip_among_the_raw_files_comes_before_the_users_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_project(tmp_path, monkeypatch)
    monkeypatch.setenv("NTU_SOURCE", str(write_zip(tmp_path / "user.zip", FILES)))
    (tmp_path / "raw").mkdir()
    assert ntu.NTU.locate(tmp_path / "raw") == (tmp_path / "user.zip",)
    inside = write_zip(tmp_path / "raw" / "synthetic.zip", FILES)
    assert ntu.NTU.locate(tmp_path / "raw") == (inside,)


def test_a_missing_record_is_an_error_only_for_the_users_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: NtuNormalize
) -> None:
    in_a_project(tmp_path, monkeypatch)
    monkeypatch.setenv("NTU_SOURCE", str(write_zip(tmp_path / "user.zip", FILES)))
    (tmp_path / "raw").mkdir()
    with pytest.raises(RawDataMissing, match="no record of the raw files"):
        ntu.NTU.normalize(tmp_path / "raw", tmp_path / "store", section, 0)
    write_zip(tmp_path / "raw" / "synthetic.zip", FILES)
    ntu.NTU.normalize(tmp_path / "raw", tmp_path / "store", section, 0)
    assert len(Store(tmp_path / "store")) == 3


class Counting(Executor):
    """Does a job only when its result is asked for; remembers how many were waiting at most."""

    def __init__(self) -> None:
        self.waiting, self.most = 0, 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        executor = self

        class Late(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                executor.waiting -= 1
                return fn(*args, **kwargs)

        self.waiting += 1
        self.most = max(self.most, self.waiting)
        return Late()


@pytest.mark.parametrize(("jobs", "most"), [(100, 8), (3, 3), (0, 0)])
def test_results_come_in_order_and_few_jobs_wait(jobs: int, most: int) -> None:
    pool = Counting()
    assert list(ntu_clips.in_order(pool, lambda n: n * n, range(jobs), 8)) == [n * n for n in range(jobs)]
    assert (pool.most, pool.waiting) == (most, 0)
