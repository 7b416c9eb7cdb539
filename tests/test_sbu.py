"""SBU's format: reader, repairs with known answers, official folds; and the facts of the real recordings."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.config import params
from pipeline.core.skeletons import Store
from pipeline.datasets.sbu import archives as sbu_archives
from pipeline.datasets.sbu import dataset as sbu
from pipeline.datasets.sbu.settings import SbuNormalize
from pipeline.datasets.shared import registry as datasets
from pipeline.datasets.shared.clips import smooth
from pipeline.datasets.shared.errors import ArchiveMismatch, MalformedSkeleton, RawDataMissing, SplitMismatch, TooManyMalformed
from tests.conftest import ROOT

OFF = SbuNormalize(
    denormalize=False,
    order="file",
    smooth="none",
    smooth_ends="keep",
    centre="none",
    largest_coordinate=0.0,
    largest_step=0.0,
)
SWAPPED = ("s01s03", "s02s01", "s02s07", "s03s02", "s03s04", "s03s05", "s03s06", "s06s04", "s07s01")
TORSO = 2


def switched(**changes: object) -> SbuNormalize:
    return OFF.model_copy(update=changes)


def still(frames: int = 1, a: float = 0.25, b: float = 0.75) -> np.ndarray:
    """Raw values `[T, 2, 15, 3]`: all joints of A at x = `a`, of B at x = `b`; y = 0.5, z = 1.5625."""
    raw = np.full((frames, 2, 15, 3), 0.5)
    raw[:, 0, :, 0], raw[:, 1, :, 0], raw[..., 2] = a, b, 1.5625
    return raw


def text(raw: np.ndarray, end: str = "\n", first: int = 55) -> str:
    rows = [",".join([str(first + i), *(repr(float(v)) for v in frame.ravel())]) for i, frame in enumerate(raw)]
    return "".join(row + end for row in rows)


def archive(folder: Path, name: str, files: dict[str, str | bytes]) -> Path:
    """`<folder>/<name>.zip` with a `skeleton_pos.txt` for every `<action>/<nnn>`."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as opened:
        for place, content in files.items():
            opened.writestr(f"{name}/{place}/skeleton_pos.txt", content)
    return folder


def store(tmp_path: Path, raw: np.ndarray, section: SbuNormalize) -> np.ndarray:
    """What one recording becomes: frames `[T, 2, 15, 3]`."""
    sbu.normalize(archive(tmp_path / "raw", "s01s02", {"01/001": text(raw)}), tmp_path / "store", section, 0)
    return np.array(Store(tmp_path / "store").clip(0))


def repairs(folder: Path) -> dict[str, tuple[str, int, int]]:
    table = pd.read_csv(folder / "repairs.csv", keep_default_na=False)
    assert list(table.columns) == ["repair", "rule", "samples", "frames"]
    return {row.repair: (str(row.rule), row.samples, row.frames) for row in table.itertuples()}


# --- reader -----------------------------------------------------------------------------------------------------------


def test_the_91_numbers_of_a_line_find_their_places() -> None:
    line = ",".join(str(n) for n in range(91)).encode()
    raw = sbu.parse(line, "f")
    assert raw.shape == (1, 2, 15, 3)
    assert raw[0, 0, 0].tolist() == [1, 2, 3]  # head of A
    assert raw[0, 0, TORSO].tolist() == [7, 8, 9]
    assert raw[0, 1, 0].tolist() == [46, 47, 48]  # head of B
    assert raw[0, 1, 14].tolist() == [88, 89, 90]  # right foot of B


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("after", ["", "\n", "\r\n\r\n \n"])
def test_line_ends_and_trailing_blank_lines_do_not_matter(end: str, after: str) -> None:
    raw = still(3)
    content = text(raw, end)
    assert np.array_equal(sbu.parse((content + after).encode(), "f"), raw)
    assert np.array_equal(sbu.parse(content.rstrip().encode(), "f"), raw)  # no last line break


FIELDS = text(still())[:-1].split(",")


def with_field(place: int, value: str) -> str:
    """A good line 56 with field `place` (from 1) replaced."""
    return ",".join(["56", *FIELDS[1 : place - 1], value, *FIELDS[place:]])


