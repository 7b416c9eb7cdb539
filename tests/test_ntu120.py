"""NTU RGB+D 120 as a data set: its facts and protocols, its two archives as one source, the way to the store."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config import params
from pipeline.core.skeletons import Store
from pipeline.datasets.ntu import archive as ntu_archive
from pipeline.datasets.ntu import clips as ntu_clips
from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.ntu120 import dataset as ntu120
from pipeline.datasets.shared.errors import ArchiveMismatch, RawDataMissing, SplitMismatch
from pipeline.datasets.shared.registry import ranges
from pipeline.datasets.shared.settings import SourceDownload
from pipeline.stages import download, normalize, split
from tests.conftest import ROOT, in_a_project
from tests.skeleton_text import clip, write_files, write_zip

FIRST, SECOND = ntu120.FACTS.archives
OLD = ["S001C001P001R001A001", "S002C002P002R001A050", "S017C003P040R002A060"]
NEW = ["S018C001P041R001A061", "S019C002P045R001A105", "S032C003P106R002A120"]
FILES = {name: clip(name) for name in [*OLD, *NEW]}
LISTED = "S019C002P049R002A074"  # of the 535, none of the 302


def files(names: list[str]) -> dict[str, bytes]:
    return {name: FILES[name] for name in names}


def both(folder: Path, first: str = FIRST, second: str = SECOND) -> Path:
    """A folder that holds the two archives, the old samples in one and the new ones in the other."""
    write_zip(folder / first, files(OLD))
    write_zip(folder / second, files(NEW[::-1]), "")
    return folder


def fetch(source: Path | str, target: Path) -> str:
    """The record that `fetch` writes."""
    ntu120.fetch(target, SourceDownload(source=str(source)))
    assert [path.name for path in target.rglob("*") if path.is_file()] == ["members.csv"]
    return (target / "ntu" / "members.csv").read_text()


# --- facts ------------------------------------------------------------------------------------------------------------------


def test_actions() -> None:
    meta = ntu120.NTU120.META
    assert (len(meta.actions), len(set(meta.actions))) == (120, 120)
    assert meta.actions[:60] == ntu.NTU.META.actions
    named = {61: "put on headphones", 80: "squat down", 99: "run on the spot", 105: "blow nose", 106: "hit with something"}
    assert {number: meta.actions[number - 1] for number in named} == named
    assert (meta.actions[111], meta.actions[119]) == ("high-five", "rock paper scissors")
    assert (meta.joints, meta.bones, meta.mirror) == (ntu.NTU.META.joints, ntu.NTU.META.bones, ntu.NTU.META.mirror)


def test_training_subjects_are_the_53() -> None:
    known = "1-2, 4-5, 8-9, 13-19, 25, 27-28, 31, 34-35, 38, 45-47, 49-50, 52-59, 70, 74, 78, 80-86, 89, 91-95, 97-98, 100, 103"
    assert (ranges(ntu120.TRAIN_SUBJECTS), len(ntu120.TRAIN_SUBJECTS)) == (known, 53)


def test_the_535_listed_samples() -> None:
    text = Path(ntu.__file__).with_name("ntu120_missing.txt").read_text()
    names = text.split()
    assert text == "".join(f"{name}\n" for name in sorted(set(names)))
    assert (len(names), set(names)) == (535, ntu120.NTU120.listed_missing())
    samples = [ntu_archive.sample_of(name, ntu120.FACTS) for name in names]
    assert {sample.name for sample in samples if sample.setup <= 17} == ntu.NTU.listed_missing()
    assert all((sample.setup <= 17) == (sample.action <= 60) for sample in samples)
    subjects = sum(sample.subject in ntu120.TRAIN_SUBJECTS for sample in samples)
    setups = sum(sample.setup % 2 == 0 for sample in samples)
    assert (subjects, 535 - subjects, setups, 535 - setups) == (334, 201, 252, 283)


def all_names() -> list[str]:
    """As many names as the archives have, the 535 listed ones among them.

    Which subject was filmed in which setup is not public in full. With 3 cameras x 2 replications x 60 actions a pair (actions
    1 to 60 in setups 1 to 17, the others in the rest) the published counts and the list give whole numbers of pairs: 318, of
    them 176 with training subjects, 152 with training setups. How these two cross is not known, and does not matter here.
    """
    listed = {(int(name[1:4]), int(name[9:12])) for name in ntu120.NTU120.listed_missing()}
    others = [pair for pair in product(range(1, 33), range(1, 107)) if pair not in listed]
    pairs: list[tuple[int, int]] = []
    for train, even, wanted in ((True, True, 90), (True, False, 86), (False, True, 62), (False, False, 80)):
        pairs += [
            (setup, subject)
            for setup, subject in [*sorted(listed), *others]
            if (subject in ntu120.TRAIN_SUBJECTS, setup % 2 == 0) == (train, even)
        ][:wanted]
    assert listed <= set(pairs)
    actions = {True: range(1, 61), False: range(61, 121)}
    return sorted(
        f"S{s:03}C{c:03}P{p:03}R{r:03}A{a:03}"
        for s, p in pairs
        for c, r, a in product(range(1, 4), range(1, 3), actions[s <= 17])
    )


def index_of(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame([vars(ntu_archive.sample_of(name, ntu120.FACTS)) for name in names])


def test_protocol_counts_without_the_listed_samples() -> None:
    names = all_names()
    index = index_of(sorted(set(names) - ntu120.NTU120.listed_missing()))
    assert (len(set(names)), len(index)) == (114_480, 113_945)
    counts = {key: ntu120.NTU120.assign(key, index)["part"].value_counts().to_dict() for key in ("csub", "cset")}
    assert counts == {"csub": {"train": 63_026, "test": 50_919}, "cset": {"train": 54_468, "test": 59_477}}
    for protocol, column, train, test in (("csub", "subject", 1, 3), ("cset", "setup", 2, 3)):
        other = index.copy()
        other.loc[other.index[other[column] == train][0], column] = test
        with pytest.raises(SplitMismatch, match=rf"ntu120-{protocol}: .* of 113,945; .*data/raw/ntu120/ntu/members.csv"):
            ntu120.NTU120.assign(protocol, other)


def test_protocols_of_a_part() -> None:
    index = index_of(["S001C001P038R001A001", "S002C001P040R001A001", "S018C002P045R001A061", "S031C003P106R001A120"])
    assert ntu120.NTU120.assign("csub", index)["part"].tolist() == ["train", "test", "train", "test"]
    assert ntu120.NTU120.assign("cset", index)["part"].tolist() == ["test", "train", "train", "test"]
    assert ntu120.NTU120.assign("cset", index)["fold"].tolist() == [1] * 4
    assert [ntu120.NTU120.groups(protocol, index).tolist() for protocol in ("csub", "cset")] == [[38, 40, 45, 106]] * 2


# --- download ---------------------------------------------------------------------------------------------------------------


def test_every_form_of_the_source_gives_the_same_record(tmp_path: Path) -> None:
    sources = [
        both(tmp_path / "official"),
        both(tmp_path / "renamed", "b.zip", "a.zip"),
        write_zip(tmp_path / "one.zip", FILES),
        write_files(tmp_path / "extracted", dict(reversed(FILES.items()))),
    ]
    records = {fetch(source, tmp_path / "out" / str(number)) for number, source in enumerate(sources)}
    assert len(records) == 1
    assert [line.split(".")[0] for line in records.pop().splitlines()[1:]] == [*OLD, *NEW]


def test_members_of_two_archives_are_in_the_order_of_names(tmp_path: Path) -> None:
    crosswise = (write_zip(tmp_path / "a.zip", files([NEW[1], OLD[0]])), write_zip(tmp_path / "b.zip", files([NEW[0], OLD[1]])))
    source = ntu_archive.open_source(*crosswise)
    members = source.members()
    assert [member.name for member in members] == [OLD[0], OLD[1], NEW[0], NEW[1]]
    assert [source.read(member) for member in members] == [FILES[member.name] for member in members]


def test_both_archives_win_over_other_files_beside_them(tmp_path: Path) -> None:
    folder = both(tmp_path / "in")
    write_zip(folder / "a.zip", {"S003C001P001R001A001": b"x"})
    (folder / "S003C001P001R001A002.skeleton").write_bytes(b"x")
    assert len(fetch(folder, tmp_path / "out").splitlines()) == 7


def test_the_first_data_set_takes_its_own_archive_from_the_same_folder(tmp_path: Path) -> None:
    ntu.fetch(tmp_path / "out", SourceDownload(source=str(both(tmp_path / "in"))))
    record = (tmp_path / "out" / "ntu" / "members.csv").read_text()
    assert [line.split(".")[0] for line in record.splitlines()[1:]] == OLD


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ([FIRST, SECOND], "setups absent: 3-16, 20-31"),
        ([FIRST], f"classes absent: 2-49, 51-59, 61-120; setups absent: 3-16, 18-32; nothing of {SECOND}, which belongs"),
        ([SECOND], "subjects absent: 1-40, 42-44, 46-105; cameras absent: none; classes absent: 1-60, 62-104, 106-119"),
        ([SECOND], f"setups absent: 1-17, 20-31; nothing of {FIRST}, which belongs"),
    ],
)
def test_a_part_says_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str], held: list[str], words: str) -> None:
    folder = both(tmp_path / "in")
    for name in {FIRST, SECOND} - set(held):
        (folder / name).unlink()
    fetch(folder, tmp_path / "out")
    said = capsys.readouterr().err
    assert f"ntu120: a part: {3 * len(held)} of 114,480 samples; " in said
    assert words in said
    assert said.count("nothing of") == 2 - len(held)
    assert ntu120.LICENCE in said


def test_full_archives_are_called_complete() -> None:
    samples = [ntu_archive.sample_of(name, ntu120.FACTS) for name in all_names()]
    assert ntu120.NTU120.describe(samples) == "complete: 114,480 samples"
    first = [sample for sample in samples if sample.setup <= 17]
    assert ntu120.NTU120.describe(first).startswith(f"a part: {len(first):,} of 114,480 samples; ")


@pytest.mark.parametrize("place", ["", "nowhere", "empty", "three zips"])
def test_missing_archives_are_one_clear_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    for number in range(3):
        write_zip(tmp_path / "three zips" / f"{number}.zip", FILES)
    with pytest.raises(RawDataMissing) as caught:
        fetch(place and tmp_path / place, tmp_path / "out")
    for words in ("https://rose1.ntu.edu.sg/", FIRST, SECOND, "NTU120_SOURCE=", "download.ntu120.source", place):
        assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["S033C001P001R001A001", "S032C001P107R001A001", "S032C001P106R001A121"])
def test_names_beyond_the_data_set_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveMismatch, match=f"1 of 7 files have other names, such as {name}"):
        fetch(write_zip(tmp_path / "a.zip", {**FILES, name: b""}), tmp_path / "out")


def test_a_name_in_both_archives_is_refused(tmp_path: Path) -> None:
    folder = both(tmp_path / "in")
    write_zip(folder / SECOND, files([*NEW, OLD[0]]))
    with pytest.raises(ArchiveMismatch, match=rf"{OLD[0]}\.skeleton is there twice: in .*{FIRST} and .*{SECOND}"):
        fetch(folder, tmp_path / "out")


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    folder = both(tmp_path / "in")
    (folder / SECOND).write_bytes((folder / SECOND).read_bytes()[:1000])
    with pytest.raises(ArchiveMismatch, match=f"{SECOND}: not a complete zip archive"):
        fetch(folder, tmp_path / "out")


# --- normalize --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def section() -> NtuNormalize:
    return params.load(ROOT / "params.yaml").params.normalize.ntu


def store(source: Path, folder: Path, section: NtuNormalize, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Record a source and normalize it: the folder of the store."""
    folder.mkdir()
    in_a_project(folder, monkeypatch)
    monkeypatch.setenv("NTU120_SOURCE", str(source))
    monkeypatch.setenv("NTU_SOURCE", "nowhere")
    fetch(source, folder / "raw")
    (folder / "store").mkdir()
    ntu120.NTU120.normalize(folder / "raw" / "ntu", folder / "store", section, 0)
    return folder / "store"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_archives_one_and_a_folder_give_the_same_store(
    tmp_path: Path, section: NtuNormalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = store(both(tmp_path / "in"), tmp_path / "two", section, monkeypatch)
    made = Store(two)
    assert made.index["name"].tolist() == [*OLD, *NEW]
    assert made.index["bodies"].tolist() == [1, 2, 2, 1, 1, 2]
    assert made.meta == ntu120.NTU120.META
    one = store(write_zip(tmp_path / "one.zip", FILES), tmp_path / "one", section, monkeypatch)
    folder = store(write_files(tmp_path / "files", FILES), tmp_path / "folder", section, monkeypatch)
    assert contents(two) == contents(one) == contents(folder)


def test_what_changed_in_the_second_archive_is_refused(
    tmp_path: Path, section: NtuNormalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = both(tmp_path / "in")
    store(source, tmp_path / "before", section, monkeypatch)
    raw, target = tmp_path / "before" / "raw" / "ntu", tmp_path / "after"
    for changed in ({NEW[0]: b"other"}, {}):
        write_zip(source / SECOND, {**files(NEW[1:]), **changed})
        with pytest.raises(ArchiveMismatch, match=rf"{NEW[0]}\.skeleton (is 5 bytes|was there at download and is gone)"):
            ntu120.NTU120.normalize(raw, target, section, 0)
    assert list(target.iterdir()) == []


def test_actions_of_two_people_are_known(section: NtuNormalize) -> None:
    one, two = FILES[OLD[0]], FILES[OLD[1]]
    names = {action: f"S001C001P001R001A{action:03}" for action in range(1, 121)}
    for_two = [a for a, name in names.items() if ntu_clips.ONE_OF_TWO in ntu_clips.repaired(one, name, section).found]
    for_one = [a for a, name in names.items() if ntu_clips.TWO_OF_ONE in ntu_clips.repaired(two, name, section).found]
    assert (ranges(for_two), ranges(for_one)) == ("50-60, 106-120", "1-49, 61-105")


def test_from_download_to_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    in_a_project(tmp_path, monkeypatch)
    write_zip(tmp_path / "in" / FIRST, files(OLD))
    write_zip(tmp_path / "in" / SECOND, {**files(NEW), LISTED: b"never read"})
    monkeypatch.setenv("NTU120_SOURCE", str(tmp_path / "in"))
    for stage in (download, normalize, split):
        stage.main("ntu120")
    assert "ntu120-cset: 6 samples" in capsys.readouterr().out
    assert Store(Path("data/skeletons/ntu120/ntu")).index["name"].tolist() == [*OLD, *NEW]
    tables = {name: pd.read_csv(f"data/splits/ntu120/ntu120-{name}.csv") for name in ("csub", "cset")}
    test = {name: table["name"][table["part"] == "test"].tolist() for name, table in tables.items()}
    assert test == {"csub": [OLD[2], NEW[0], NEW[2]], "cset": [OLD[0], OLD[2], NEW[1]]}
