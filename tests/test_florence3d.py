"""Florence 3D Actions: reader, axes found by looking, repairs with known answers, folds; and the facts of the real file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.config import params
from pipeline.core.skeletons import Store
from pipeline.datasets.florence3d import axes as florence_axes
from pipeline.datasets.florence3d import dataset as florence3d
from pipeline.datasets.florence3d.axes import Axes
from pipeline.datasets.florence3d.settings import Florence3dNormalize
from pipeline.datasets.shared import registry as datasets
from pipeline.datasets.shared.errors import (
    ArchiveMismatch,
    MalformedSkeleton,
    RawDataMissing,
    SplitMismatch,
    TooManyMalformed,
)
from pipeline.datasets.shared.settings import SourceDownload
from tests.conftest import ROOT

OFF = Florence3dNormalize(axes="file", centre="none", largest_coordinate=0.0, largest_step=0.0)
SPINE = 2
# x to the right shoulder's side, y up from the sensor, z away from it, in metres: somebody 1.5 m from ankles to head, 3 m away.
STANDING = np.array(
    [
        *[(0.1, 0.6, 3.0), (0.1, 0.35, 3.0), (0.1, 0.1, 3.0)],
        *[(-0.1, 0.3, 3.0), (-0.2, 0.1, 2.9), (-0.2, -0.1, 2.8), (0.3, 0.3, 3.0), (0.4, 0.1, 2.9), (0.4, -0.1, 2.8)],
        *[(0.0, -0.1, 3.0), (0.0, -0.5, 3.0), (0.0, -0.9, 3.0), (0.2, -0.1, 3.0), (0.2, -0.5, 3.0), (0.2, -0.9, 3.0)],
    ]
)


def walk(frames: int = 3, **moved: float) -> np.ndarray:
    """`[T, 15, 3]`: the standing person, who goes 0.5 m to the side in each frame, starting left of the sensor."""
    steps = np.zeros((frames, 1, 3))
    steps[:, 0, 0] = 0.5 * np.arange(frames) - 0.4
    return STANDING + steps


def lines(video: int, actor: int, category: int, frames: np.ndarray, end: str = "\n") -> str:
    head = f"{video} {actor} {category}"
    return "".join(f"{head} {' '.join(f'{v:.9g}' for v in frame.ravel())}{end}" for frame in frames)


def videos(text: str | bytes) -> list[florence3d.Video | MalformedSkeleton]:
    return list(florence3d.parse(text.encode() if isinstance(text, str) else text, "f"))


def store(tmp_path: Path, text: str, section: Florence3dNormalize, allowed: int = 0) -> Store:
    raw = tmp_path / "raw"
    raw.mkdir(exist_ok=True)
    (raw / florence3d.FILE).write_text(text)
    florence3d.normalize(raw, tmp_path / "store", section, allowed)
    return Store(tmp_path / "store")


def repairs(folder: Path) -> dict[str, tuple[str, int, int]]:
    table = pd.read_csv(folder / "repairs.csv", keep_default_na=False)
    assert list(table.columns) == ["repair", "rule", "samples", "frames"]
    return {row.repair: (str(row.rule), row.samples, row.frames) for row in table.itertuples()}


# --- reader -----------------------------------------------------------------------------------------------------------


def test_the_48_numbers_of_a_line_find_their_places() -> None:
    [video] = videos("7 2 3 " + " ".join(str(n) for n in range(1, 46)))
    assert isinstance(video, florence3d.Video)
    assert (video.number, video.actor, video.category, video.frames.shape) == (7, 2, 3, (1, 15, 3))
    assert video.frames[0, 0].tolist() == [1, 2, 3]  # head
    assert video.frames[0, SPINE].tolist() == [7, 8, 9]
    assert video.frames[0, 5].tolist() == [16, 17, 18]  # left wrist
    assert video.frames[0, 14].tolist() == [43, 44, 45]  # right ankle


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("after", ["", "\n", "\r\n\r\n \n"])
def test_line_ends_and_trailing_blank_lines_do_not_matter(end: str, after: str) -> None:
    found = videos(lines(1, 1, 1, walk(2), end) + lines(2, 1, 4, walk(3), end) + after)
    assert [(v.number, v.category, len(v.frames)) for v in found if isinstance(v, florence3d.Video)] == [(1, 1, 2), (2, 4, 3)]


def test_tabs_and_numbers_with_exponents_are_read() -> None:
    [video] = videos("1.0000000e+00\t2\t3" + "\t-1.5e-1" * 45)
    assert isinstance(video, florence3d.Video) and video.number == 1 and (video.frames == -0.15).all()


GOOD = lines(5, 1, 1, walk(1))[:-1].split()


def with_field(place: int, value: str) -> str:
    """A good line of video 5 with field `place` (from 1) replaced."""
    return " ".join([*GOOD[: place - 1], value, *GOOD[place:]])


MALFORMED = {
    "too few": (" ".join(GOOD[:-1]), "expected 48 numbers separated by blanks, found 47"),
    "too many": (" ".join([*GOOD, "1"]), "expected 48 numbers separated by blanks, found 49"),
    "cut": ("5 1 1 0.5 0.", "found 5"),
    "word": (with_field(9, "abc"), "expected a finite number in field 9, found 'abc'"),
    "NaN": (with_field(4, "NaN"), "expected a finite number in field 4, found 'NaN'"),
    "infinity": (with_field(4, "-inf"), "expected a finite number in field 4, found '-inf'"),
    "beyond float32": (with_field(4, "1e300"), "expected a finite number in field 4, found '1e300'"),
    "underscore": (with_field(4, "0.2_1"), "field 4, found '0.2_1'"),
    "another actor": (with_field(2, "2"), "expected actor 1 and category 1, as before in video 5, found 2 and 1"),
    "another category": (with_field(3, "2"), "expected actor 1 and category 1, as before in video 5, found 1 and 2"),
    "zeros": ("5 1 1" + " 0" * 45, "expected a skeleton, found zeros alone"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_lines_are_named(kind: str, tmp_path: Path) -> None:
    line, reason = MALFORMED[kind]
    text = lines(4, 1, 1, walk(2)) + lines(5, 1, 1, walk(1)) + line + "\n" + lines(6, 2, 1, walk(4))
    with pytest.raises(TooManyMalformed) as caught:
        store(tmp_path, text, OFF)
    assert "Florence_dataset_WorldCoordinates.txt, line 4: " in str(caught.value)
    assert reason in str(caught.value)
    assert not (tmp_path / "store").exists()
    found = store(tmp_path, text, OFF, allowed=1)
    assert found.index["name"].tolist() == ["v004_a01_c01", "v006_a02_c01"]  # no part of the video is used
    assert repairs(tmp_path / "store")["malformed"] == ("set aside", 1, 0)
    assert (tmp_path / "store/set_aside.csv").read_text().splitlines()[1].startswith("Florence_dataset_WorldCoordinates.txt,4,")


@pytest.mark.parametrize(
    ("place", "value", "what"),
    [(1, "0", "video"), (1, "1.5", "video"), (2, "0", "actor"), (2, "11", "actor, at most 10"), (3, "10", "category, at most 9")],
)
def test_numbers_that_there_are_not(place: int, value: str, what: str) -> None:
    [failure] = videos(with_field(place, value))
    assert isinstance(failure, MalformedSkeleton)
    assert f"expected the number of a {what}" in failure.reason and f"found {value}" in failure.reason


def test_a_video_that_comes_back_is_set_aside_as_a_whole() -> None:
    text = lines(1, 1, 1, walk(2)) + lines(2, 1, 1, walk(2)) + lines(1, 1, 1, walk(1)) + lines(3, 1, 1, walk(1))
    failure, *good = videos(text)
    assert isinstance(failure, MalformedSkeleton) and failure.line == 5
    assert failure.reason == "expected all lines of video 1 together, found others between them"
    assert [v.number for v in good if isinstance(v, florence3d.Video)] == [2, 3]


def test_a_line_without_its_head_spoils_the_video_around_it() -> None:
    """Neither half of video 1 is a clip."""
    found = videos(lines(1, 1, 1, walk(2)) + "0.25 0.5\n" + lines(1, 1, 1, walk(2)) + lines(2, 1, 1, walk(1)))
    assert [type(v).__name__ for v in found] == ["MalformedSkeleton", "MalformedSkeleton", "Video"]
    assert [v.line for v in found if isinstance(v, MalformedSkeleton)] == [4, 3]


@pytest.mark.parametrize("text", ["", "\r\n\n", "1 2 3\n"])
def test_no_readable_video_is_an_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(RawDataMissing, match="found none that can be read"):
        store(tmp_path, text, OFF, allowed=9)
    with pytest.raises(RawDataMissing, match="no such file"):
        florence3d.normalize(tmp_path / "nowhere", tmp_path / "store", OFF, 0)


def test_samples_carry_what_their_lines_say(tmp_path: Path) -> None:
    text = lines(1, 9, 3, walk(2)) + lines(2, 9, 3, walk(3)) + lines(12, 10, 9, walk(4))
    index = store(tmp_path, text, OFF).index
    columns = ["name", "subject", "partner", "camera", "setup", "replication", "action", "length", "bodies"]
    assert index[columns].to_numpy().tolist() == [
        ["v001_a09_c03", 9, 0, 0, 0, 1, 3, 2, 1],
        ["v002_a09_c03", 9, 0, 0, 0, 2, 3, 3, 1],
        ["v012_a10_c09", 10, 0, 0, 0, 1, 9, 4, 1],
    ]


# --- axes -------------------------------------------------------------------------------------------------------------


def disguised(frames: np.ndarray, order: tuple[int, ...], signs: tuple[int, ...], scale: float) -> np.ndarray:
    """The frames as another file has them: axis k of it is axis `order[k]`, times a sign, in another unit."""
    return frames[..., list(order)] * np.array(signs) * scale


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
@pytest.mark.parametrize(("unit", "scale"), [("metres", 1.0), ("millimetres", 1000.0)])
def test_any_order_sign_and_unit_is_found(order: tuple[int, ...], signs: tuple[int, ...], unit: str, scale: float) -> None:
    frames = walk(3)
    raw = disguised(frames, order, signs, scale)
    found = florence_axes.find(raw)
    assert isinstance(found, Axes) and found.unit == unit
    assert np.allclose(found.apply(raw), frames, atol=1e-9)


def test_somebody_who_never_crosses_the_middle_is_no_riddle() -> None:
    """People left of the sensor in all frames: the depth is the axis along which they are farther away."""
    frames = walk(1) - np.array([0.4, 0.0, 0.0])
    assert str(florence_axes.find(disguised(frames, (2, 0, 1), (1, 1, 1), 1000.0))) == "+2 +3 +1 of the file, millimetres"


RIDDLES = {
    "lying": (STANDING[:, [1, 0, 2]] + STANDING, "heads are above ankles along no single axis"),
    "centimetres": (STANDING * 100, "heads are 150 above ankles, which is 1 to 2 in neither metres nor millimetres"),
    "small": (STANDING * 0.5, "heads are 0.75 above ankles, which is 1 to 2 in neither"),
    "centred": (STANDING - STANDING[SPINE], "along no axis but the vertical everybody is 0.8 metres or more from the sensor"),
    "from the side": (STANDING * [0.1, 1, 1], r"shoulders are 0.04 apart along axis 1, less than 0.1 metres: people do not face"),
}


@pytest.mark.parametrize("kind", RIDDLES)
def test_what_cannot_be_told_is_refused(kind: str, tmp_path: Path) -> None:
    frame, reason = RIDDLES[kind]
    text = lines(1, 1, 1, frame[None])
    with pytest.raises(ArchiveMismatch, match=reason) as caught:
        store(tmp_path, text, OFF.model_copy(update={"axes": "upright"}))
    assert "set normalize.florence3d.axes to `file`" in str(caught.value)
    assert not (tmp_path / "store").exists()
    assert len(store(tmp_path, text, OFF)) == 1


# --- repairs with known answers ---------------------------------------------------------------------------------------


def test_everything_off_leaves_the_numbers_of_the_file(tmp_path: Path) -> None:
    found = store(tmp_path, lines(1, 1, 1, walk(2)), OFF)
    assert np.array_equal(found.clip(0)[:, 0], walk(2).astype(np.float32))
    assert found.meta.unit == "values as in the file"
    assert repairs(tmp_path / "store") == {
        "axes": ("file", 0, 0),
        "centre": ("none", 0, 0),
        "malformed": ("set aside", 0, 0),
    }


@pytest.mark.parametrize(
    ("rule", "expected"), [("torso_first_frame", [[0, 0, 0], [0.5, 0, 0]]), ("torso_per_frame", [[0, 0, 0], [0, 0, 0]])]
)
def test_centring(rule: str, expected: list[list[float]], tmp_path: Path) -> None:
    found = store(tmp_path, lines(1, 1, 1, walk(2)), OFF.model_copy(update={"centre": rule}))
    assert np.allclose(found.clip(0)[:, 0, SPINE], expected, atol=1e-6)
    assert np.allclose(found.clip(0)[0, 0, 0], [0, 0.5, 0], atol=1e-6)  # the head above the spine
    assert repairs(tmp_path / "store")["centre"] == (rule, 1, 2)


def test_the_default_steps_in_one(tmp_path: Path) -> None:
    section = params.load(ROOT / "params.yaml").params.normalize.florence3d
    assert section is not None
    raw = disguised(walk(4), (0, 2, 1), (1, 1, 1), 1000.0)
    found = store(tmp_path, lines(1, 1, 1, raw[:3]) + lines(2, 1, 2, raw[3:]), section)
    assert np.allclose(found.clip(0)[:, 0], walk(3) - STANDING[SPINE] + [0.4, 0, 0], atol=1e-6)
    assert np.allclose(found.clip(1)[:, 0], (STANDING - STANDING[SPINE])[None], atol=1e-6)
    assert found.meta == florence3d.META
    assert repairs(tmp_path / "store") == {
        "axes": ("upright: +1 +3 +2 of the file, millimetres", 2, 4),
        "centre": ("torso_first_frame", 2, 4),
        "malformed": ("set aside", 0, 0),
    }


# --- what is the same for all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (50.0, "head: x is 50, beyond normalize.florence3d.largest_coordinate: 10"),
        (5.1, "head: a step of 5 since the frame before, beyond normalize.florence3d.largest_step: 2"),
    ],
)
def test_numbers_that_no_body_has_are_named_in_metres(scale: float, value: float, said: str, tmp_path: Path) -> None:
    """In the third line of the file, the second frame of the second video, whatever the unit of the file."""
    section = params.load(ROOT / "params.yaml").params.normalize.florence3d
    assert section is not None
    good, wild = np.array([STANDING] * 2), np.array([STANDING] * 2)
    wild[1, 0, 0] = value
    text = lines(1, 1, 1, good[:1] * scale) + lines(2, 1, 1, wild * scale) + lines(3, 2, 1, good * scale)
    with pytest.raises(TooManyMalformed) as caught:
        store(tmp_path, text, section)
    assert f"{florence3d.FILE}, line 3: frame 2, {said}" in str(caught.value)
    assert store(tmp_path, text, section, 1).index["name"].tolist() == ["v001_a01_c01", "v003_a02_c01"]


def test_meta_is_consistent() -> None:
    meta, joints = florence3d.META, florence3d.META.joints
    swap = {"left": "right", "right": "left"}
    mirrored = [" ".join(swap.get(word, word) for word in joint.split()) for joint in joints]
    assert [joints[i] for i in meta.mirror] == mirrored
    assert sorted(child for child, _ in meta.bones) == [i for i in range(15) if i != SPINE]  # a tree: one parent each
    first = [joints[part[0]] for part in meta.parts]
    assert first == ["head", "left shoulder", "right shoulder", "left hip", "right hip"]
    assert (len(meta.actions), meta.bodies, meta.left_first) == (9, 1, False)


def test_the_module_is_a_data_set_and_its_format() -> None:
    module = datasets.load("florence3d")
    assert module.FORMATS["florence3d"] is florence3d and not module.SYNTHETIC
    assert module.PROTOCOLS == {"florence3d": ("florence3d", "florence3d")}
    assert florence3d.TOTAL == 215


# --- download ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Florence_dataset_WorldCoordinates.txt", "Florence_3d_actions_world_coordinates.txt"])
def test_both_known_names_give_the_same_raw_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = lines(1, 1, 1, walk(2)) + lines(2, 1, 1, walk(2))
    (tmp_path / "a").mkdir()
    with zipfile.ZipFile(tmp_path / "a/florence.zip", "w") as archive:
        archive.writestr(f"Florence_3d_actions/{name}", text)
        archive.writestr("Florence_3d_actions/Florence_dataset_Features.txt", "1 1 1 0.5")
    (tmp_path / name).write_text(text)
    for number, source in enumerate((tmp_path / "a", tmp_path / "a/florence.zip", tmp_path / name)):
        florence3d.fetch(tmp_path / str(number), SourceDownload(source=str(source)))
        files = [path for path in (tmp_path / str(number)).rglob("*") if path.is_file()]
        assert files == [tmp_path / str(number) / "florence3d" / florence3d.FILE]
        assert files[0].read_text() == text
    said = capsys.readouterr().err
    assert "florence3d: a part: 2 of 215 videos" in said and "HAU3D workshop at CVPR 2013" in said


def test_where_to_get_it_is_said(tmp_path: Path) -> None:
    for source in ("", str(tmp_path / "nowhere"), str(tmp_path)):
        with pytest.raises(RawDataMissing, match=r"Get the data set from https://www\.micc\.unifi\.it/.*FLORENCE3D_SOURCE"):
            florence3d.fetch(tmp_path / "out", SourceDownload(source=source))
    for name in ("Florence_dataset_WorldCoordinates.txt", "Florence_3d_actions_world_coordinates.txt"):
        (tmp_path / name).write_text("1")
    with pytest.raises(ArchiveMismatch, match=r"expected one of .*found 2; remove the others"):
        florence3d.fetch(tmp_path / "out", SourceDownload(source=str(tmp_path)))
    assert not (tmp_path / "out").exists()


# --- protocol ---------------------------------------------------------------------------------------------------------


def made_up_index() -> pd.DataFrame:
    rows = [(f"a{actor:02}_{i:02}", actor, i % 9 + 1) for actor, count in florence3d.VIDEOS.items() for i in range(count)]
    return pd.DataFrame(rows, columns=["name", "subject", "action"])


def test_every_actor_is_tested_in_the_fold_of_its_number() -> None:
    index = made_up_index()
    table = florence3d.assign("florence3d", index)
    assert list(table.columns) == ["fold", "name", "part"] and len(table) == 10 * 215
    assert not table.duplicated(["fold", "name"]).any()
    test = table[table["part"] == "test"]
    assert test.groupby("fold").size().tolist() == [29, 18, 21, 19, 20, 22, 19, 24, 20, 23]
    assert (test["name"].str[1:3].astype(int) == test["fold"]).all()
    assert florence3d.groups("florence3d", index).tolist() == index["subject"].tolist()


def test_a_part_is_divided_in_the_folds_of_its_actors() -> None:
    table = florence3d.assign("florence3d", made_up_index().query("subject in [2, 7]"))
    assert table.groupby(["fold", "part"]).size().to_dict() == {
        **{(2, "test"): 18, (2, "train"): 19, (7, "test"): 19, (7, "train"): 18}
    }


def test_wrong_counts_actors_names_and_protocols_are_refused() -> None:
    index = made_up_index()
    wrong = index.copy()
    wrong.loc[0, "subject"] = 2
    with pytest.raises(SplitMismatch, match=r"Florence 3D: expected samples by subject \(29, 18, .*found \(28, 19, "):
        florence3d.assign("florence3d", wrong)
    wrong.loc[0, "subject"] = 11
    with pytest.raises(SplitMismatch, match="subjects 11, expected 1-10 only"):
        florence3d.assign("florence3d", wrong)
    with pytest.raises(SplitMismatch, match="a01_00 occur"):
        florence3d.assign("florence3d", pd.concat([index, index.iloc[:1]]))
    with pytest.raises(SplitMismatch, match="'sbu'"):
        florence3d.assign("sbu", index)


# --- the real recordings ----------------------------------------------------------------------------------------------


@pytest.fixture
def recordings(real: Callable[[str], Path], tmp_path: Path) -> Path:
    florence3d.fetch(tmp_path / "raw", SourceDownload(source=str(real("florence3d"))))
    return tmp_path / "raw" / "florence3d"


def normalized(raw: Path, folder: Path, **changes: object) -> Store:
    section = params.load(ROOT / "params.yaml").params.normalize.florence3d
    assert section is not None
    florence3d.normalize(raw, folder, section.model_copy(update=changes), 0)
    return Store(folder)


def test_the_real_data_have_the_published_size(recordings: Path, tmp_path: Path) -> None:
    found = normalized(recordings, tmp_path / "store")
    length = found.index["length"]
    assert (len(found), length.sum(), length.min(), length.median(), length.max()) == (215, 4016, 8, 18, 35)
    assert found.index["action"].value_counts().sort_index().tolist() == [24, 21, 22, 29, 26, 20, 20, 23, 30]
    assert found.index["subject"].value_counts().sort_index().to_dict() == florence3d.VIDEOS
    assert found.index.groupby(["subject", "action"]).size().agg(["min", "max", "size"]).tolist() == [2, 5, 90]
    assert repairs(tmp_path / "store") == {
        "axes": ("upright: +1 +3 +2 of the file, metres", 215, 4016),
        "centre": ("torso_first_frame", 215, 4016),
        "malformed": ("set aside", 0, 0),
    }


def test_real_skeletons_stand_upright_and_face_the_sensor(recordings: Path, tmp_path: Path) -> None:
    found = normalized(recordings, tmp_path / "store", centre="none")
    frames = np.concatenate([found.clip(i)[:, 0] for i in range(len(found))])
    joint = {name: frames[:, i] for i, name in enumerate(florence3d.JOINTS)}
    assert 1.0 < np.median(joint["head"][:, 1] - joint["left ankle"][:, 1]) < 2.0
    assert np.median(joint["right shoulder"][:, 0] - joint["left shoulder"][:, 0]) > 0.2
    assert joint["spine"][:, 2].min() > 2.0
    assert np.median(joint["right wrist"][:, 2] - joint["spine"][:, 2]) < 0  # hands before the body


def test_the_axes_of_each_real_actor_are_those_of_all(recordings: Path) -> None:
    found = [v for v in florence3d.parse((recordings / florence3d.FILE).read_bytes(), "f") if isinstance(v, florence3d.Video)]
    for actor in florence3d.VIDEOS:
        own = np.concatenate([v.frames for v in found if v.actor == actor])
        assert str(florence_axes.find(own)) == "+1 +3 +2 of the file, metres"


def test_the_folds_of_the_real_data(recordings: Path, tmp_path: Path) -> None:
    table = florence3d.assign("florence3d", normalized(recordings, tmp_path / "store").index)
    assert table[table["part"] == "test"].groupby("fold").size().to_dict() == florence3d.VIDEOS
