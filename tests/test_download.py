"""Stage `download` with SBU: one result from every source, and failures that say what to do and leave nothing behind."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import params
from pipeline.core.errors import ParamsError, PipelineError
from pipeline.datasets.sbu import archives as sbu_archives
from pipeline.datasets.sbu import dataset as sbu
from pipeline.datasets.sbu.settings import SbuDownload
from pipeline.datasets.shared import remote
from pipeline.datasets.shared.errors import ArchiveMismatch, DownloadFailed, RawDataMissing
from pipeline.stages import download
from tests.conftest import document_of_params, in_a_project, write_params
from tests.loopback import Fault, Loopback

Files = dict[str, bytes]


def texts(name: str) -> Files:
    """Made-up skeletons of a set: as many as the real one has, in the order of actions and repetitions."""
    places = [f"{action:02}/{number:03}" for number in (1, 2, 3) for action in range(1, 9)][: sbu_archives.SEQUENCES[name]]
    return {f"{place}/skeleton_pos.txt": f"1,{name},{place}\r\n".encode() for place in places}


def zip_set(path: Path, name: str, prefix: str, files: Files) -> None:
    """An archive as on the official page: pictures beside the skeletons, compressed, dated, in no special order."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in sorted(files.items(), key=lambda item: random.Random(item[0]).random()):
            picture = random.Random(name + file).randbytes(500)
            archive.writestr(f"{prefix}{file}".replace("skeleton_pos.txt", "rgb_000001.png"), picture)
            archive.writestr(f"{prefix}{file}", text)


def zips(folder: Path, with_set: bool = True) -> Path:
    folder.mkdir()
    for name in sbu.SETS:
        zip_set(folder / f"{name}.zip", name, f"{name}/" if with_set else "", texts(name))
    return folder


def extracted(folder: Path) -> Path:
    for name in sbu.SETS:
        for file, text in texts(name).items():
            path = folder / name / file
            path.parent.mkdir(parents=True)
            path.write_bytes(text)
            path.with_name("depth_000001.png").write_bytes(b"picture")
    return folder


