"""Stage `normalize`: every raw format of a data set into its store, all of them or none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import params as parameters
from pipeline.core.errors import ParamsError
from pipeline.core.skeletons import Meta, Sample, Store, Writer
from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.sbu.settings import SbuNormalize
from pipeline.datasets.shared.errors import MalformedSkeleton, RawDataMissing, TooManyMalformed
from pipeline.stages import download, normalize, split
from tests.conftest import META, document_of_params, in_a_project, write_params
from tests.skeleton_text import pose, text


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with the parameters of this one, as the current folder."""
    in_a_project(tmp_path, monkeypatch)
    return tmp_path


class Format:
    """A raw format: a folder of files with one number each."""

    META: Meta = META

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, type, int]] = []
        self.sections: list[object] = []

    def normalize(self, raw: Path, target: Path, section: object, allow_malformed: int) -> None:
        self.sections.append(section)
        self.calls.append((raw.as_posix(), target.name, type(section), allow_malformed))
        with Writer(target, META) as writer:
            for path in sorted(raw.iterdir()):
                if path.read_text() == "broken":
                    raise TooManyMalformed(str(MalformedSkeleton(path, 1, "broken")))
                frames = np.full((2, 1, 4, 3), float(path.read_text()), np.float32)
                writer.add(Sample(path.name, 1, 0, 0, 0, 1, 1), frames)


@dataclass
class Named:
    """The format with the type of its section."""

    reader: Format
    SECTION: type

    def normalize(self, *arguments: Any) -> None:
        self.reader.normalize(*arguments)


@pytest.fixture
def toys(project: Path, monkeypatch: pytest.MonkeyPatch) -> Format:
    """A data set `toys` of two raw formats under the names that params.yaml has sections for."""
    module, reader = ModuleType("pipeline.datasets.toys"), Format()
    formats = {"sbu": Named(reader, SbuNormalize), "ntu": Named(reader, NtuNormalize)}
    vars(module).update(FORMATS=formats, PROTOCOLS={})
    monkeypatch.setitem(sys.modules, "pipeline.datasets.toys", module)
    vary({})
    for store, number in (("sbu", "1.5"), ("ntu", "2.5")):
        folder = project / "data" / "raw" / "toys" / store
        folder.mkdir(parents=True)
        (folder / "clip").write_text(number)
    return reader


def values() -> list[float]:
    return [float(Store(Path("data/skeletons/toys") / store).clip(0)[0, 0, 0, 0]) for store in ("sbu", "ntu")]


def test_every_format_is_read_with_its_own_section(toys: Format) -> None:
    normalize.main("toys")
    assert values() == [1.5, 2.5]
    assert toys.calls == [("data/raw/toys/sbu", "sbu", SbuNormalize, 0), ("data/raw/toys/ntu", "ntu", NtuNormalize, 0)]
    assert [path.name for path in Path("data/skeletons").iterdir()] == ["toys"]


def vary(variants: dict[str, object]) -> None:
    """The data set has cells that read its plain stores, and these variants."""
    document = document_of_params()
    document["normalize"]["variants"] = variants
    document["protocols"] = {name: {"dataset": "toys", "store": name} for name in ("sbu", "ntu")}
    document["grid"] = {"toys": [{"protocols": ["sbu", "ntu"], "recipes": ["paper"], "methods": ["lstm"], "seeds": "demo"}]}
    write_params(document | {"use": {"groups": ["toys"], "datasets": {"toys": "pipeline/datasets"}}})


def test_variants_of_the_data_set_stand_beside_its_stores(toys: Format) -> None:
    vary({"toys": {"sbu-file-order": {"order": "file"}}, "sbu": {"sbu-unsmoothed": {"smooth": "none"}}})
    normalize.main("toys")
    folder = Path("data/skeletons/toys")
    assert sorted(path.name for path in folder.iterdir()) == ["ntu", "sbu", "sbu-file-order"]
    assert toys.calls[2] == ("data/raw/toys/sbu", "sbu-file-order", SbuNormalize, 0)
    assert [section.order for section in toys.sections if isinstance(section, SbuNormalize)] == ["left_first", "file"]
    plain, variant = (Store(folder / name).index["name"].tolist() for name in ("sbu", "sbu-file-order"))
    assert plain == variant  # so the splits of the plain store serve