MALFORMED = {
    "too few": (",".join(["56", *FIELDS[1:-1]]), "expected 91 numbers separated by commas, found 90"),
    "too many": (",".join(["56", *FIELDS[1:], "0.5"]), "expected 91 numbers separated by commas, found 92"),
    "trailing comma": (",".join(["56", *FIELDS[1:], ""]), "found 92"),
    "cut": ("56,0.5,0.", "found 3"),
    "blank": ("", "found 1"),
    "word": (with_field(5, "abc"), "expected a finite number in field 5, found 'abc'"),
    "empty": (with_field(91, ""), "expected a finite number in field 91, found ''"),
    "NaN": (with_field(2, "NaN"), "expected a finite number in field 2, found 'NaN'"),
    "infinity": (with_field(3, "-inf"), "expected a finite number in field 3, found '-inf'"),
    "beyond float32": (with_field(4, "1e300"), "expected a finite number in field 4, found '1e300'"),
    "underscore": (with_field(4, "0.2_1"), "field 4, found '0.2_1'"),
    "lost line": (text(still(), first=57)[:-1], "expected frame 56, found 57"),
    "repeated line": (text(still(), first=55)[:-1], "expected frame 56, found 55"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_lines_are_named(kind: str, tmp_path: Path) -> None:
    line, reason = MALFORMED[kind]
    content = f"{text(still())}{line}\n{text(still(), first=57)}"
    raw = archive(tmp_path / "raw", "s01s02", {"01/001": text(still(6)), "02/003": content})
    with pytest.raises(TooManyMalformed) as caught:
        sbu.normalize(raw, tmp_path / "store", OFF, 0)
    assert "s01s02.zip:s01s02/02/003/skeleton_pos.txt, line 2: " in str(caught.value)
    assert reason in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_bytes_that_are_no_text_are_malformed() -> None:
    with pytest.raises(MalformedSkeleton, match=r"f, line 1: expected a finite number in field 1, found '\\xff\\xfe55'"):
        sbu.parse(b"\xff\xfe" + text(still()).encode(), "f")
    for empty in (b"", b"\r\n\n"):
        with pytest.raises(MalformedSkeleton, match="f, line 1: expected frames, found an empty file"):
            sbu.parse(empty, "f")


def test_as_many_as_allowed_are_set_aside(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"01/00{n}": "1,2\n" for n in (1, 2)}
    raw = archive(tmp_path / "raw", "s01s02", {**files, "08/001": text(still(2))})
    with pytest.raises(TooManyMalformed, match=r"^2 file\(s\) cannot be read, 1 allowed"):
        sbu.normalize(raw, tmp_path / "store", OFF, 1)
    sbu.normalize(raw, tmp_path / "store", OFF, 2)
    assert Store(tmp_path / "store").index["name"].tolist() == ["s01s02/08/001"]
    assert repairs(tmp_path / "store")["malformed"] == ("set aside", 2, 0)
    assert (tmp_path / "store/set_aside.csv").read_bytes() == b"file,line,reason\n" + b"".join(
        b's01s02.zip:s01s02/01/00%d/skeleton_pos.txt,1,"expected 91 numbers separated by commas, found 2"\n' % n for n in (1, 2)
    )


@pytest.mark.parametrize("files", [{}, {"01/001": ""}])
def test_no_readable_sequence_is_an_error(files: dict[str, str | bytes], tmp_path: Path) -> None:
    with pytest.raises(RawDataMissing, match="found none that can be read"):
        sbu.normalize(archive(tmp_path / "raw", "s01s02", files), tmp_path / "store", OFF, 9)
    assert not (tmp_path / "store").exists()


def test_damaged_and_foreign_archives_are_named(tmp_path: Path) -> None:
    raw = archive(tmp_path / "raw", "s01s02", {"01/001": text(still())})
    (raw / "s01s03.zip").write_bytes(b"PK")
    with pytest.raises(ArchiveMismatch, match=r"s01s03\.zip: not a complete zip archive"):
        sbu.normalize(raw, tmp_path / "store", OFF, 9)
    (raw / "s01s03.zip").rename(raw / "notes.zip")
    with pytest.raises(ArchiveMismatch, match=r"notes\.zip: expected archives named like s01s02\.zip"):
        sbu.normalize(raw, tmp_path / "store", OFF, 9)
    assert not (tmp_path / "store").exists()


def test_samples_carry_what_their_place_says(tmp_path: Path) -> None:
    raw = archive(tmp_path / "raw", "s07s03", {"08/003": text(still(2)), "01/002": text(still(3))})
    archive(raw, "s02s06", {"05/001": text(still(4))})
    sbu.normalize(raw, tmp_path / "store", OFF, 0)
    index = Store(tmp_path / "store").index
    columns = ["name", "subject", "partner", "camera", "setup", "replication", "action", "length", "bodies"]
    assert index[columns].to_numpy().tolist() == [
        ["s02s06/05/001", 2, 6, 0, 0, 1, 5, 4, 2],
        ["s07s03/01/002", 7, 3, 0, 0, 2, 1, 3, 2],
        ["s07s03/08/003", 7, 3, 0, 0, 3, 8, 2, 2],
    ]


# --- repairs with known answers ---------------------------------------------------------------------------------------


def test_everything_off_leaves_the_numbers_of_the_file(tmp_path: Path) -> None:
    raw = still(6, a=0.9, b=0.1)
    raw[3, 1, 4] = [0.11, 0.22, 0.33]
    assert np.array_equal(store(tmp_path, raw, OFF), raw.astype(np.float32))
    assert repairs(tmp_path / "store") == {
        "denormalize": ("false", 0, 0),
        "order": ("file", 0, 0),
        "smooth": ("none", 0, 0),
        "smooth_ends": ("keep", 0, 0),
        "centre": ("none", 0, 0),
        "malformed": ("set aside", 0, 0),
    }
    meta = Store(tmp_path / "store").meta
    assert "as in the files" in meta.unit and not meta.left_first


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([0.0, 0.0, 0.78125], [1.28, 0.96, 1.0]),
        ([0.5, 0.5, 0.78125], [0.0, 0.0, 1.0]),
        ([0.25, 0.75, 7.8125], [0.64, -0.48, 10.0]),
    ],
)
def test_denormalization_is_that_of_the_readme_in_thousands(raw: list[float], expected: list[float], tmp_path: Path) -> None:
    frames = store(tmp_path, np.broadcast_to(raw, (1, 2, 15, 3)), switched(denormalize=True, order="left_first"))
    assert np.allclose(frames, np.broadcast_to(expected, (1, 2, 15, 3)), atol=1e-7)
    assert repairs(tmp_path / "store")["denormalize"] == ("true", 1, 1)
    assert Store(tmp_path / "store").meta == sbu.META


