"""UTKinect-Action3D: takes, intervals with the faults of the published ones, repairs with known answers; and the real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.config import params
from pipeline.core.skeletons import Store
from pipeline.datasets.shared import kinect
from pipeline.datasets.shared import registry as datasets
from pipeline.datasets.shared.errors import MalformedSkeleton, RawDataMissing, SplitMismatch, TooManyMalformed
from pipeline.datasets.shared.settings import SourceDownload
from pipeline.datasets.utkinect import dataset as utkinect
from pipeline.datasets.utkinect import intervals as labels
from pipeline.datasets.utkinect.intervals import ACTIONS, Interval
from pipeline.datasets.utkinect.settings import UtkinectNormalize
from tests.conftest import ROOT

OFF = UtkinectNormalize(
    corrections=False,
    no_interval="reject",
    overlaps="keep",
    repeated_frames="keep",
    centre="none",
    largest_coordinate=0.0,
    largest_step=0.0,
)


def switched(**changes: object) -> UtkinectNormalize:
    return OFF.model_copy(update=changes)


def take(*frames: int) -> str:
    """A joints file: in its line k (from 1) all x are k, y the frame number, z the joint's number plus 1."""
    return "".join(
        f"{frame}   " + "  ".join(f"{k} {frame} {joint}" for joint in range(1, 21)) + "  \n" for k, frame in enumerate(frames, 1)
    )


def written(folder: Path, text: str, **takes: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "actionLabel.txt").write_text(text)
    for name, content in takes.items():
        (folder / f"joints_{name}.txt").write_text(content)
    return folder


def store(tmp_path: Path, section: UtkinectNormalize, text: str, allowed: int = 0, **takes: str) -> Store:
    utkinect.normalize(written(tmp_path / "raw", text, **takes), tmp_path / "store", section, allowed)
    return Store(tmp_path / "store")


def repairs(folder: Path) -> dict[str, tuple[str, int, int]]:
    table = pd.read_csv(folder / "repairs.csv", keep_default_na=False)
    assert list(table.columns) == ["repair", "rule", "samples", "frames"]
    return {row.repair: (str(row.rule), row.samples, row.frames) for row in table.itertuples()}


def lines_of(found: Store, i: int) -> list[int]:
    """Which lines of the take a clip has, by the x of its joints."""
    return [int(x) for x in found.clip(i)[:, 0, 0, 0]]


# --- labels -----------------------------------------------------------------------------------------------------------


def test_intervals_of_takes_are_read() -> None:
    text = b"s01_e01\r\nwalk: 252 390\r\nstandUp: 704 752 \r\ns10_e02\r\ncarry: NaN NaN\r\n\r\n"
    assert labels.parse(text) == {
        "s01_e01": [Interval("s01_e01", "walk", (252, 390), 2), Interval("s01_e01", "standUp", (704, 752), 3)],
        "s10_e02": [Interval("s10_e02", "carry", None, 5)],
    }


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("walk: 1 2", 1, "expected a take such as s01_e01, or an action with its first and last frame, found 'walk: 1 2'"),
        ("s01_e01\nwalk 1 2", 2, "found 'walk 1 2'"),
        ("s01_e01\nwalk: 1", 2, "found 'walk: 1'"),
        ("s01_e01\nwalk: 1 2.5", 2, "found 'walk: 1 2.5'"),
        ("s01_e01\n\nwalk: 1 2", 2, "found ''"),
        ("s01_e01\nrun: 1 2", 2, "expected each of walk, sitDown, "),
        ("s01_e01\nwalk: 1 2\nwalk: 3 4", 3, "once, found walk"),
        ("s01_e01\nwalk: 3 2", 2, "expected first and last frame, found 3 and 2"),
        ("s01_e01\nwalk: 1 2\ns01_e01", 3, "expected each take once, found s01_e01 again"),
    ],
)
def test_malformed_labels_are_named(text: str, line: int, reason: str) -> None:
    with pytest.raises(MalformedSkeleton) as caught:
        labels.parse(text.encode())
    assert (caught.value.file, caught.value.line) == ("actionLabel.txt", line)
    assert reason in caught.value.reason


def test_an_action_ends_where_the_next_begins() -> None:
    bounds = {"walk": (10, 50), "sitDown": (40, 60), "standUp": (60, 70), "carry": None, "pull": (1, 5), "push": (3, 9)}
    found = labels.cut([Interval("s01_e01", action, bound, 1) for action, bound in bounds.items()])
    assert {i.action: i.bounds for i in found} == bounds | {"walk": (10, 40), "pull": (1, 3)}


