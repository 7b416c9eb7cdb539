"""The user's archive of NTU RGB+D in every form: found, checked, recorded, and recognised when it has changed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipeline.config import params
from pipeline.datasets.ntu import archive as ntu_archive
from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.ntu.archive import Member
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.shared.errors import ArchiveMismatch, RawDataMissing
from pipeline.datasets.shared.settings import SourceDownload
from tests.conftest import ROOT, in_a_project
from tests.skeleton_text import NAMES, all_names, clip, write_files, write_zip

FILES = {name: clip(name) for name in NAMES}


@pytest.fixture
def section() -> NtuNormalize:
    return params.load(ROOT / "params.yaml").params.normalize.ntu


def fetch(source: Path | str, target: Path) -> str:
    """The record that `fetch` writes."""
    ntu.fetch(target, SourceDownload(source=str(source)))
    assert [path.name for path in target.rglob("*") if path.is_file()] == ["members.csv"]
    return (target / "ntu" / "members.csv").read_text()


def test_every_form_of_a_source_gives_the_same_record(tmp_path: Path) -> None:
    backwards = dict(reversed(FILES.items()))
    sources = [
        write_zip(tmp_path / "a" / "any name.zip", FILES),
        write_zip(tmp_path / "b" / ntu.FACTS.archive, backwards, "").parent,
        write_zip(tmp_path / "c" / "renamed.zip", backwards, "deep/er/").parent,
        write_files(tmp_path / "d", backwards),
    ]
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "link").symlink_to(tmp_path / "d")
    sources.append(tmp_path / "e")
    records = {fetch(source, tmp_path / "out" / str(number)) for number, source in enumerate(sources)}
    assert len(records) == 1
    lines = records.pop().splitlines()
    assert lines[0] == "name,size,crc32"
    size = len(FILES[NAMES[0]])
    with zipfile.ZipFile(sources[0]) as archive:
        crc = archive.getinfo(f"nturgb+d_skeletons/{NAMES[0]}.skeleton").CRC
    assert lines[1] == f"{NAMES[0]}.skeleton,{size},{crc:08x}"
    assert [line.split(".")[0] for line in lines[1:]] == NAMES


def test_the_official_archive_wins_over_other_files_beside_it(tmp_path: Path) -> None:
    write_zip(tmp_path / "in" / "other.zip", {NAMES[1]: b"x"})
    write_zip(tmp_path / "in" / ntu.FACTS.archive, {NAMES[0]: b"x"})
    (tmp_path / "in" / f"{NAMES[2]}.skeleton").write_bytes(b"x")
    assert fetch(tmp_path / "in", tmp_path / "out").splitlines()[1].startswith(NAMES[0])


def test_a_part_is_called_a_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(write_zip(tmp_path / "a.zip", FILES), tmp_path / "out")
    said = capsys.readouterr().err
    assert "a part: 3 of 56,880 samples" in said
    assert "subjects absent: 3-39; cameras absent: none; classes absent: 2-49, 51-59" in said
    assert ntu.LICENCE in said


def test_the_full_archive_is_called_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = fetch(write_zip(tmp_path / "a.zip", dict.fromkeys(all_names(), b"")), tmp_path / "out")
    assert len(record.splitlines()) == 56_881
    assert "ntu: complete: 56,880 samples" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["", "nowhere", "empty"])
def test_a_missing_archive_is_one_clear_error(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RawDataMissing) as caught:
        ntu.fetch(tmp_path / "out", SourceDownload(source=source and str(tmp_path / source)))
    for words in (
        "https://rose1.ntu.edu.sg/dataset/actionRecognition",
        "nturgbd_skeletons_s001_to_s017.zip",
        "NTU_SOURCE=",
        "download.ntu.source",
        source,
    ):
        assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("S018C001P001R001A001", "setup 18, expected 1 to 17"),
        ("S001C004P001R001A001", "camera 4"),
        ("S001C001P041R001A001", "subject 41"),
        ("S001C001P001R003A001", "replication 3"),
        ("S001C001P001R001A061", "action 61"),
        ("S000C001P001R001A001", "setup 0"),
        ("S001C001P001R001", "expected a name such as"),
        ("s001c001p001r001a001", "expected a name such as"),
    ],
)
def test_files_of_other_data_sets_are_refused(tmp_path: Path, name: str, words: str) -> None:
    source = write_zip(tmp_path / "a.zip", {**FILES, name: b""})
    with pytest.raises(ArchiveMismatch, match=words) as caught:
        ntu.fetch(tmp_path / "out", SourceDownload(source=str(source)))
    assert "1 of 4 files" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "in", FILES)
    (folder / f"{NAMES[0]}.skeleton").write_bytes(b"other")
    with pytest.raises(ArchiveMismatch, match=f"{NAMES[0]}.skeleton is there twice"):
        ntu.fetch(tmp_path / "out", SourceDownload(source=str(folder)))


def test_archives_without_skeletons_or_cut_short_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("readme.txt", "no skeletons")
    whole = write_zip(tmp_path / "a.zip", FILES).read_bytes()
    (tmp_path / "c.zip").write_bytes(whole[: len(whole) // 2])
    for name, words in (("b.zip", "no .skeleton file in it"), ("c.zip", "not a complete zip archive")):
        with pytest.raises(ArchiveMismatch, match=words):
            ntu.fetch(tmp_path / "out", SourceDownload(source=str(tmp_path / name)))


def test_what_macos_adds_to_a_zip_is_passed_over(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "a.zip", FILES)
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr(f"__MACOSX/._{NAMES[0]}.skeleton", "resource fork")
    assert len(fetch(source, tmp_path / "out").splitlines()) == 4


def damage(source: Path) -> None:
    """Change one byte inside the compressed text of the first member."""
    data = bytearray(source.read_bytes())
    data[200] ^= 0xFF
    source.write_bytes(data)


@pytest.mark.parametrize("change", ["other text", "gone", "damaged"])
@pytest.mark.parametrize("form", ["zip", "folder"])
def test_files_that_changed_after_download_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: NtuNormalize, form: str, change: str
) -> None:
    in_a_project(tmp_path, monkeypatch)
    source = write_zip(tmp_path / "a.zip", FILES) if form == "zip" else write_files(tmp_path / "in", FILES)
    monkeypatch.setenv("NTU_SOURCE", str(source))
    fetch(source, tmp_path / "raw")
    first = next(iter(FILES))
    if form == "zip":
        other = {**FILES, first: FILES[first].replace(b"2", b"3")} if change == "other text" else {n: FILES[n] for n in NAMES[1:]}
        damage(source) if change == "damaged" else write_zip(source, other)
    elif change == "gone":
        (source / "0" / f"{first}.skeleton").unlink()
    else:
        path = source / "0" / f"{first}.skeleton"
        path.write_bytes(path.read_bytes()[::-1] if change == "damaged" else b"1\r\n0\r\n")
    with pytest.raises(ArchiveMismatch, match=f"{first}.skeleton"):
        ntu.NTU.normalize(tmp_path / "raw" / "ntu", tmp_path / "store", section, 0)
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("text", ["", "name\n", "a,b,c\n1,2,3\n", "name,size,crc32\nS001C001P001R001A001.skeleton,many,0\n"])
def test_a_damaged_record_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "members.csv").write_text(text)
    with pytest.raises(RawDataMissing, match="no record of the raw files"):
        ntu_archive.read_record(tmp_path / "members.csv")


def test_the_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    members = [Member(NAMES[0], 12, 0), Member(NAMES[1], 10**9, 0xFFFFFFFF)]
    ntu_archive.write_record(tmp_path / "members.csv", members)
    assert ntu_archive.read_record(tmp_path / "members.csv") == members