def test_the_person_whose_torso_is_left_in_the_first_frame_comes_first(tmp_path: Path) -> None:
    raw = still(3, a=0.6, b=0.4)
    raw[0, :, 0, 0] = [0.1, 0.9]  # heads say the opposite, and so do later frames: neither counts
    raw[1:, :, TORSO, 0] = [0.1, 0.9]
    assert np.array_equal(store(tmp_path, raw, switched(order="left_first")), raw[:, ::-1].astype(np.float32))
    assert repairs(tmp_path / "store")["order"] == ("left_first", 1, 3)


@pytest.mark.parametrize("b", [0.6, 0.5])
def test_a_person_on_the_left_already_stays_first(b: float, tmp_path: Path) -> None:
    raw = still(3, a=0.5, b=b)
    raw[1:, :, TORSO, 0] = [0.9, 0.1]
    assert np.array_equal(store(tmp_path, raw, switched(order="left_first")), raw.astype(np.float32))
    assert repairs(tmp_path / "store")["order"] == ("left_first", 0, 0)


@pytest.mark.parametrize(
    ("length", "ends", "full", "interpolated"), [(9, "keep", 5, 0), (9, "interpolate", 5, 4), (4, "interpolate", 0, 0)]
)
def test_smoothed_frames_are_counted(length: int, ends: str, full: int, interpolated: int, tmp_path: Path) -> None:
    raw = np.cumsum(still(length), axis=0) ** 2
    raw[2, 1, 5, 1] += 35
    frames = store(tmp_path, raw, switched(smooth="savgol5", smooth_ends=ends))
    assert np.array_equal(frames, smooth(raw, "keep" if ends == "keep" else "interpolate").astype(np.float32))
    assert (frames[2, 1, 5, 1] != np.float32(raw[2, 1, 5, 1])) == (full > 0)
    counts = repairs(tmp_path / "store")
    assert counts["smooth"] == ("savgol5", int(full > 0), full)
    assert counts["smooth_ends"] == (ends, int(interpolated > 0), interpolated)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("torsos_per_frame", [[[-2, 0, 1], [2, 0, 1]], [[-3, 0, 1], [3, 0, 1]]]),
        ("torsos_first_frame", [[[-2, 0, 1], [2, 0, 1]], [[-1, 1, 1], [5, 1, 1]]]),
    ],
)
def test_centring(rule: str, expected: list[object], tmp_path: Path) -> None:
    raw = np.zeros((2, 2, 15, 3))
    raw[0, :, :, 0], raw[1, :, :, 0] = [[1], [5]], [[2], [8]]  # the middle moves from x = 3 to 5,
    raw[1, ..., 1] = 1  # and from y = 0 to 1
    raw[:, :, 0, 2] = 1  # heads one further away
    frames = store(tmp_path, raw, switched(centre=rule))
    assert frames[:, :, 0].tolist() == expected
    assert repairs(tmp_path / "store")["centre"] == (rule, 1, 2)