def test_the_known_error_is_corrected_where_it_is_the_published_one() -> None:
    published = Interval("s03_e01", "push", (2556, 3622), 1)
    assert labels.corrected(published).bounds == (3556, 3622)
    for other in (published._replace(bounds=(3000, 3622)), published._replace(take="s03_e02"), published._replace(action="pull")):
        assert labels.corrected(other) == other


# --- takes ------------------------------------------------------------------------------------------------------------


def test_the_61_numbers_of_a_line_find_their_places() -> None:
    found = utkinect.parse(" ".join(str(n) for n in [190, *range(1, 61)]).encode(), "f", "s01_e01")
    assert found.frames.tolist() == [190] and found.skeletons.shape == (1, 20, 3)
    assert found.skeletons[0, 0].tolist() == [1, 2, 3]  # hip centre
    assert found.skeletons[0, 3].tolist() == [10, 11, 12]  # head
    assert found.skeletons[0, 19].tolist() == [58, 59, 60]  # right foot


MALFORMED = {
    "too few": ("4 " + "1 " * 59, "expected 61 numbers separated by blanks, found 60"),
    "word": ("4 abc " + "1 " * 59, "expected a finite number in field 2, found 'abc'"),
    "NaN": ("4 NaN " + "1 " * 59, "expected a finite number in field 2, found 'NaN'"),
    "frame falls": ("1 " + "1 " * 60, "expected the number of a frame, at least 2, found 1"),
    "half a frame": ("4.5 " + "1 " * 60, "expected the number of a frame, at least 2, found 4.5"),
    "zeros": ("4 " + "0 " * 60, "expected a skeleton, found zeros alone"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_take_that_cannot_be_read_is_set_aside_as_a_whole(kind: str, tmp_path: Path) -> None:
    line, reason = MALFORMED[kind]
    text = "s01_e01\nwalk: 2 2\npush: 2 6\ns01_e02\nwalk: 2 4\n"
    takes = {"s01_e01": take(2) + line + "\n" + take(6), "s01_e02": take(2, 4)}
    with pytest.raises(TooManyMalformed) as caught:
        store(tmp_path, OFF, text, **takes)
    assert "joints_s01_e01.txt, line 2: " in str(caught.value) and reason in str(caught.value)
    assert not (tmp_path / "store").exists()
    found = store(tmp_path, OFF, text, allowed=1, **takes)
    assert found.index["name"].tolist() == ["s01_e02_a01"]
    assert repairs(tmp_path / "store")["malformed"] == ("set aside", 1, 0)


def test_a_take_with_numbers_that_no_body_has_is_set_aside(tmp_path: Path) -> None:
    """In line 3 the left hand is 9 m nearer than the line before."""
    lines = [line.split() for line in take(2, 4, 6).splitlines()]
    lines[2][1 + 3 * 7 + 2] = "-1"
    wild = "\n".join(map(" ".join, lines))
    text = "s01_e01\nwalk: 2 6\ns01_e02\nwalk: 2 6\n"
    limits = switched(largest_coordinate=30.0, largest_step=8.0)
    said = r"joints_s01_e02\.txt, line 3: frame 3, left hand: a step of 9\.27362 .*normalize\.utkinect\.largest_step: 8"
    with pytest.raises(TooManyMalformed, match=said):
        store(tmp_path, limits, text, s01_e01=take(2, 4, 6), s01_e02=wild)
    assert store(tmp_path, limits, text, 1, s01_e01=take(2, 4, 6), s01_e02=wild).index["name"].tolist() == ["s01_e01_a01"]


def test_what_belongs_to_nothing_is_set_aside(tmp_path: Path) -> None:
    """An interval without a frame, a take without intervals, an empty take; intervals of a take that is not there: a part."""
    text = "s01_e01\nwalk: 2 4\npush: 20 30\ns01_e02\nwalk: 1 2\ns09_e01\nwalk: 1 9\n"
    found = store(tmp_path, OFF, text, 3, s01_e01=take(2, 4), s01_e02="", s02_e01=take(1))
    assert found.index["name"].tolist() == ["s01_e01_a01"]
    assert pd.read_csv(tmp_path / "store/set_aside.csv").to_numpy().tolist() == [
        ["actionLabel.txt", 3, "expected first and last frame of push, found no frame of it in the take"],
        ["joints_s01_e02.txt", 1, "expected skeletons, found an empty file"],
        ["joints_s02_e01.txt", 1, "expected the intervals of s02_e01 in actionLabel.txt, found none"],
    ]


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RawDataMissing, match="found none that can be read"):
        store(tmp_path, OFF, "s01_e01\nwalk: 2 4\n")
    with pytest.raises(RawDataMissing, match=r"actionLabel\.txt: no such file; run `dvc repro`"):
        utkinect.normalize(tmp_path / "nowhere", tmp_path / "store", OFF, 0)


# --- repairs with known answers ---------------------------------------------------------------------------------------


def test_everything_off_leaves_the_numbers_of_the_file(tmp_path: Path) -> None:
    """Both ends of an interval belong to it, whether there are frames of those numbers or not; repeated frames stay."""
    found = store(tmp_path, OFF, "s07_e02\nstandUp: 3 8\nclapHands: 8 99\n", s07_e02=take(2, 4, 4, 8, 10))
    columns = ["name", "subject", "partner", "camera", "setup", "replication", "action", "length", "bodies"]
    assert found.index[columns].to_numpy().tolist() == [
        ["s07_e02_a03", 7, 0, 0, 0, 2, 3, 3, 1],
        ["s07_e02_a10", 7, 0, 0, 0, 2, 10, 2, 1],
    ]
    assert lines_of(found, 0) == [2, 3, 4] and lines_of(found, 1) == [4, 5]
    assert found.clip(0)[0, 0, 19].tolist() == [2, 4, 20]
    assert found.meta.unit == "metres from the sensor"
    assert repairs(tmp_path / "store") == {
        "corrections": ("false", 0, 0),
        "overlaps": ("keep", 0, 0),
        "repeated_frames": ("keep", 0, 0),
        "centre": ("none", 0, 0),
        "no_interval": ("reject", 0, 0),
        "malformed": ("set aside", 0, 0),
    }


def test_of_several_skeletons_of_a_frame_the_first_stays(tmp_path: Path) -> None:
    section = switched(repeated_frames="first")
    found = store(tmp_path, section, "s01_e01\nwalk: 4 8\npush: 10 12\n", s01_e01=take(2, 4, 4, 4, 6, 8, 8, 10, 12))
    assert lines_of(found, 0) == [2, 5, 6] and lines_of(found, 1) == [8, 9]
    assert repairs(tmp_path / "store")["repeated_frames"] == ("first", 1, 3)


def test_overlaps_are_cut(tmp_path: Path) -> None:
    text = "s01_e01\npull: 10 14\npush: 2 14\nwalk: 14 16\n"
    found = store(tmp_path, switched(overlaps="cut"), text, s01_e01=take(2, 4, 6, 8, 10, 12, 14, 16))
    names = ["s01_e01_a08", "s01_e01_a07", "s01_e01_a01"]
    assert found.index["name"].tolist() == names  # the order of the file
    assert [lines_of(found, i) for i in range(3)] == [[5, 6, 7], [1, 2, 3, 4, 5], [7, 8]]
    assert repairs(tmp_path / "store")["overlaps"] == ("cut", 1, 2)


def test_the_correction_counts_the_frames_that_it_leaves_out(tmp_path: Path) -> None:
    frames = take(2556, 3300, 3554, 3556, 3622)
    text = "s03_e01\nthrow: 3200 3300\npush: 2556 3622\n"
    found = store(tmp_path, switched(corrections=True, overlaps="cut"), text, s03_e01=frames)
    assert lines_of(found, 1) == [4, 5]
    assert repairs(tmp_path / "store")["corrections"] == ("true", 1, 3)
    assert repairs(tmp_path / "store")["overlaps"] == ("cut", 0, 0)


def test_an_interval_without_frames_is_dropped_or_refused(tmp_path: Path) -> None:
    text = "s10_e02\ncarry: NaN NaN\nwalk: 2 4\n"
    with pytest.raises(TooManyMalformed, match=r"actionLabel\.txt, line 2: expected first and last frame of carry, found NaN"):
        store(tmp_path, OFF, text, s10_e02=take(2, 4))
    assert len(store(tmp_path, switched(no_interval="drop"), text, s10_e02=take(2, 4))) == 1
    assert repairs(tmp_path / "store")["no_interval"] == ("drop", 1, 0)


@pytest.mark.parametrize(
    ("rule", "expected"), [("hip_first_frame", [[0, 0, 0], [1, 2, 0]]), ("hip_per_frame", [[0, 0, 0], [0, 0, 0]])]
)
def test_centring(rule: str, expected: list[list[float]], tmp_path: Path) -> None:
    found = store(tmp_path, switched(centre=rule), "s01_e01\nwalk: 1 9\n", s01_e01=take(2, 4))
    assert found.clip(0)[:, 0, kinect.HIP].tolist() == expected
    assert found.clip(0)[0, 0, 3].tolist() == [0, 0, 3]
    assert found.meta == utkinect.META
    assert repairs(tmp_path / "store")["centre"] == (rule, 1, 2)


# --- what is the same for all -----------------------------------------------------------------------------------------


def test_the_body_of_the_first_kinect() -> None:
    joints = kinect.JOINTS
    swap = {"left": "right", "right": "left"}
    mirrored = [" ".join(swap.get(word, word) for word in joint.split()) for joint in joints]
    assert [joints[i] for i in kinect.MIRROR] == mirrored
    assert sorted(child for child, _ in kinect.BONES) == list(range(1, 20))  # a tree: one parent each, none of the hip centre
    for child, parent in kinect.BONES:
        side = {word for word in joints[child].split() + joints[parent].split() if word in swap}
        assert len(side) <= 1, "no bone from one side to the other"
    first = [joints[part[0]] for part in utkinect.META.parts]
    assert first == ["hip centre", "left shoulder", "right shoulder", "left hip", "right hip"]


def test_the_module_is_a_data_set_and_its_format() -> None:
    module = datasets.load("utkinect")
    assert module.FORMATS["utkinect"] is utkinect and not module.SYNTHETIC
    assert module.PROTOCOLS == {"utkinect": ("utkinect", "utkinect")}
    assert len(utkinect.META.actions) == len(ACTIONS) == 10 and sum(utkinect.SAMPLES.values()) == 199


def test_download_takes_labels_and_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "a", "s01_e01\n", s01_e01=take(2), s01_e02=take(4))
    (tmp_path / "a/readme.txt").write_text("x")
    utkinect.fetch(tmp_path / "out", SourceDownload(source=str(tmp_path / "a")))
    found = {path.name: path.read_text() for path in (tmp_path / "out/utkinect").iterdir()}
    assert found == {"actionLabel.txt": "s01_e01\n", "joints_s01_e01.txt": take(2), "joints_s01_e02.txt": take(4)}
    said = capsys.readouterr().err
    assert "utkinect: a part: 2 of 20 takes" in said and "HAU3D workshop at CVPR 2012" in said


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    advice = r"Get the skeletons \(joints\.zip\) and actionLabel\.txt from http://cvrc.*UTKINECT_SOURCE"
    folder = written(tmp_path / "a", "s01_e01\n")
    with pytest.raises(RawDataMissing, match=f"all joints files missing. {advice}"):
        utkinect.fetch(tmp_path / "out", SourceDownload(source=str(folder)))
    (folder / "actionLabel.txt").rename(folder / "joints_s01_e01.txt")
    with pytest.raises(RawDataMissing, match=f"actionLabel.txt missing. {advice}"):
        utkinect.fetch(tmp_path / "out", SourceDownload(source=str(folder)))
    with pytest.raises(RawDataMissing, match=advice):
        utkinect.fetch(tmp_path / "out", SourceDownload(source=""))
    assert not (tmp_path / "out").exists()


