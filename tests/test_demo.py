"""The synthetic data: counts, formats and quirks by a parser of their own, planted evidence through the project's readers."""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pydantic import ValidationError

from pipeline.config import params as parameters
from pipeline.core.skeletons import Store
from pipeline.datasets.demo import dataset as demo
from pipeline.datasets.demo import files as demo_files
from pipeline.datasets.demo.files import Quirk
from pipeline.datasets.demo.settings import DemoDownload
from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.sbu import dataset as sbu
from tests.conftest import ROOT

# Sets in which person A stands on the right in the real recordings.
A_RIGHT = {"s01s03", "s02s01", "s02s07", "s03s02", "s03s04", "s03s05", "s03s06", "s06s04", "s07s01"}
# Least and greatest x, y, z in the 282 real SBU sequences.
SBU_RANGE = ((-0.122, 0.238, 0.776), (1.111, 1.361, 2.464))
CV_TRAIN_CAMERAS, CS_TRAIN_SUBJECTS = {2, 3}, {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}

Values = npt.NDArray[np.float64]
Body = tuple[int, list[list[str]]]  # track id, 25 lines of 12 fields


@dataclass(frozen=True)
class Made:
    """What the parameters of the project make: raw files, stores, NTU texts by sample."""

    section: DemoDownload
    raw: Path
    stores: dict[str, Store]
    texts: dict[str, bytes]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("demo")
    params = parameters.load(ROOT / "params.yaml").params
    demo.fetch(folder, params.download.demo)
    stores = {}
    for name, module in demo.FORMATS.items():
        module.normalize(folder / name, folder / f"{name}-store", getattr(params.normalize, name), 0)
        stores[name] = Store(folder / f"{name}-store")
    return Made(params.download.demo, folder, stores, texts_of(folder / "ntu" / "demo_skeletons.zip"))


@pytest.fixture
def small(made: Made) -> DemoDownload:
    return made.section.model_copy(
        update={"sbu_repeats": 1, "ntu_training": 1, "ntu_test": 1, "ntu_visitors": 0, "ntu_repeats": 1}
    )