def test_the_default_steps_in_one(tmp_path: Path) -> None:
    """A on the right; constant in time, so smoothing changes nothing; distances of 0.5 in x become 1.28."""
    section = params.load(ROOT / "params.yaml").params.normalize.sbu
    frames = store(tmp_path, still(6, a=0.75, b=0.25), section)
    assert np.allclose(frames[:, 0], [0.64, 0, 0], atol=1e-6)
    assert np.allclose(frames[:, 1], [-0.64, 0, 0], atol=1e-6)
    assert repairs(tmp_path / "store") == {
        "denormalize": ("true", 1, 6),
        "order": ("left_first", 1, 6),
        "smooth": ("savgol5", 1, 2),
        "smooth_ends": ("keep", 0, 0),
        "centre": ("torsos_per_frame", 1, 6),
        "malformed": ("set aside", 0, 0),
    }


# --- numbers that no body has -----------------------------------------------------------------------------------------


PLAUSIBLE = {
    "far away": ((3, 1, 5, 0), 5000.0, "line 4: frame 4, left hand of body 2: x is 5000, beyond normalize.sbu.largest_"),
    "just too far": ((2, 0, 0, 2), -4.01, "line 3: frame 3, head of body 1: z is -4.01, beyond"),
    "a jump": ((4, 0, 14, 1), 1.6, "line 5: frame 5, right foot of body 1: a step of 1.1 since the frame before, beyond "),
}


@pytest.mark.parametrize("kind", PLAUSIBLE)
def test_numbers_that_no_body_has_are_named(kind: str, tmp_path: Path) -> None:
    place, value, said = PLAUSIBLE[kind]
    raw = still(6)
    raw[place] = value
    limits = switched(largest_coordinate=4.0, largest_step=1.0)
    files: dict[str, str | bytes] = {"02/003": text(raw), "08/001": text(still(6))}
    folder = archive(tmp_path / "raw", "s01s02", files)
    with pytest.raises(TooManyMalformed) as caught:
        sbu.normalize(folder, tmp_path / "store", limits, 0)
    assert f"s01s02.zip:s01s02/02/003/skeleton_pos.txt, {said}" in str(caught.value)
    sbu.normalize(folder, tmp_path / "store", limits, 1)
    assert Store(tmp_path / "store").index["name"].tolist() == ["s01s02/08/001"]
    assert repairs(tmp_path / "store")["malformed"] == ("set aside", 1, 0)


def test_what_is_just_within_the_limits_stays(tmp_path: Path) -> None:
    raw = still(6)
    raw[3, 1, 5] = [0.75 - 0.6, 0.5 + 0.8, 1.5625]  # a step of 1, there and back
    raw[:, 0, 1, 2] = 4.0
    assert np.array_equal(store(tmp_path, raw, switched(largest_coordinate=4.0, largest_step=1.0 + 1e-9)), raw.astype(np.float32))


@pytest.mark.parametrize(("place", "whose"), [((2, 1), "head of person B"), (2, "head of person A"), ((2, 0, 7), "right elbow")])
def test_a_person_or_a_joint_of_zeros_is_malformed(place: tuple[int, ...], whose: str) -> None:
    raw = still(4)
    raw[place] = 0
    with pytest.raises(MalformedSkeleton, match=f"f, line 3: expected 15 joints of each person, found 0, 0, 0 as the {whose}"):
        sbu.parse(text(raw).encode(), "f")