# --- protocol ---------------------------------------------------------------------------------------------------------


def made_up_index() -> pd.DataFrame:
    rows = [(f"s{subject:02}_{i:02}", subject, i % 10 + 1) for subject, n in utkinect.SAMPLES.items() for i in range(n)]
    return pd.DataFrame(rows, columns=["name", "subject", "action"])


def test_every_subject_is_tested_in_the_fold_of_its_number() -> None:
    index = made_up_index()
    table = utkinect.assign("utkinect", index)
    assert len(table) == 10 * 199 and not table.duplicated(["fold", "name"]).any()
    test = table[table["part"] == "test"]
    assert test.groupby("fold").size().tolist() == [20] * 9 + [19]
    assert (test["name"].str[1:3].astype(int) == test["fold"]).all()
    assert utkinect.groups("utkinect", index).tolist() == index["subject"].tolist()


def test_wrong_counts_and_protocols_are_refused() -> None:
    wrong = made_up_index()
    wrong.loc[0, "subject"] = 10
    with pytest.raises(SplitMismatch, match=r"UTKinect: expected samples by subject \(20, 20, .*found \(19, 20, "):
        utkinect.assign("utkinect", wrong)
    with pytest.raises(SplitMismatch, match="'sbu'"):
        utkinect.assign("sbu", made_up_index())


