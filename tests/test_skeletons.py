"""The skeleton store: what is written comes back, nothing half-written is taken for a store."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import StoreMismatch
from pipeline.core.skeletons import VERSION, Frames, Sample, Store, Writer
from pipeline.datasets.ntu.dataset import NTU
from pipeline.datasets.sbu import dataset as sbu
from tests.conftest import META

SAMPLES = [Sample(f"clip-{i}", 10 + i, i, 2, 3, 1, 1 + i % 3) for i in range(4)]


def frames(i: int) -> Frames:
    """3 + i frames of 1 or 2 bodies, other numbers in each clip."""
    return np.random.default_rng(i).normal(size=(3 + i, 1 + i % 2, 4, 3)).astype(np.float32)


def write(folder: Path) -> Path:
    with Writer(folder, META) as writer:
        for i, sample in enumerate(SAMPLES):
            writer.add(sample, frames(i))
    return folder


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    store = Store(write(tmp_path / "a" / "b"))
    assert len(store) == 4
    assert store.meta == META
    assert [Sample(*row[:7]) for row in store.index.itertuples(index=False)] == SAMPLES
    assert store.index["length"].tolist() == [3, 4, 5, 6]
    assert store.index["bodies"].tolist() == [1, 2, 1, 2]
    assert store.index["offset"].tolist() == [0, 3, 11, 16]
    for i in range(4):
        assert store.clip(i).dtype == np.float32
        np.testing.assert_array_equal(store.clip(i), frames(i))


def test_store_says_that_it_is_synthetic_and_says_nothing_otherwise(tmp_path: Path) -> None:
    assert "synthetic" not in json.loads((write(tmp_path / "recorded") / "meta.json").read_text())
    assert not Store(tmp_path / "recorded").meta.synthetic
    with Writer(tmp_path / "made", replace(META, synthetic=True)) as writer:
        writer.add(SAMPLES[0], frames(0))
    assert json.loads((tmp_path / "made" / "meta.json").read_text())["synthetic"] is True
    assert Store(tmp_path / "made").meta.synthetic


def test_files_of_a_store_and_its_digest(tmp_path: Path) -> None:
    folder = write(tmp_path / "store")
    assert sorted(path.name for path in folder.iterdir()) == ["frames.npy", "index.csv", "meta.json"]
    array = np.load(folder / "frames.npy")
    assert (array.dtype, array.shape) == (np.float32, (28, 4, 3))
    assert Store(folder).sha256 == hashlib.sha256((folder / "frames.npy").read_bytes()).hexdigest()
    header = "name,subject,partner,camera,setup,replication,action,offset,length,bodies"
    assert (folder / "index.csv").read_bytes().split(b"\n")[:2] == [header.encode(), b"clip-0,10,0,2,3,1,1,0,3,1"]


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = ({p.name: p.read_bytes() for p in write(tmp_path / name).iterdir()} for name in ("a", "b"))
    assert first == second


def test_clips_stay_on_disk_and_cannot_be_changed(tmp_path: Path) -> None:
    clip = Store(write(tmp_path / "store")).clip(1)
    base: object = clip
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        clip[0] = 0


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Writer(tmp_path / "store", META) as writer:
        writer.add(SAMPLES[0], frames(0))
        raise RuntimeError
    assert list((tmp_path / "store").iterdir()) == []


def test_a_later_writer_goes_on_with_kept_rows(tmp_path: Path) -> None:
    kept = tmp_path / "rows"
    with pytest.raises(RuntimeError), Writer(tmp_path / "store", META, kept) as writer:
        for i in (0, 1, 2):
            writer.add(SAMPLES[i], frames(i))
        writer.flush()
        raise RuntimeError
    assert list((tmp_path / "store").iterdir()) == []
    with Writer(tmp_path / "store", META, kept) as later:
        assert later.rows_on_disk() == 3 + 8 + 5
        later.resume(writer.index[:2], 3 + 8)
        for i in (2, 3):
            later.add(SAMPLES[i], frames(i))
    made, whole = (
        {p.name: p.read_bytes() for p in folder.iterdir()} for folder in (tmp_path / "store", write(tmp_path / "whole"))
    )
    assert made == whole
    assert kept.exists()


def test_nothing_has_its_final_name_before_the_end(tmp_path: Path) -> None:
    with Writer(tmp_path / "store", META) as writer:
        writer.add(SAMPLES[0], frames(0))
        assert [path.suffix for path in (tmp_path / "store").iterdir()] == [".partial"]
        with pytest.raises(StoreMismatch):
            Store(tmp_path / "store")


NAN = frames(0)
NAN[1, 0, 2, 1] = np.nan


@pytest.mark.parametrize(
    "wrong",
    [
        frames(0).astype(np.float64),
        np.zeros((3, 1, 5, 3), np.float32),
        np.zeros((3, 1, 4, 2), np.float32),
        np.zeros((3, 3, 4, 3), np.float32),
        np.zeros((3, 0, 4, 3), np.float32),
        np.zeros((0, 1, 4, 3), np.float32),
        NAN,
        np.full((3, 1, 4, 3), np.inf, np.float32),
    ],
    ids=["float64", "5 joints", "2 axes", "3 bodies", "no body", "no frame", "NaN", "infinity"],
)
def test_frames_that_do_not_fit_are_refused_by_name(tmp_path: Path, wrong: Frames) -> None:
    with pytest.raises(StoreMismatch, match="clip-0"), Writer(tmp_path / "store", META) as writer:
        writer.add(SAMPLES[0], wrong)
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("name", ["frames.npy", "index.csv", "meta.json"])
@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_a_store_with_a_damaged_file_is_refused(tmp_path: Path, name: str, damage: str) -> None:
    folder = write(tmp_path / "store")
    if damage == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"")
    with pytest.raises(StoreMismatch, match="dvc repro"):
        Store(folder)


def test_frames_cut_short_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "store")
    (folder / "frames.npy").write_bytes((folder / "frames.npy").read_bytes()[:-4])
    with pytest.raises(StoreMismatch):
        Store(folder)


@pytest.mark.parametrize("change", [{"version": VERSION + 1}, {"rows": 27}])
def test_another_version_or_other_rows_are_refused(tmp_path: Path, change: dict[str, int]) -> None:
    folder = write(tmp_path / "store")
    document = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**document, **change}))
    with pytest.raises(StoreMismatch, match="version"):
        Store(folder)


def test_names_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    with Writer(tmp_path / "store", META) as writer:
        writer.add(replace(SAMPLES[0], name="007"), frames(0))
    assert Store(tmp_path / "store").index["name"].tolist() == ["007"]


def test_parts_of_the_body() -> None:
    sbu_parts = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 13, 14))
    ntu_parts = ((0, 1, 2, 3, 20), (4, 5, 6, 7, 21, 22), (8, 9, 10, 11, 23, 24), (12, 13, 14, 15), (16, 17, 18, 19))
    assert (sbu.META.parts, NTU.META.parts) == (sbu_parts, ntu_parts)