def zipped(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


SOURCES: dict[str, Callable[[Path], Path]] = {
    "folder of zips": lambda tmp: zips(tmp / "a"),
    "folder of zips without the set's folder": lambda tmp: zips(tmp / "a", with_set=False),
    "folder of extracted sets": lambda tmp: extracted(tmp / "a"),
    "zip of zips": lambda tmp: zipped(zips(tmp / "a"), tmp / "all.zip"),
    "zip of zips in a folder": lambda tmp: zipped(zips(tmp / "a", with_set=False), tmp / "all.zip", "SBU/clean/"),
    "zip of extracted sets": lambda tmp: zipped(extracted(tmp / "a"), tmp / "all.zip"),
    "zip of extracted sets in a folder": lambda tmp: zipped(extracted(tmp / "a"), tmp / "all.zip", "SBU/clean/"),
}


def section(source: Path | str, retries: int = 1) -> SbuDownload:
    return SbuDownload(source=str(source), retries=retries, timeout_s=5.0, total_s=60.0, total_mb=100, published_frames=False)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(autouse=True)
def _in_a_project_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SBU_SOURCE", raising=False)
    monkeypatch.setattr(remote, "BACKOFF_S", 0.0)


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, str]:
    """The archives that every source must lead to, written here byte by byte by the rules of the docs."""
    folder = tmp_path / "expected"
    (folder / "sbu").mkdir(parents=True)
    for name in sbu.SETS:
        with zipfile.ZipFile(folder / "sbu" / f"{name}.zip", "w", zipfile.ZIP_STORED) as archive:
            for file, text in sorted(texts(name).items()):
                info = zipfile.ZipInfo(f"{name}/{file}", date_time=(1980, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                archive.writestr(info, text)
    return digests(folder)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_local_source_gives_the_same_bytes(kind: str, tmp_path: Path, expected: dict[str, str]) -> None:
    sbu.fetch(tmp_path / "out", section(SOURCES[kind](tmp_path)))
    assert digests(tmp_path / "out") == expected
    assert len(expected) == 21


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("with_set", [True, False])
def test_the_web_gives_the_same_bytes(ranges: bool, with_set: bool, tmp_path: Path, expected: dict[str, str]) -> None:
    with Loopback(zips(tmp_path / "a", with_set), ranges) as server:
        sbu.fetch(tmp_path / "out", section(server.url + "/"))
    assert digests(tmp_path / "out") == expected


def test_licence_citation_and_counts_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sbu.fetch(tmp_path / "out", section(zips(tmp_path / "a")))
    printed = capsys.readouterr().err
    assert "must be used only for the purposes of research" in printed
    assert "HAU3D workshop at CVPR 2012" in printed
    assert "282 sequences in 21 archives" in printed


def test_an_interrupted_download_continues_with_the_set_that_failed(tmp_path: Path, expected: dict[str, str]) -> None:
    broken: list[Fault] = ["cut"]
    with Loopback(zips(tmp_path / "a"), False, lambda n, path: broken[0] if path == "s03s02.zip" else None) as server:
        with pytest.raises(DownloadFailed, match=r"s03s02.zip: not complete after 2 attempt\(s\)") as caught:
            sbu.fetch(tmp_path / "out", section(server.url))
        assert "run again to continue" in str(caught.value) and "SBU_SOURCE" in str(caught.value)
        assert not (tmp_path / "out").exists()
        broken[0] = None
        sbu.fetch(tmp_path / "out", section(server.url))
    assert digests(tmp_path / "out") == expected
    requests = [s.path for s in server.served]
    assert [requests.count(f"{name}.zip") for name in sbu.SETS] == [1] * 7 + [3] + [1] * 13


def test_kept_sets_are_verified_and_never_mixed_between_servers(tmp_path: Path, expected: dict[str, str]) -> None:
    source = zips(tmp_path / "a")
    with Loopback(source, ranges=False) as server:
        sbu.fetch(tmp_path / "one", section(server.url))
        (kept,) = sbu_archives.KEPT.iterdir()
        content = (kept / "s01s02.zip").read_bytes()
        (kept / "s01s02.zip").write_bytes(content.replace(b"s01s02,01/001", b"s01s02,01/009"))  # CRC wrong
        (kept / "s01s03.zip").write_bytes(b"PK")
        shutil.copy(kept / "s02s01.zip", kept / "s01s07.zip")  # another set
        sbu.fetch(tmp_path / "two", section(server.url))
        again = [s.path for s in server.served[21:]]
    assert sorted(again) == ["s01s02.zip", "s01s03.zip", "s01s07.zip"]
    assert digests(tmp_path / "one") == digests(tmp_path / "two") == expected
    with Loopback(source, ranges=False) as other:
        sbu.fetch(tmp_path / "three", section(other.url))
    assert len(other.served) == 21


@pytest.mark.parametrize("kind", ["folder", "zip", "web"])
def test_missing_archives_are_named_together(kind: str, tmp_path: Path) -> None:
    folder = zips(tmp_path / "a")
    for name in ("s01s07", "s07s03"):
        (folder / f"{name}.zip").unlink()
    with Loopback(folder) as server:
        source = {"folder": folder, "zip": zipped(folder, tmp_path / "all.zip"), "web": server.url}[kind]
        with pytest.raises(RawDataMissing) as caught:
            sbu.fetch(tmp_path / "out", section(source))
    message = str(caught.value)
    assert f"{source}: 2 of 21 archives are missing: s01s07.zip, s07s03.zip." in message
    assert sbu_archives.OFFICIAL in message and "SBU_SOURCE" in message
    assert not (tmp_path / "out").exists()


def test_another_number_of_sequences_is_told(tmp_path: Path) -> None:
    folder = zips(tmp_path / "a")
    files = texts("s02s03")
    del files["08/001/skeleton_pos.txt"]
    zip_set(folder / "s02s03.zip", "s02s03", "", files)
    with pytest.raises(ArchiveMismatch, match=r"expected 282 sequences, found 281: expected in s02s03.zip 12 \(found 11\)"):
        sbu.fetch(tmp_path / "out", section(folder))
    with Loopback(folder) as server, pytest.raises(ArchiveMismatch, match="expected 282 sequences, found 281"):
        sbu.fetch(tmp_path / "out", section(server.url))
    assert not (tmp_path / "out").exists()
    assert not list(sbu_archives.KEPT.glob("*/s02s03.zip"))  # a set with a wrong count is not kept as complete


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def foreign(path: Path) -> None:
    zip_set(path, "s03s04", "s03s04/", texts("s03s04"))


def ninth_action(path: Path) -> None:
    zip_set(path, "s01s02", "", texts("s01s02") | {"09/001/skeleton_pos.txt": b"1"})


def twice(path: Path) -> None:
    zip_set(path, "s01s02", "", texts("s01s02") | {"copy/01/001/skeleton_pos.txt": b"1"})


@pytest.mark.parametrize("spoil", [damage, foreign, ninth_action, twice])
@pytest.mark.parametrize("kind", ["folder", "zip", "web"])
def test_a_wrong_archive_is_named(kind: str, spoil: Callable[[Path], None], tmp_path: Path) -> None:
    folder = zips(tmp_path / "a")
    spoil(folder / "s01s02.zip")
    with Loopback(folder) as server:
        source = {"folder": folder, "zip": zipped(folder, tmp_path / "all.zip"), "web": server.url}[kind]
        kinds = DownloadFailed if (kind, spoil) == ("web", damage) else ArchiveMismatch
        with pytest.raises(kinds, match=r"s01s02\.zip"):
            sbu.fetch(tmp_path / "out", section(source))
    assert not (tmp_path / "out").exists()


def test_the_published_frames_of_282_sequences_are_known() -> None:
    known = sbu_archives.published_frames()
    assert len(known) == 282
    assert known["s01s02/01/001"] == (55, 99)
    assert sum(last - first + 1 for first, last in known.values()) == 6822


@pytest.mark.parametrize(("spoilt", "found"), [("first", "56 to 99"), ("last", "55 to 98"), ("all", "(none)")])
def test_a_lost_first_or_last_line_is_named(spoilt: str, found: str, tmp_path: Path) -> None:
    """Files as published, but for one in the first set; nothing but the numbers of frames is looked at."""
    known = sbu_archives.published_frames()
    for name in sbu.SETS:
        files = {}
        for sequence, (first, last) in known.items():
            if sequence.startswith(name):
                lines = [f"{number},0.5\r\n" for number in range(first, last + 1)]
                if sequence == "s01s02/01/001":
                    lines = {"first": lines[1:], "last": lines[:-1], "all": []}[spoilt]
                files[f"{sequence}/skeleton_pos.txt"] = "".join(lines).encode()
        (tmp_path / "a").mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / "a" / f"{name}.zip", "w") as archive:
            for member, text in files.items():
                archive.writestr(member, text)
    said = f"s01s02/01/001/skeleton_pos.txt: expected frames 55 to 99 as in the clean version 2.0, found frames {found};"
    with pytest.raises(ArchiveMismatch, match=re.escape(said)):
        sbu.fetch(tmp_path / "out", section(tmp_path / "a").model_copy(update={"published_frames": True}))
    assert not (tmp_path / "out").exists()
    sbu.fetch(tmp_path / "out", section(tmp_path / "a"))


@pytest.mark.parametrize("nested", [False, True])
def test_a_sequence_that_would_fill_the_memory_is_not_unpacked(nested: bool, tmp_path: Path) -> None:
    folder = zips(tmp_path / "a")
    name = "s01s02/01/001/skeleton_pos.txt"
    with zipfile.ZipFile(folder / "s01s02.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        for _ in range(65):
            member.write(bytes(1 << 20))
    source = zipped(folder, tmp_path / "all.zip") if nested else folder
    with pytest.raises(ArchiveMismatch, match=rf"{name} would unpack to 68,157,440 bytes; .* at most 67,108,864"):
        sbu.fetch(tmp_path / "out", section(source))


def test_no_such_source_says_what_can_be_one(tmp_path: Path) -> None:
    with pytest.raises(RawDataMissing, match=r"SBU_SOURCE.*expected a folder or a zip with the 21 archives"):
        sbu.fetch(tmp_path / "out", section(tmp_path / "nowhere"))


# --- the stage --------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Path:
    in_a_project(Path(), monkeypatch)
    document = document_of_params()
    document["download"]["sbu"]["published_frames"] = False  # the texts here are no recordings
    write_params(document)
    return Path()


def test_the_stage_fills_data_raw(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, str]
) -> None:
    monkeypatch.setenv("SBU_SOURCE", str(zips(tmp_path / "a")))
    (project / "data/raw/sbu.partial/sbu").mkdir(parents=True)  # left by a process that was killed
    (project / "data/raw/sbu.partial/sbu/s09s09.zip").touch()
    download.main("sbu")
    download.main("sbu")
    assert digests(project / "data/raw") == {f"sbu/{file}": digest for file, digest in expected.items()}
    assert [path.name for path in (project / "data/raw").iterdir()] == ["sbu"]


def test_a_failure_leaves_the_data_that_were_there(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "data/raw/sbu").mkdir(parents=True)
    (project / "data/raw/sbu/old").write_text("old")
    folder = zips(tmp_path / "a")
    (folder / "s07s03.zip").unlink()
    monkeypatch.setenv("SBU_SOURCE", str(folder))
    with pytest.raises(RawDataMissing, match=r"s07s03\.zip"):
        download.main("sbu")
    assert [path.as_posix() for path in sorted((project / "data/raw").rglob("*"))] == ["data/raw/sbu", "data/raw/sbu/old"]


def test_a_disk_that_fails_while_writing_leaves_nothing(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def write(path: Path, members: object) -> None:
        written.append(path)
        if len(written) == 3:
            raise OSError("disk full")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    monkeypatch.setenv("SBU_SOURCE", str(zips(tmp_path / "a")))
    monkeypatch.setattr(sbu_archives, "write_zip", write)
    with pytest.raises(OSError, match="disk full"):
        download.main("sbu")
    assert list((project / "data/raw").iterdir()) == []


@pytest.mark.parametrize("name", ["kinetics", "shared", "remote", "settings", "sbu.archives", "ntu.format", ""])
def test_unknown_data_sets_are_an_error_of_the_parameters(project: Path, name: str) -> None:
    with pytest.raises(
        ParamsError,
        match=f"unknown data set '{re.escape(name)}'; there are demo, florence3d, ntu, ntu120, nw_ucla, sbu, utkinect$",
    ):
        download.main(name)
    assert [path.name for path in (project / "data").iterdir()] == ["params"]


def test_data_set_that_the_grid_does_not_have_is_an_error_of_the_parameters(project: Path) -> None:
    document = params.read()
    for section in ("grid", "protocols"):
        document[section] = {name: value for name, value in document[section].items() if not name.startswith("ntu")}
    write_params(document | {"use": {"groups": ["demo"], "datasets": {"demo": "pipeline/datasets"}}})
    with pytest.raises(ParamsError, match=r"data/params/ntu/download\.json: expected what `download` reads of params\.yaml"):
        download.main("ntu")
    assert [path.name for path in (project / "data").iterdir()] == ["params"]


# --- the real archives ------------------------------------------------------------------------------------------------


def fails_in_the_middle(number: int, path: str) -> Fault:
    return "cut" if number % 10 == 9 else None


@pytest.mark.parametrize(
    ("ranges", "faults"),
    [(True, lambda n, p: None), (False, lambda n, p: None), (True, fails_in_the_middle)],
    ids=["ranges", "no ranges", "cut"],
)
def test_the_real_archives_from_loopback(
    ranges: bool, faults: Callable[[int, str], Fault], tmp_path: Path, real: Callable[[str], Path]
) -> None:
    source = real("sbu")
    sbu.fetch(tmp_path / "local", section(source).model_copy(update={"published_frames": True}))
    with Loopback(source, ranges, faults) as server:
        sbu.fetch(tmp_path / "web", section(server.url, retries=5))
    assert digests(tmp_path / "web") == digests(tmp_path / "local")
    assert any(s.fault for s in server.served) == (faults is fails_in_the_middle)
    members = [m for path in (tmp_path / "web/sbu").iterdir() for m in zipfile.ZipFile(path).namelist()]
    assert len(members) == 282


@pytest.mark.parametrize(("ranges", "fault"), [(True, "cut"), (False, "long"), (False, "short"), (True, "total")])
def test_the_real_archives_from_a_server_that_never_delivers(
    ranges: bool, fault: Fault, tmp_path: Path, real: Callable[[str], Path]
) -> None:
    with Loopback(real("sbu"), ranges, lambda number, path: fault) as server, pytest.raises(PipelineError, match=r"s01s02\.zip"):
        sbu.fetch(tmp_path / "web", section(server.url))
    assert not (tmp_path / "web").exists()