def texts_of(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {Path(name).stem: opened.read(name) for name in opened.namelist()}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def parsed(text: bytes) -> list[list[Body]]:
    """The format to the letter: every count is right and nothing is left over; line breaks of one kind."""
    ending = b"\r\n" if b"\r\n" in text else b"\n"
    lines = text.decode("ascii").removesuffix(ending.decode()).split(ending.decode())
    at, frames = 1, []
    for _ in range(int(lines[0])):
        bodies: list[Body] = []
        at += 1
        for _ in range(int(lines[at - 1])):
            track, *state = lines[at].split(" ")
            joints = [line.split(" ") for line in lines[at + 2 : at + 27]]
            assert (len(state), lines[at + 1], {len(joint) for joint in joints}) == (9, "25", {12})
            bodies.append((int(track), joints))
            at += 27
        frames.append(bodies)
    assert at == len(lines)
    return frames


def positions(body: Body) -> Values:
    return np.array([[float(value) for value in joint[:3]] for joint in body[1]])


def ids_of(frames: list[list[Body]]) -> list[list[int]]:
    return [[track for track, _ in bodies] for bodies in frames]


# --- bytes ------------------------------------------------------------------------------------------------------------------


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(tmp_path: Path, small: DemoDownload) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        demo.fetch(tmp_path / name, small.model_copy(update={"seed": seed}))
    a, b, c = (files_of(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert all(a[name] != c[name] for name in a)


def test_more_of_one_kind_changes_no_recording_that_was_there(tmp_path: Path, small: DemoDownload) -> None:
    demo.fetch(tmp_path / "few", small)
    demo.fetch(tmp_path / "more", small.model_copy(update={"sbu_repeats": 2, "ntu_repeats": 2}))
    few, more = (texts_of(tmp_path / name / "ntu" / "demo_skeletons.zip") for name in ("few", "more"))
    odd = set(demo.ntu_quirks(small)) | set(demo.ntu_quirks(small.model_copy(update={"ntu_repeats": 2})))
    clean = few.keys() - odd
    assert len(clean) >= 5
    assert all(few[name] == more[name] for name in clean)


def test_only_the_documented_files_are_written(made: Made) -> None:
    expected = {f"sbu/{name}.zip" for name in sbu.SETS} | {"ntu/demo_skeletons.zip", "ntu/members.csv"}
    assert {p.relative_to(made.raw).as_posix() for d in ("sbu", "ntu") for p in (made.raw / d).iterdir()} == expected


def test_the_record_names_every_member_with_its_size_and_crc(made: Made) -> None:
    rows = list(csv.reader((made.raw / "ntu" / "members.csv").read_text().splitlines()))
    expected = [[f"{name}.skeleton", str(len(text)), f"{zlib.crc32(text):08x}"] for name, text in sorted(made.texts.items())]
    assert rows == [["name", "size", "crc32"], *expected]


def test_the_ntu_texts_stay_small(made: Made) -> None:
    assert sum(map(len, made.texts.values())) < 40_000_000


@pytest.mark.parametrize("change", [{"ntu_training": 0}, {"ntu_test": 21}, {"ntu_repeats": 3}, {"sbu_repeats": 0}])
def test_numbers_that_the_formats_cannot_name_are_turned_away(made: Made, change: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        DemoDownload.model_validate(made.section.model_dump() | change)


# --- SBU --------------------------------------------------------------------------------------------------------------------


def sbu_sequences(made: Made) -> dict[str, bytes]:
    sequences = {}
    for name in sbu.SETS:
        with zipfile.ZipFile(made.raw / "sbu" / f"{name}.zip") as opened:
            sequences |= {member: opened.read(member) for member in opened.namelist()}
    return sequences


def numbers(text: bytes) -> Values:
    assert text.endswith(b"\r\n")
    return np.array([[float(field) for field in line.split(b",")] for line in text.removesuffix(b"\r\n").split(b"\r\n")])


def test_sbu_has_every_set_action_and_repetition(made: Made) -> None:
    expected = {
        f"{name}/{action:02}/{repetition:03}/skeleton_pos.txt"
        for name in sbu.SETS
        for action in range(1, 9)
        for repetition in range(1, made.section.sbu_repeats + 1)
    }
    assert len(sbu.SETS) == 21
    assert sbu_sequences(made).keys() == expected


def test_sbu_lines_have_91_numbers_with_running_frames_in_the_real_range(made: Made) -> None:
    reach = np.zeros((30, 3))  # how far beyond the real recordings the evidence may go, in shares of the picture
    reach[list(demo.EVIDENCE["sbu"].gates), 1] = made.section.evidence_m / 1.92
    for member, text in sbu_sequences(made).items():
        rows = numbers(text)
        assert rows.shape[1] == 91, member
        assert 12 <= len(rows) <= 30, member
        assert (np.diff(rows[:, 0]) == 1).all(), member
        people = rows[:, 1:].reshape(-1, 2, 15, 3)
        points = (people[:, ::-1] if member[:6] in A_RIGHT else people).reshape(-1, 30, 3)
        assert (points >= SBU_RANGE[0] - reach).all(), member
        assert (points <= SBU_RANGE[1] + reach).all(), member


def test_person_a_stands_right_in_the_nine_sets_and_left_in_the_others(made: Made) -> None:
    for member, text in sbu_sequences(made).items():
        torsos = numbers(text)[:, 1:].reshape(-1, 2, 15, 3)[:, :, 2, 0]
        assert ((torsos[:, 0] > torsos[:, 1]) == (member[:6] in A_RIGHT)).all(), member


def test_sbu_coordinates_are_the_inverse_of_the_readme() -> None:
    scene = np.zeros((1, 2, 15, 3))
    scene[0, 0, 0] = (-0.64, 0.25, 0.4)  # metres about the scene's middle; x to the right, the README's X to the left
    row = numbers(demo_files.sbu_text(scene, 7, a_stands_right=False))[0]
    assert row[0] == 7
    x, y, z = row[1:4]
    ox, oy, oz = demo_files.SBU_ORIGIN
    assert (1280 - 2560 * x, 960 - 1920 * y, 10000 * z / 7.8125) == pytest.approx(
        (640 + 1000 * ox, 250 + 1000 * oy, 400 + 1000 * oz), abs=0.1
    )


# --- NTU --------------------------------------------------------------------------------------------------------------------


def test_ntu_has_every_subject_of_a_camera_with_each_repetition_and_action_once(made: Made) -> None:
    section = made.section
    found = [tuple(int(name[i : i + 3]) for i in (1, 5, 9, 13, 17)) for name in made.texts]
    training, test = sorted(CS_TRAIN_SUBJECTS), sorted(set(range(1, 41)) - CS_TRAIN_SUBJECTS)
    for camera in (1, 2, 3):
        seen = test[: section.ntu_test + (section.ntu_visitors if camera == 1 else 0)]
        subjects = {*training[: section.ntu_training], *seen}
        counts = Counter(sample[2:] for sample in found if sample[1] == camera)
        expected = {(s, r, a) for s in subjects for r in range(1, section.ntu_repeats + 1) for a in (8, 9, 23, 24, 51)}
        assert counts == dict.fromkeys(expected, 1)


def test_visitors_are_test_clips_of_both_protocols(made: Made) -> None:
    index = made.stores["ntu"].index
    test = sorted(set(range(1, 41)) - CS_TRAIN_SUBJECTS)[made.section.ntu_test :]
    visitors = set(index["name"][index["subject"].isin(test)])
    assert len(visitors) == 5 * made.section.ntu_repeats * made.section.ntu_visitors
    for protocol in ("cs", "cv"):
        table = demo.FORMATS["ntu"].assign(protocol, index)
        assert set(table["part"][table["name"].isin(visitors)]) == {"test"}


def test_no_sample_is_among_those_that_the_real_data_leaves_out(made: Made) -> None:
    assert len(ntu.NTU.listed_missing()) == 302
    every = made.section.model_copy(update={"ntu_training": 20, "ntu_test": 20, "ntu_repeats": 2})
    assert not ntu.NTU.listed_missing() & set(demo.ntu_names(every))


def content(frames: list[list[Body]], text: bytes) -> set[Quirk]:
    """What is odd about a file, seen from its text alone."""
    ids = ids_of(frames)
    sizes = Counter(track for frame in ids for track in frame)
    counts = [len(frame) for frame in ids]
    found = {
        Quirk.LF: b"\r\n" not in text,
        Quirk.NO_LAST_BREAK: not text.endswith(b"\n"),
        Quirk.EMPTY: counts[:2] == [0, 0],
        Quirk.NAN: b"NaN" in text,
        Quirk.EXPONENT: any(field == "5.861595E-06" for bodies in frames for _, js in bodies for j in js for field in j[:3]),
        Quirk.HOLE: any(a > b for a, b in pairwise(counts)) and counts[0] == counts[-1] == 2,
        Quirk.GHOST: min(sizes.values()) <= 11 and max(counts) == 2 and counts[0] == counts[-1] == 1,
        Quirk.CHANGED_ID: {72057594037930243, 72057594037930244} <= set(sizes),
        Quirk.FURNITURE: any(is_flat(positions(body)) for body in frames[-1]),
    }
    return {quirk for quirk, is_there in found.items() if is_there}


def is_flat(joints: Values) -> bool:
    width, height = np.ptp(joints[:, 0]), np.ptp(joints[:, 1])
    return bool(width > 0.8 * height)


def test_each_quirk_is_in_the_files_where_it_was_put_and_in_no_other(made: Made) -> None:
    planned = demo.ntu_quirks(made.section)
    found = {name: content(parsed(text), text) for name, text in made.texts.items()}
    assert {name: quirks for name, quirks in found.items() if quirks} == {name: {quirk} for name, quirk in planned.items()}


def test_quirks_are_a_minority_and_every_one_is_there(made: Made, small: DemoDownload) -> None:
    counts = Counter(demo.ntu_quirks(made.section).values())
    assert counts.keys() == set(Quirk)
    assert len(set(counts.values())) == 1
    assert sum(counts.values()) < len(made.texts) / 4
    assert set(demo.ntu_quirks(small).values()) == set(Quirk)
    other = demo.ntu_quirks(made.section.model_copy(update={"seed": made.section.seed + 1}))
    assert other != demo.ntu_quirks(made.section)


def test_two_person_actions_have_two_bodies_and_the_others_one(made: Made) -> None:
    odd = demo.ntu_quirks(made.section)
    for name in made.texts.keys() - odd.keys():
        expected = 2 if name.endswith("A051") else 1
        assert {len(frame) for frame in ids_of(parsed(made.texts[name]))} == {expected}, name


@pytest.mark.parametrize("seed", range(20))
def test_no_half_of_a_changed_track_is_short_enough_for_a_ghost(small: DemoDownload, seed: int) -> None:
    section = small.model_copy(update={"seed": seed})
    name = next(name for name, quirk in demo.ntu_quirks(section).items() if quirk == Quirk.CHANGED_ID)
    text = dict(demo._ntu_members(section))[f"nturgb+d_skeletons/{name}.skeleton"]
    halves = Counter(track for frame in ids_of(parsed(text)) for track in frame[:1])
    assert len(halves) == 2
    assert min(halves.values()) >= 12


def test_track_ids_are_beyond_what_float64_tells_apart() -> None:
    assert float(demo_files.TRACK) == float(demo_files.CHANGED_TRACK)
    assert demo_files.TRACK != demo_files.CHANGED_TRACK
    assert min(demo_files.TRACK, demo_files.PARTNER_TRACK, demo_files.EXTRA_TRACK) > 2**53


def test_ntu_people_are_where_a_kinect_sees_them(made: Made) -> None:
    for name in made.texts.keys() - demo.ntu_quirks(made.section).keys():
        joints = np.array([js for bodies in parsed(made.texts[name]) for _, js in bodies], dtype=float)
        assert joints[..., 2].min() > 0.5, name
        assert joints[..., 2].max() < 4.5, name
        pictures = joints[..., 3:7].reshape(-1, 4)
        assert ((pictures > 0) & (pictures < (512, 424, 1920, 1080))).all(), name
        assert np.allclose((joints[..., 7:11] ** 2).sum(-1).max(), 1, atol=1e-5)
        assert set(joints[..., 11].ravel()) == {1, 2}


def test_cameras_see_one_motion_from_three_sides(made: Made) -> None:
    seen = [demo_name for demo_name in made.texts if demo_name not in demo.ntu_quirks(made.section)]
    triples = [n for n in seen if n[4:8] == "C001" and all(n.replace("C001", c) in seen for c in ("C002", "C003"))]
    assert triples
    for name in triples[:10]:
        middle, left, right = (
            np.array([[positions(b) for b in f] for f in parsed(made.texts[name.replace("C001", c)])])
            for c in ("C001", "C002", "C003")
        )
        away = (0, 0, demo_files.NTU_DISTANCE_M)
        half = math.sqrt(0.5)
        for side, sign in ((left, -1), (right, 1)):
            x, y, z = np.moveaxis(side - away, -1, 0)
            back = np.stack([half * (x - sign * z), y, half * (sign * x + z)], axis=-1)
            assert np.abs(back - (middle - away)).max() < 10 * demo.SENSOR_M, name


# --- through the readers ----------------------------------------------------------------------------------------------------


def test_the_readers_count_exactly_the_repairs_that_were_planted(made: Made) -> None:
    table = pd.read_csv(made.stores["ntu"].folder / "repairs.csv")
    found = {repair: (samples, frames) for repair, _, samples, frames in table.itertuples(index=False)}
    quirks = demo.ntu_quirks(made.section)
    each = Counter(quirks.values())[Quirk.GHOST]
    frames = {name: int(made.texts[name].split()[0]) for name in quirks}
    furniture = sum(frames[name] for name, quirk in quirks.items() if quirk == Quirk.FURNITURE)
    touched = {
        "coordinate not a number": demo_files.NAN_FRAMES * each,
        "ghost track": demo_files.GHOST_FRAMES * each,
        "furniture": furniture,
        "hole in a track": demo_files.HOLE_FRAMES * each,
        "frame without a body": demo_files.EMPTY_FRAMES * each,
    }
    for start, expected in touched.items():
        assert [value for repair, value in found.items() if repair.startswith(start)] == [(each, expected)], start
    assert [value[0] for repair, value in found.items() if repair.startswith("changed track id")] == [each]
    for start in ("body beyond two", "sample listed", "file that cannot", "clip without", "two-person action with one"):
        assert [value for repair, value in found.items() if repair.startswith(start)] == [(0, 0)], start


def test_every_recording_reaches_the_store(made: Made) -> None:
    assert len(made.stores["sbu"]) == 168 * made.section.sbu_repeats
    assert set(made.stores["ntu"].index["name"]) == set(made.texts)
    for name in demo.FORMATS:
        folder = made.stores[name].folder
        assert (folder / "set_aside.csv").read_text() == "file,line,reason\n"


def test_the_person_with_the_evidence_is_the_first_body(made: Made) -> None:
    store = made.stores["ntu"]
    both = np.flatnonzero(store.index["bodies"] == 2)
    assert set(store.index["action"].iloc[both]) == {51}
    assert len(both) == len(store) // 5
    for i in both:
        height = np.ptp(np.median(store.clip(int(i)), axis=0)[..., 1], axis=-1)
        assert height[0] > height[1] > 0, store.index["name"][i]


@pytest.mark.parametrize(("protocol", "store"), [("demo-sbu", "sbu"), ("demo-ntu-cs", "ntu"), ("demo-ntu-cv", "ntu")])
def test_every_protocol_has_all_classes_in_training_and_test(made: Made, protocol: str, store: str) -> None:
    assert demo.PROTOCOLS[protocol][0] == store
    index = made.stores[store].index
    table = demo.FORMATS[store].assign(demo.PROTOCOLS[protocol][1], index).merge(index[["name", "action"]], on="name")
    assert table.groupby(["fold", "part"])["action"].nunique().eq(index["action"].nunique()).all()
    assert table["fold"].nunique() == (5 if store == "sbu" else 1)


# --- the evidence -----------------------------------------------------------------------------------------------------------

TORSO = {"sbu": 2, "ntu": 1}


def means(store: Store, gates: list[int], window: tuple[float, float], torso: int) -> Values:
    """For each clip the mean place of some gates over a part of the clip, seen from the torso of their own body: `[N, 3K]`."""
    rows = []
    for i in range(len(store)):
        clip = store.clip(i).astype(np.float64)
        own = (clip - clip[:, :, [torso]]).reshape(len(clip), -1, 3)
        first, after = (round(part * len(clip)) for part in window)
        rows.append(own[first:after, gates].mean(axis=0).ravel())
    return np.array(rows)


def nearest_mean(features: Values, labels: Values, train: npt.NDArray[np.bool_]) -> float:
    """Share of the other clips that are nearest to the mean of their own class in training."""
    classes = np.unique(labels)
    centres = np.stack([features[train & (labels == c)].mean(axis=0) for c in classes])
    distance = ((features[~train, None] - centres) ** 2).sum(axis=-1)
    return float((classes[distance.argmin(axis=1)] == labels[~train]).mean())


@pytest.fixture(params=["sbu", "ntu"])
def judge(request: pytest.FixtureRequest, made: Made) -> Callable[[bool, tuple[float, float]], float]:
    """Accuracy by nearest class mean over held-out clips (SBU: mean of the folds; NTU: by subject), and the joints used.

    Not on NTU's cameras: there the test clips are the performances of training, noise and all, seen from another side.
    """
    name = request.param
    store, evidence = made.stores[name], demo.EVIDENCE[name]
    protocol = {"sbu": "sbu", "ntu": "cs"}[name]
    table = demo.FORMATS[name].assign(protocol, store.index)
    gates = range(len(store.meta.joints) * (2 if name == "sbu" else 1))  # the second body is there in two-person actions only
    labels = store.index["action"].to_numpy()

    def accuracy(planted: bool, window: tuple[float, float]) -> float:
        features = means(store, [gate for gate in gates if (gate in evidence.gates) == planted], window, TORSO[name])
        parts = (set(rows["name"][rows["part"] == "train"]) for _, rows in table.groupby("fold"))
        return float(np.mean([nearest_mean(features, labels, store.index["name"].isin(part).to_numpy()) for part in parts]))

    return accuracy


Judge = Callable[[bool, tuple[float, float]], float]


def test_the_planted_joints_in_the_planted_frames_tell_the_class_but_for_faint_ones(judge: Judge) -> None:
    assert 0.8 < judge(True, (0.4, 0.7)) < 0.95


def test_all_other_joints_tell_nothing(judge: Judge) -> None:
    assert judge(False, (0.4, 0.7)) < 0.3
    assert judge(False, (0.0, 1.0)) < 0.3


def test_the_planted_joints_tell_nothing_outside_of_their_window(judge: Judge) -> None:
    assert judge(True, (0.0, 0.38)) < 0.35
    assert judge(True, (0.72, 1.0)) < 0.35


@pytest.mark.parametrize("name", ["sbu", "ntu"])
def test_the_evidence_is_few_joints_and_few_frames(name: str) -> None:
    evidence = demo.EVIDENCE[name]
    gates = 2 * len(demo.FORMATS[name].META.joints)
    assert 2 <= len(set(evidence.gates)) == len(evidence.gates) <= 4
    assert all(0 <= gate < gates for gate in evidence.gates)
    assert evidence.window == (0.4, 0.7)


def test_without_evidence_nothing_tells_the_class(tmp_path: Path, small: DemoDownload) -> None:
    """The generator leaks the class nowhere else: without evidence one recording differs from another by chance alone."""
    section = small.model_copy(update={"evidence_m": 0.0, "faint_m": 0.0, "sbu_repeats": 2})
    assert told(section, tmp_path) < 0.25


def test_evidence_that_is_nowhere_faint_tells_the_class_always(tmp_path: Path, small: DemoDownload) -> None:
    assert told(small.model_copy(update={"faint_share": 0.0, "sbu_repeats": 2}), tmp_path) >= 0.95


def told(section: DemoDownload, folder: Path) -> float:
    """Share of SBU's second repetitions whose class all joints in the window tell, learned from the first ones."""
    demo.fetch(folder, section)
    normalize = parameters.load(ROOT / "params.yaml").params.normalize.sbu
    demo.FORMATS["sbu"].normalize(folder / "sbu", folder / "store", normalize, 0)
    store = Store(folder / "store")
    features = means(store, list(range(30)), (0.4, 0.7), TORSO["sbu"])
    return nearest_mean(features, store.index["action"].to_numpy(), store.index["replication"].to_numpy() == 1)


def test_the_data_set_says_that_it_is_synthetic() -> None:
    assert demo.SYNTHETIC is True
    assert "synthetic" in demo.LICENCE.lower()