# --- the real recordings ----------------------------------------------------------------------------------------------


@pytest.fixture
def recordings(real: Callable[[str], Path], tmp_path: Path) -> Path:
    utkinect.fetch(tmp_path / "raw", SourceDownload(source=str(real("utkinect"))))
    return tmp_path / "raw" / "utkinect"


def normalized(raw: Path, folder: Path, **changes: object) -> Store:
    section = params.load(ROOT / "params.yaml").params.normalize.utkinect
    assert section is not None
    utkinect.normalize(raw, folder, section.model_copy(update=changes), 0)
    return Store(folder)


def test_the_real_data_have_199_clips_and_these_faults(recordings: Path, tmp_path: Path) -> None:
    found = normalized(recordings, tmp_path / "store")
    length = found.index["length"]
    assert (len(found), length.sum(), length.min(), length.median(), length.max()) == (199, 5864, 5, 28, 110)
    assert found.index["action"].value_counts().sort_index().tolist() == [20, 20, 20, 20, 19, 20, 20, 20, 20, 20]
    assert repairs(tmp_path / "store") == {
        "corrections": ("true", 1, 159),
        "overlaps": ("cut", 2, 30),
        "repeated_frames": ("first", 66, 161),
        "centre": ("hip_first_frame", 199, 5864),
        "no_interval": ("drop", 1, 0),
        "malformed": ("set aside", 0, 0),
    }