def test_people_who_change_sides_are_counted(tmp_path: Path) -> None:
    """In one clip A and B are exchanged from the fourth frame on, in one they change sides and back; in one nobody does."""
    swapped, twice = still(6), still(6)
    swapped[3:], twice[2:4] = swapped[3:, ::-1], twice[2:4, ::-1]
    files: dict[str, str | bytes] = {"01/001": text(swapped), "02/001": text(twice), "03/001": text(still(6))}
    sbu.normalize(archive(tmp_path / "raw", "s01s02", files), tmp_path / "store", OFF, 0)
    assert repairs(tmp_path / "store")["sides"] == ("counted: changed in mid-clip", 2, 3)


def test_repeating_gives_the_same_bytes(tmp_path: Path) -> None:
    raw = archive(tmp_path / "raw", "s01s02", {"01/001": text(still(6)), "02/001": "x"})
    for name in ("one", "two"):
        sbu.normalize(raw, tmp_path / name, switched(smooth="savgol5"), 1)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["frames.npy", "index.csv", "meta.json", "repairs.csv", "set_aside.csv"]
    assert all((tmp_path / "one" / n).read_bytes() == (tmp_path / "two" / n).read_bytes() for n in names)


# --- what is the same for all -----------------------------------------------------------------------------------------


def test_meta_is_consistent() -> None:
    meta, joints = sbu.META, sbu.META.joints
    assert [joints[i] for i in (0, 2, 5, 8, 11, 14)] == ["head", "torso", "left hand", "right hand", "left foot", "right foot"]
    swap = {"left": "right", "right": "left"}
    mirrored = [" ".join(swap.get(word, word) for word in joint.split()) for joint in joints]
    assert [joints[i] for i in meta.mirror] == mirrored
    assert sorted(child for child, _ in meta.bones) == [i for i in range(15) if i != TORSO]  # a tree: one parent each
    parent = dict(meta.bones)
    for joint in range(15):
        steps = 0
        while joint != TORSO:
            joint, steps = parent[joint], steps + 1  # noqa: PLW2901
            assert steps < 15
    assert meta.actions[3:5] == ("pushing", "shaking hands") and meta.actions[6:] == ("exchanging", "punching")
    assert (len(meta.actions), meta.bodies, meta.fps) == (8, 2, 15.0)


def test_the_module_is_a_data_set_and_its_format() -> None:
    module = datasets.load("sbu")
    assert module.FORMATS["sbu"] is sbu and module.PROTOCOLS == {"sbu": ("sbu", "sbu")} and not module.SYNTHETIC
    assert len(sbu.SETS) == 21 and tuple(sorted(name for fold in sbu.FOLDS for name in fold)) == sbu.SETS
    assert sbu_archives.TOTAL == 282


# --- protocol ---------------------------------------------------------------------------------------------------------


def made_up_index() -> pd.DataFrame:
    rows = [
        (f"{name}/{i % 8 + 1:02}/{i // 8 + 1:03}", int(name[1:3]), int(name[4:]))
        for name, count in sbu_archives.SEQUENCES.items()
        for i in range(count)
    ]
    return pd.DataFrame(rows, columns=["name", "subject", "partner"])


def test_every_sample_is_tested_once_and_trained_on_four_times() -> None:
    index = made_up_index()
    table = sbu.assign("sbu", index)
    assert list(table.columns) == ["fold", "name", "part"] and len(table) == 5 * 282
    assert not table.duplicated(["fold", "name"]).any()
    test = table[table["part"] == "test"]
    assert test.groupby("fold").size().tolist() == [55, 52, 56, 54, 65]
    assert sorted(test["name"]) == sorted(index["name"])
    assert table.groupby("fold").size().tolist() == [282] * 5 and set(table["part"]) == {"train", "test"}
    fold = dict(zip(test["name"].str[:6], test["fold"], strict=True))
    assert [fold[s] for s in ("s01s02", "s02s03", "s07s03", "s03s06", "s06s03")] == [1, 2, 3, 4, 5]


def test_a_part_of_the_data_is_divided_as_far_as_it_goes() -> None:
    index = made_up_index().query("name.str[:6] in ['s01s02', 's02s03']").iloc[10:20]
    table = sbu.assign("sbu", index)
    assert len(table) == 50
    assert table[table["part"] == "test"].groupby("fold").size().to_dict() == {1: 5, 2: 5}


