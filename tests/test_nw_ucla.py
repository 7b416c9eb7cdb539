"""Northwestern-UCLA: reader, repairs with known answers, protocols; and the published files with the copies among them."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import params
from pipeline.core.skeletons import Store
from pipeline.datasets.nw_ucla import dataset as nw_ucla
from pipeline.datasets.nw_ucla.settings import NwUclaNormalize
from pipeline.datasets.shared import kinect, sources
from pipeline.datasets.shared import registry as datasets
from pipeline.datasets.shared.errors import ArchiveMismatch, RawDataMissing, SplitMismatch, TooManyMalformed
from pipeline.datasets.shared.settings import SourceDownload
from pipeline.stages import split
from tests.conftest import ROOT

OFF = NwUclaNormalize(zero_joints="keep", centre="none", largest_coordinate=0.0, largest_step=0.0)
NAME = "a12_s03_e00_v02"


def walk(frames: int = 3) -> np.ndarray:
    """`[T, 20, 3]`: joint k at (t, k + 1, 3) in frame t."""
    raw = np.full((frames, 20, 3), 3.0)
    raw[..., 0], raw[..., 1] = np.arange(frames)[:, None], np.arange(1, 21)
    return raw


def recording(raw: object, name: str = NAME, **changes: object) -> bytes:
    document: dict[str, Any] = {
        "file_name": name,
        "label": nw_ucla.NUMBERS.index(int(name[1:3])) + 1,
        "skeletons": raw.tolist() if isinstance(raw, np.ndarray) else raw,
    }
    return json.dumps(document | changes).encode()


def store(tmp_path: Path, section: NwUclaNormalize, files: dict[str, bytes], allowed: int = 0) -> Store:
    sources.write_zip(tmp_path / "raw" / nw_ucla.ARCHIVE, {f"all_sqe/{name}.json": text for name, text in files.items()})
    nw_ucla.normalize(tmp_path / "raw", tmp_path / "store", section, allowed)
    return Store(tmp_path / "store")


def repairs(folder: Path) -> dict[str, tuple[str, int, int]]:
    table = pd.read_csv(folder / "repairs.csv", keep_default_na=False)
    assert list(table.columns) == ["repair", "rule", "samples", "frames"]
    return {row.repair: (str(row.rule), row.samples, row.frames) for row in table.itertuples()}


# --- reader -----------------------------------------------------------------------------------------------------------


def test_everything_off_leaves_the_numbers_of_the_file(tmp_path: Path) -> None:
    found = store(tmp_path, OFF, {NAME: recording(walk()), "a01_s10_e05_v03": recording(walk(1), "a01_s10_e05_v03")})
    columns = ["name", "subject", "partner", "camera", "setup", "replication", "action", "length", "bodies"]
    assert found.index[columns].to_numpy().tolist() == [
        ["a01_s10_e05_v03", 10, 0, 3, 0, 6, 1, 1, 1],
        ["a12_s03_e00_v02", 3, 0, 2, 0, 1, 10, 3, 1],
    ]
    assert np.array_equal(found.clip(1)[:, 0], walk().astype(np.float32))
    assert found.meta.unit == "metres from the sensor"
    assert repairs(tmp_path / "store") == {
        "zero_joints": ("keep", 0, 0),
        "centre": ("none", 0, 0),
        "malformed": ("set aside", 0, 0),
    }


def hole(value: object) -> list[Any]:
    frames = walk().tolist()
    frames[1][4][2] = value
    return frames


MALFORMED: dict[str, tuple[str, bytes, int, str]] = {
    "cut": (NAME, recording(walk())[:-9], 1, "expected JSON, found none: "),
    "no text": (NAME, b"\xff\xfe\x00", 1, "expected JSON, found none: "),
    "cut in line 3": (NAME, b'{\n"file_name": "a",\n"label', 3, "expected JSON"),
    "a list": (NAME, b"[1, 2]", 1, f"expected file_name '{NAME}', found None"),
    "another name": (NAME, recording(walk(), "a12_s03_e00_v03"), 1, f"expected file_name '{NAME}', found 'a12_s03_e00_v03'"),
    "another label": (NAME, recording(walk(), label=12), 1, "expected label 10, found 12"),
    "empty": (NAME, recording([]), 1, "expected skeletons [T][20][3] with T at least 1, all numbers"),
    "none": (NAME, recording(None), 1, "expected skeletons [T][20][3]"),
    "19 joints": (NAME, recording(walk()[:, 1:]), 1, "expected skeletons [T][20][3]"),
    "ragged": (NAME, recording([*walk().tolist(), walk(1)[0, 1:].tolist()]), 1, "expected skeletons [T][20][3]"),
    "word": (NAME, recording(hole("x")), 1, "expected skeletons [T][20][3] with T at least 1, all numbers"),
    "null": (NAME, recording(hole(None)), 1, "frame 2: expected finite coordinates"),
    "NaN": (NAME, recording(hole(float("nan"))), 1, "frame 2: expected finite coordinates"),
    "beyond float32": (NAME, recording(hole(1e300)), 1, "frame 2: expected finite coordinates"),
    "zeros": (NAME, recording(walk() * np.array([1, 1, 0])[:, None, None]), 1, "frame 3: expected a skeleton, found zeros"),
    "no such action": ("a07_s01_e00_v01", b"{}", 1, "expected a name aAA_sSS_eEE_vVV.json with an action of 1, 2, 3, 4, 5, 6, 8"),
    "no such subject": ("a01_s11_e00_v01", b"{}", 1, "subject 1-10, view 1-3"),
    "no such view": ("a01_s01_e00_v04", b"{}", 1, "subject 1-10, view 1-3"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_files_are_named(kind: str, tmp_path: Path) -> None:
    name, text, line, reason = MALFORMED[kind]
    files = {name: text, "a02_s01_e00_v01": recording(walk(), "a02_s01_e00_v01")}
    with pytest.raises(TooManyMalformed) as caught:
        store(tmp_path, OFF, files)
    assert f"{name}.json, line {line}: " in str(caught.value) and reason in str(caught.value)
    assert not (tmp_path / "store").exists()
    assert store(tmp_path, OFF, files, allowed=1).index["name"].tolist() == ["a02_s01_e00_v01"]
    assert repairs(tmp_path / "store")["malformed"] == ("set aside", 1, 0)


def test_nothing_to_read_and_damage_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RawDataMissing, match="no such file"):
        nw_ucla.normalize(tmp_path, tmp_path / "store", OFF, 0)
    with pytest.raises(RawDataMissing, match="found none that can be read"):
        store(tmp_path, OFF, {NAME: b"{}"}, allowed=1)
    (tmp_path / "raw" / nw_ucla.ARCHIVE).write_bytes(b"PK")
    with pytest.raises(ArchiveMismatch, match=r"all_sqe\.zip: not a complete zip archive"):
        nw_ucla.normalize(tmp_path / "raw", tmp_path / "store", OFF, 0)


# --- repairs with known answers ---------------------------------------------------------------------------------------


def test_joints_in_the_sensor_are_interpolated(tmp_path: Path) -> None:
    """Joint 4 is not seen in frames 0, 2, 3 of 5 and is at x = 10 and 40 in frames 1 and 4; joint 7 never is."""
    raw = walk(5)
    raw[[0, 2, 3], 4] = 0
    raw[[1, 4], 4, 0] = [10, 40]
    raw[:, 7] = 0
    found = store(tmp_path, OFF.model_copy(update={"zero_joints": "interpolate"}), {NAME: recording(raw)}).clip(0)[:, 0]
    assert found[:, 4, 0].tolist() == [10, 10, 20, 30, 40]
    assert found[:, 4, 1:].tolist() == [[5, 3]] * 5
    assert not found[:, 7].any()
    others = [j for j in range(20) if j not in (4, 7)]
    assert np.array_equal(found[:, others], raw[:, others].astype(np.float32))
    assert repairs(tmp_path / "store")["zero_joints"] == ("interpolate", 1, 5)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ((2, 3, 1), -1000.0, "frame 3, head: y is -1000, beyond normalize.nw_ucla.largest_coordinate: 30"),
        ((1, 19, 2), 12.0, "frame 2, right foot: a step of 9.05539 since"),
    ],
)
def test_numbers_that_no_body_has_are_named(place: tuple[int, ...], value: float, said: str, tmp_path: Path) -> None:
    limits = OFF.model_copy(update={"largest_coordinate": 30.0, "largest_step": 8.0})
    wild = walk()
    wild[place] = value
    with pytest.raises(TooManyMalformed, match=re.escape(f"{NAME}.json, line 1: {said}")):
        store(tmp_path, limits, {NAME: recording(wild)})


def test_a_joint_that_was_not_seen_makes_no_step(tmp_path: Path) -> None:
    far, hidden = (np.add(walk(), (0, 0, 6)) for _ in range(2))
    hidden[1, 4] = 0
    limits = OFF.model_copy(update={"largest_coordinate": 30.0, "largest_step": 8.0})
    assert len(store(tmp_path, limits, {NAME: recording(far), "a12_s03_e01_v02": recording(hidden, "a12_s03_e01_v02")})) == 2


@pytest.mark.parametrize(
    ("rule", "expected"), [("hip_first_frame", [[0, 0, 0], [1, 0, 0]]), ("hip_per_frame", [[0, 0, 0], [0, 0, 0]])]
)
def test_centring(rule: str, expected: list[list[float]], tmp_path: Path) -> None:
    found = store(tmp_path, OFF.model_copy(update={"centre": rule}), {NAME: recording(walk(2))})
    assert found.clip(0)[:, 0, kinect.HIP].tolist() == expected
    assert found.clip(0)[0, 0, 19].tolist() == [0, 19, 0]
    assert found.meta == nw_ucla.META
    assert repairs(tmp_path / "store")["centre"] == (rule, 1, 2)


# --- what is the same for all -----------------------------------------------------------------------------------------


def test_the_module_is_a_data_set_and_its_format() -> None:
    module = datasets.load("nw_ucla")
    assert module.FORMATS["nw_ucla"] is nw_ucla and not module.SYNTHETIC
    assert module.PROTOCOLS == {"nw-ucla-xview": ("nw_ucla", "xview"), "nw-ucla-xsub": ("nw_ucla", "xsub")}
    assert len(nw_ucla.META.actions) == 10 and nw_ucla.META.actions[6:8] == ("put on a garment", "take off a garment")


def test_every_form_of_a_source_gives_the_same_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {f"{name}.json": recording(walk(), name) for name in (NAME, "a01_s01_e00_v01")}
    (tmp_path / "a/all_sqe").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / "a/all_sqe" / name).write_bytes(text)
    with zipfile.ZipFile(tmp_path / "some.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in reversed(files.items()):
            archive.writestr(f"all_sqe/{name}", text)
            archive.writestr(f"__MACOSX/all_sqe/._{name}", b"x")
    for number, source in enumerate(("a", "some.zip")):
        nw_ucla.fetch(tmp_path / str(number), SourceDownload(source=str(tmp_path / source)))
    one, two = ((tmp_path / n / "nw_ucla/all_sqe.zip").read_bytes() for n in ("0", "1"))
    assert one == two
    assert "nw_ucla: a part: 2 of 1,484 recordings" in capsys.readouterr().err
    with pytest.raises(RawDataMissing, match=r"README of https://github\.com/Uason-Chen/CTR-GCN and set NW_UCLA_SOURCE"):
        nw_ucla.fetch(tmp_path / "out", SourceDownload(source=""))


# --- protocols --------------------------------------------------------------------------------------------------------


def test_views_and_subjects_divide() -> None:
    rows = [(f"a01_s{s:02}_e00_v{v:02}", s, v) for s in range(1, 11) for v in (1, 2, 3)]
    index = pd.DataFrame(rows, columns=["name", "subject", "camera"])
    for protocol, column, train in (("xview", "camera", {1, 2}), ("xsub", "subject", {1, 2, 4, 5, 8, 9})):
        table = nw_ucla.assign(protocol, index).merge(index, on="name")
        assert set(table[column][table["part"] == "train"]) == train
        assert set(table[column][table["part"] == "test"]) == set(index[column]) - train
        assert set(table["fold"]) == {1} and len(table) == 30
        assert nw_ucla.groups(protocol, index).tolist() == index["subject"].tolist()
    with pytest.raises(SplitMismatch, match="NW-UCLA has the protocols xview and xsub, not 'cs'"):
        nw_ucla.assign("cs", index)
    with pytest.raises(SplitMismatch, match="occur"):
        nw_ucla.assign("xview", pd.concat([index, index.iloc[:1]]))


def test_other_counts_of_a_complete_data_set_are_refused() -> None:
    index = pd.DataFrame({"name": map(str, range(1484)), "subject": 1, "camera": [1] * 1021 + [3] * 463})
    with pytest.raises(SplitMismatch, match=r"xview: expected \(1020, 464\) samples to train and test, found \(1021, 463\)"):
        nw_ucla.assign("xview", index)


# --- the real recordings ----------------------------------------------------------------------------------------------


@pytest.fixture
def recordings(real: Callable[[str], Path], tmp_path: Path) -> Path:
    nw_ucla.fetch(tmp_path / "raw", SourceDownload(source=str(real("nw-ucla"))))
    return tmp_path / "raw" / "nw_ucla"


def normalized(raw: Path, folder: Path, **changes: object) -> Store:
    section = params.load(ROOT / "params.yaml").params.normalize.nw_ucla
    assert section is not None
    nw_ucla.normalize(raw, folder, section.model_copy(update=changes), 0)
    return Store(folder)


def test_the_real_data_have_the_published_size(recordings: Path, tmp_path: Path) -> None:
    found = normalized(recordings, tmp_path / "store")
    length = found.index["length"]
    assert (len(found), length.sum(), length.min(), length.median(), length.max()) == (1484, 58534, 1, 31, 201)
    assert found.index["action"].value_counts().sort_index().tolist() == [150, 152, 141, 173, 148, 149, 142, 142, 145, 142]
    assert found.index["camera"].value_counts().sort_index().tolist() == [516, 504, 464]
    assert repairs(tmp_path / "store") == {
        "zero_joints": ("interpolate", 2, 2),
        "centre": ("hip_first_frame", 1484, 58534),
        "malformed": ("set aside", 0, 0),
    }
    sizes = {p: nw_ucla.assign(p, found.index)["part"].value_counts().to_dict() for p in ("xview", "xsub")}
    assert sizes == {"xview": {"train": 1020, "test": 464}, "xsub": {"train": 892, "test": 592}}


def test_95_real_test_clips_are_training_clips(recordings: Path, tmp_path: Path) -> None:
    """Also as the split holds out validation; without centring too, so it is no effect of it."""
    for centre in ("hip_first_frame", "none"):
        found = normalized(recordings, tmp_path / centre, centre=centre)
        digests = split.digests(found)
        tables = {
            protocol: split.hold_out(
                nw_ucla.assign(protocol, found.index), nw_ucla.groups(protocol, found.index), found.index, split.Split(0.08, 1)
            )
            for protocol in ("xview", "xsub")
        }
        equal = split.equal(tables["xview"], found.index, digests)
        assert len(equal) == 95 and equal["clips"].tolist() == [2] * 95
        assert equal["actions"].astype(int).value_counts().to_dict() == {2: 50, 3: 45}
        learned = equal["train"] + equal["validation"]
        assert equal["test"].str.replace("_v03", "_v02").tolist() == learned.tolist()
        test = tables["xview"][tables["xview"]["part"] == "test"]
        assert len(set(test["name"]) - set(" ".join(equal["test"]).split())) == 369
        across = split.equal_summary(split.equal(tables["xsub"], found.index, digests))
        assert "test clips with a copy in train or validation 0" in across and "groups within one part 95" in across


def test_views_1_and_2_of_subject_1_share_frames_of_other_clips_and_actions(recordings: Path, tmp_path: Path) -> None:
    found = normalized(recordings, tmp_path / "store", centre="none", zero_joints="keep")
    owners: dict[bytes, set[str]] = {}
    for i, name in enumerate(found.index["name"]):
        for frame in found.clip(i):
            owners.setdefault(frame.tobytes(), set()).add(name)
    shared = [tuple(sorted(names)) for names in owners.values() if len(names) > 1]
    pairs = pd.Series([pair for pair in shared if pair[0][:-1] != pair[1][:-1] or pair[0][:3] not in ("a02", "a03")])
    counts = pairs.value_counts()
    assert len(counts) == 18 and counts.iloc[0] == 111
    long = [pair for pair, frames in counts.items() if frames > 2]
    assert len(long) == 16
    assert {(name[:7], name[-3:]) for pair in long for name in pair} == {
        (action, view) for action in ("a08_s01", "a09_s01") for view in ("v01", "v02")
    }
    assert sum(one[:3] != other[:3] for one, other in long) == 9  # the same frames as another action


def test_real_skeletons_stand_upright(recordings: Path, tmp_path: Path) -> None:
    found = normalized(recordings, tmp_path / "store", centre="none")
    frames = np.concatenate([found.clip(i)[:, 0] for i in range(len(found))])
    joint = {name: frames[:, i] for i, name in enumerate(kinect.JOINTS)}
    assert 1.2 < np.median(joint["head"][:, 1] - joint["left foot"][:, 1]) < 2.0
    assert np.median(joint["right shoulder"][:, 0] - joint["left shoulder"][:, 0]) > 0.1