@pytest.mark.parametrize("toys_store", ["ntu-file-order", "ntu"])
def test_store_of_a_raw_format_that_the_data_set_lacks(toys: Format, toys_store: str) -> None:
    document = parameters.read()
    document["normalize"]["variants"] = {"toys": {"ntu-file-order": {"order": "file"}}}
    document["protocols"]["ntu"]["store"] = toys_store
    write_params(document)
    del vars(sys.modules["pipeline.datasets.toys"])["FORMATS"]["ntu"]
    with pytest.raises(ParamsError, match=f"store {toys_store} of toys: expected a raw format of it: sbu"):
        normalize.main("toys")
    assert not list(Path("data/skeletons").glob("*"))


def test_what_was_there_is_replaced(toys: Format) -> None:
    normalize.main("toys")
    Path("data/skeletons/toys/sbu/old").touch()
    Path("data/raw/toys/ntu/clip").write_text("3.5")
    normalize.main("toys")
    assert values() == [1.5, 3.5]
    assert not Path("data/skeletons/toys/sbu/old").exists()


def test_a_failure_leaves_what_was_there(toys: Format) -> None:
    normalize.main("toys")
    Path("data/raw/toys/sbu/clip").write_text("9.5")
    Path("data/raw/toys/ntu/clip").write_text("broken")
    with pytest.raises(TooManyMalformed, match="clip, line 1: broken"):
        normalize.main("toys")
    assert values() == [1.5, 2.5]
    assert [path.name for path in Path("data/skeletons").iterdir()] == ["toys"]


def test_leftovers_of_a_killed_run_do_no_harm(toys: Format) -> None:
    leftover = Path("data/skeletons/toys.partial/sbu")
    leftover.mkdir(parents=True)
    (leftover / "frames.partial").write_bytes(b"half")
    normalize.main("toys")
    assert values() == [1.5, 2.5]
    assert not leftover.exists()


def test_raw_data_that_were_never_fetched(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "archive").mkdir()
    (project / "archive" / "S001C001P001R001A001.skeleton").write_bytes(text([[(1, pose().tolist())]]))
    monkeypatch.setenv("NTU_SOURCE", "archive")
    with pytest.raises(RawDataMissing, match="no record of the raw files"):
        normalize.main("ntu")
    assert not Path("data/skeletons/ntu").exists()


def test_the_three_real_ntu_files_from_download_to_split(
    project: Path, real: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NTU_SOURCE", str(real("ntu")))
    for stage in (download, normalize, split):
        stage.main("ntu")
    said = capsys.readouterr()
    assert "a part: 3 of 56,880 samples; subjects absent: 2, 4-7, 9-40; cameras absent: 2" in said.err
    assert "ntu-cs: 3 samples, subjects 1, 3, 8, cameras 1, 3\n  no samples of actions 2, 4-57, 59-60" in said.out
    store = Store(Path("data/skeletons/ntu/ntu"))
    assert store.index["name"].tolist() == ["S001C001P001R001A001", "S001C003P008R002A058", "S002C001P003R001A003"]
    assert store.index[["length", "bodies"]].to_numpy().tolist() == [[103, 1], [70, 2], [100, 1]]
    assert store.meta == ntu.NTU.META
    for i in range(3):
        np.testing.assert_array_equal(store.clip(i)[0, 0, 1], np.zeros(3))
        assert 0.3 < np.ptp(store.clip(i)[:, 0, :, 1], axis=1).mean() < 2.2  # metres: people, sitting or standing
    aside = Path("data/skeletons/ntu/ntu/set_aside.csv").read_text()
    assert aside == "file,line,reason\n"
    parts = {name: pd.read_csv(f"data/splits/ntu/{name}.csv")["part"].tolist() for name in ("ntu-cs", "ntu-cv")}
    assert parts == {"ntu-cs": ["train", "train", "test"], "ntu-cv": ["test", "train", "test"]}