def test_as_published_the_real_clips_are_these(recordings: Path, tmp_path: Path) -> None:
    off = {"corrections": False, "overlaps": "keep", "repeated_frames": "keep", "centre": "none"}
    length = normalized(recordings, tmp_path / "store", **off).index["length"]
    assert (len(length), length.sum(), length.max()) == (199, 6222, 174)


def test_the_real_intervals_have_these_faults_and_no_others(recordings: Path) -> None:
    takes = labels.parse((recordings / "actionLabel.txt").read_bytes())
    assert len(takes) == 20 and {len(own) for own in takes.values()} == {10}
    assert [(i.take, i.action) for own in takes.values() for i in own if i.bounds is None] == [("s10_e02", "carry")]
    overlapping, touching = set(), 0
    for own in takes.values():
        timed = sorted((i for i in own if i.bounds), key=lambda i: i.bounds or (0, 0))
        for k, one in enumerate(timed):
            for other in timed[k + 1 :]:
                assert one.bounds and other.bounds
                if one.bounds[1] > other.bounds[0]:
                    overlapping.add((one.take, one.action, other.action))
                touching += one.bounds[1] == other.bounds[0]
    assert overlapping == {("s03_e01", "push", "throw"), ("s09_e01", "push", "pull"), ("s10_e02", "push", "pull")}
    assert touching == 8


def test_the_real_frame_numbers_rise_with_these_repetitions(recordings: Path) -> None:
    steps = []
    for file in sorted(recordings.glob("joints_*.txt")):
        found = utkinect.parse(file.read_bytes(), file.name, file.stem[7:])
        assert not (found.frames % 2).any()
        repeated = np.diff(found.frames) == 0
        assert not (np.diff(found.skeletons, axis=0)[repeated] == 0).all(axis=(1, 2)).any()  # never the same skeleton again
        steps.append(np.diff(found.frames))
    every = np.concatenate(steps)
    assert len(every) + 20 == 15860 and (every == 0).sum() == 542 and (every > 14).sum() == 11


def test_real_skeletons_stand_upright_and_most_face_the_sensor(recordings: Path, tmp_path: Path) -> None:
    found = normalized(recordings, tmp_path / "store", centre="none")
    frames = np.concatenate([found.clip(i)[:, 0] for i in range(len(found))])
    joint = {name: frames[:, i] for i, name in enumerate(kinect.JOINTS)}
    assert 1.2 < np.median(joint["head"][:, 1] - joint["left foot"][:, 1]) < 2.0
    assert np.median(joint["right shoulder"][:, 0] - joint["left shoulder"][:, 0]) > 0.2
    assert joint["hip centre"][:, 2].min() > 0.8