def test_wrong_counts_sets_names_and_protocols_are_refused() -> None:
    index = made_up_index()
    wrong = index.copy()
    wrong.loc[0, "name"] = "s07s03/08/009"
    with pytest.raises(SplitMismatch, match=r"expected .*\(55, 52, 56, 54, 65\), found \(54, 52, 57, 54, 65\)"):
        sbu.assign("sbu", wrong)
    wrong.loc[0, "name"] = "s08s09/01/001"
    with pytest.raises(SplitMismatch, match="s08s09"):
        sbu.assign("sbu", wrong)
    with pytest.raises(SplitMismatch, match="s01s02/01/001 occur"):
        sbu.assign("sbu", pd.concat([index, index.iloc[:1]]))
    with pytest.raises(SplitMismatch, match="'ntu-cs'"):
        sbu.assign("ntu-cs", index)


def test_both_orders_of_a_pair_are_one_group() -> None:
    index = pd.DataFrame({"name": ["a", "b", "c"], "subject": [2, 1, 7], "partner": [1, 2, 3]}, index=[5, 3, 9])
    groups = sbu.groups("sbu", index)
    assert groups.to_dict() == {5: "1-2", 3: "1-2", 9: "3-7"}
    assert sbu.groups("sbu", made_up_index()).nunique() == 13


# --- the real recordings ----------------------------------------------------------------------------------------------


@pytest.fixture
def recordings(real: Callable[[str], Path]) -> Path:
    return real("sbu")


def normalized(raw: Path, folder: Path, **changes: object) -> Store:
    section = params.load(ROOT / "params.yaml").params.normalize.sbu.model_copy(update=changes)
    sbu.normalize(raw, folder, section, 0)
    return Store(folder)


def test_the_real_data_have_the_published_size(recordings: Path, tmp_path: Path) -> None:
    store = normalized(recordings, tmp_path / "store")
    length = store.index["length"]
    assert (len(store), length.sum(), length.min(), length.median(), length.max()) == (282, 6822, 10, 23, 46)
    assert store.index["action"].value_counts(sort=False).sort_index().tolist() == [42, 43, 40, 41, 18, 21, 39, 38]
    assert (store.index["bodies"] == 2).all()
    assert repairs(tmp_path / "store") == {
        "denormalize": ("true", 282, 6822),
        "order": ("left_first", 124, 3039),
        "smooth": ("savgol5", 282, 6822 - 4 * 282),
        "smooth_ends": ("keep", 0, 0),
        "centre": ("torsos_per_frame", 282, 6822),
        "malformed": ("set aside", 0, 0),
    }


def test_a_stands_right_in_exactly_nine_real_sets(recordings: Path, tmp_path: Path) -> None:
    ordered, asis = normalized(recordings, tmp_path / "a"), normalized(recordings, tmp_path / "b", order="file")
    swapped: dict[str, set[bool]] = {}
    for i, name in enumerate(ordered.index["name"]):
        one, two = ordered.clip(i), asis.clip(i)
        same, exchanged = np.array_equal(one, two), np.array_equal(one, two[:, ::-1])
        assert same != exchanged
        swapped.setdefault(name[:6], set()).add(exchanged)
    assert {name for name, found in swapped.items() if found == {True}} == set(SWAPPED)
    assert {name for name, found in swapped.items() if found == {False}} == set(sbu.SETS) - set(SWAPPED)


def test_real_skeletons_stand_upright_side_by_side_around_the_origin(recordings: Path, tmp_path: Path) -> None:
    store = normalized(recordings, tmp_path / "store")
    head, foot = sbu.JOINTS.index("head"), sbu.JOINTS.index("left foot")
    for i in range(len(store)):
        clip = store.clip(i)
        assert np.abs(clip[:, :, TORSO].mean(axis=1)).max() < 1e-6
        assert np.median(clip[:, :, head, 1] - clip[:, :, foot, 1]) > 0.3
        assert clip[0, 0, TORSO, 0] > clip[0, 1, TORSO, 0]  # X = 1280 - 2560x: left in the image is +X


def test_the_official_folds_of_the_real_data(recordings: Path, tmp_path: Path) -> None:
    index = normalized(recordings, tmp_path / "store").index
    table = sbu.assign("sbu", index)
    assert table[table["part"] == "test"].groupby("fold").size().tolist() == [55, 52, 56, 54, 65]
    assert index["name"].str[:6].value_counts().to_dict() == sbu_archives.SEQUENCES
