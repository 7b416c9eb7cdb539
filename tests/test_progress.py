"""An interrupted `normalize` of NTU files goes on where it was, and gives the bytes of one that was never interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import params
from pipeline.core.errors import Interrupted
from pipeline.core.skeletons import Sample, Writer
from pipeline.datasets.ntu import clips as ntu_clips
from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.ntu import format as ntu_format
from pipeline.datasets.ntu import progress
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.shared.errors import ArchiveMismatch, TooManyMalformed
from pipeline.running import executors
from pipeline.running.errors import AlreadyRunning
from pipeline.stages import download, normalize
from tests.conftest import ROOT, in_a_project, write_params
from tests.skeleton_text import clip, text, write_zip

NAMES = [f"S002C{c:03}P{p:03}R001A{a:03}" for c in (1, 2) for p in (3, 7) for a in range(44, 56)]  # in order
SPOILT, BODILESS, LISTED = NAMES[5], NAMES[20], "S001C002P005R002A008"
FILES = {name: clip(name, 3) for name in NAMES} | {SPOILT: b"?", BODILESS: text([[], []]), LISTED: b"never read"}
STORE, KEPT = Path("data/skeletons/ntu/ntu"), Path(".work/normalize/ntu")
BATCH = 8


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A project with a downloaded archive of 48 files, one of them malformed (allowed), in batches of 8; what was read of it."""
    in_a_project(tmp_path, monkeypatch)
    allow(1)
    monkeypatch.setenv("NTU_SOURCE", str(write_zip(tmp_path / "archive.zip", FILES)))
    monkeypatch.setattr(progress, "BATCH", BATCH)
    monkeypatch.setattr(executors, "granted", lambda: 1)
    download.main("ntu")
    names: list[str] = []
    repaired = ntu_clips.repaired

    def noted(data: bytes, name: str, section: NtuNormalize) -> ntu_clips.Clip:
        names.append(name)
        return repaired(data, name, section)

    monkeypatch.setattr(ntu_clips, "repaired", noted)
    return names


def allow(malformed: int, **rules: object) -> None:
    document = params.read()
    document["normalize"] |= {"allow_malformed": malformed, "ntu": document["normalize"]["ntu"] | rules}
    write_params(document)


def outputs() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in STORE.iterdir()}


def uninterrupted() -> dict[str, bytes]:
    """What a run without an interruption gives; it leaves nothing else."""
    normalize.main("ntu")
    made = outputs()
    shutil.rmtree(STORE.parent)
    assert set(made) == {"frames.npy", "index.csv", "meta.json", "repairs.csv", "set_aside.csv"}
    return made


def interrupt(monkeypatch: pytest.MonkeyPatch, files: int, error: type[BaseException] = KeyboardInterrupt) -> None:
    """Run, and be interrupted when so many files are done."""
    take = progress.Progress.take

    def until(self: progress.Progress, clip: ntu_clips.Clip, sample: Sample) -> None:
        if self.files == files:
            raise error
        take(self, clip, sample)

    with monkeypatch.context() as patch:
        patch.setattr(progress.Progress, "take", until)
        with pytest.raises(Interrupted if error is KeyboardInterrupt else error):
            normalize.main("ntu")
    assert not list(Path("data/skeletons").iterdir())


def journal() -> Path:
    (path,) = KEPT.glob("ntu-*/journal.jsonl")
    return path


@pytest.mark.parametrize("done", [0, 7, 8, 21, 47])
def test_interrupted_and_run_again(read: list[str], monkeypatch: pytest.MonkeyPatch, done: int) -> None:
    expected = uninterrupted()
    interrupt(monkeypatch, done)
    read.clear()
    normalize.main("ntu")
    assert read == NAMES[done // BATCH * BATCH :]
    assert outputs() == expected
    assert not KEPT.exists()


def test_interrupted_several_times_and_by_an_error(read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = uninterrupted()
    for done, error in ((9, KeyboardInterrupt), (10, RuntimeError), (25, MemoryError), (40, KeyboardInterrupt)):
        interrupt(monkeypatch, done, error)
    read.clear()
    normalize.main("ntu")
    assert (read, outputs()) == (NAMES[40:], expected)


def test_interrupted_while_the_store_is_written(read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = uninterrupted()

    def stop(self: Writer) -> None:
        (self.folder / "frames.npy").touch()
        self._file.close()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "close", stop)
        with pytest.raises(Interrupted, match="normalize ntu: stopped; run it again to go on"):
            normalize.main("ntu")
    read.clear()
    normalize.main("ntu")
    assert (read, outputs()) == ([], expected)


def test_the_store_before_a_variant_is_kept_too(read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    document = params.read()
    document["normalize"]["variants"]["ntu"] = {"ntu-file-order": {"order": "file"}}
    write_params(document)
    folder = progress.folder

    def only_plain(raw: Path, target: Path, content: object) -> Path:
        if target.name != "ntu":
            raise KeyboardInterrupt
        return folder(raw, target, content)

    with monkeypatch.context() as patch:
        patch.setattr(progress, "folder", only_plain)
        with pytest.raises(Interrupted):
            normalize.main("ntu")
    read.clear()
    normalize.main("ntu")
    assert read == NAMES  # for the variant alone
    assert sorted(path.name for path in STORE.parent.iterdir()) == ["ntu", "ntu-file-order"]


@pytest.mark.parametrize("change", ["parameter", "record", "code"])
def test_what_changes_the_outcome_starts_afresh(read: list[str], monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    interrupt(monkeypatch, 30)
    if change == "parameter":
        allow(1, centre="none")
    elif change == "record":
        write_zip(Path("archive.zip"), FILES | {NAMES[47]: clip(NAMES[47], 4)})
        download.main("ntu")
    else:
        monkeypatch.setattr(progress, "__file__", str(ROOT / "pipeline" / "core" / "model" / "__init__.py"))
    read.clear()
    resumed = uninterrupted()
    assert read == NAMES
    assert not KEPT.exists()
    assert resumed == uninterrupted()


@pytest.mark.parametrize("torn", ["no line break", "half a line", "rubbish", "rubbish in the middle", "frames too short"])
def test_only_whole_lines_with_their_frames_count(read: list[str], monkeypatch: pytest.MonkeyPatch, torn: str) -> None:
    expected = uninterrupted()
    interrupt(monkeypatch, 30)
    lines = journal().read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    rows = journal().with_name("frames.rows")
    if torn == "frames too short":
        rows.write_bytes(rows.read_bytes()[: json.loads(lines[2])["rows"] * 25 * 3 * 4 - 1])
    else:
        rows.write_bytes(rows.read_bytes() + b"frames that no line vouches for")
    last = {"no line break": lines[2][:-1], "half a line": lines[2][: len(lines[2]) // 2], "rubbish": b"\0" * 99 + b"\n"}
    journal().write_bytes(b"".join([*lines[:2], last.get(torn, lines[2])]))
    if torn == "rubbish in the middle":
        journal().write_bytes(lines[0] + b"?\n" + lines[2])
    read.clear()
    normalize.main("ntu")
    assert read == NAMES[8 if torn == "rubbish in the middle" else 16 :]
    assert outputs() == expected


def test_more_malformed_files_allowed_later(read: list[str]) -> None:
    expected = uninterrupted()
    allow(0)
    with pytest.raises(TooManyMalformed, match=SPOILT):
        normalize.main("ntu")
    assert not list(Path("data/skeletons").iterdir())
    read.clear()
    allow(1)
    normalize.main("ntu")
    assert read == []
    assert outputs() == expected


def test_a_file_that_changed_is_an_error_and_what_was_read_before_stays(read: list[str]) -> None:
    expected = uninterrupted()
    write_zip(Path("archive.zip"), FILES | {NAMES[40]: clip(NAMES[40], 4)})
    with pytest.raises(ArchiveMismatch, match=NAMES[40]):
        normalize.main("ntu")
    assert not list(Path("data/skeletons").iterdir())
    write_zip(Path("archive.zip"), FILES)
    read.clear()
    normalize.main("ntu")
    assert read == NAMES[32:]
    assert outputs() == expected


def test_two_processes_at_one_store(tmp_path: Path) -> None:
    first = progress.Progress(tmp_path / "kept", tmp_path / "store", ntu.NTU.META)
    with pytest.raises(AlreadyRunning, match="kept: another process"):
        progress.Progress(tmp_path / "kept", tmp_path / "store", ntu.NTU.META)
    with first:
        pass
    with progress.Progress(tmp_path / "kept", tmp_path / "store", ntu.NTU.META):
        pass


# Does to itself, or to all its processes as a terminal does, what the second argument says, when so many batches are done.
SIGNALLED = """
import os, signal, sys
from pipeline import cli
from pipeline.datasets.ntu import clips as ntu_clips
from pipeline.datasets.ntu import progress
from pipeline.running import executors
from pipeline.running.errors import AlreadyRunning
batches, signal_name, whom = int(sys.argv[1]), sys.argv[2], sys.argv[3]
ntu_clips.CHUNK, progress.BATCH, executors.granted = 4, 8, lambda: 2
commit = progress.Progress._commit
def committed(self):
    commit(self)
    if self.files == 8 * batches:
        {"me": os.kill, "all": os.killpg}[whom](os.getpid(), getattr(signal, signal_name))
progress.Progress._commit = committed
cli.main(["normalize", "ntu"])
"""


def signalled(batches: int, name: str, whom: str) -> subprocess.CompletedProcess[str]:
    """Run in a session of its own; returns when the process and all its workers, which share its stderr, have ended."""
    command = [sys.executable, "-c", SIGNALLED, str(batches), name, whom]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, start_new_session=True, timeout=300
    )


@pytest.mark.parametrize("batches", [1, 4])
def test_killed_and_run_again(read: list[str], batches: int) -> None:
    expected = uninterrupted()
    run = signalled(batches, "SIGKILL", "me")
    assert run.returncode == -signal.SIGKILL
    assert not STORE.exists()
    read.clear()
    normalize.main("ntu")
    assert read == NAMES[batches * BATCH :]
    assert outputs() == expected
    assert not KEPT.exists()
    assert [path.name for path in Path("data/skeletons").iterdir()] == ["ntu"]


def test_ctrl_c_says_how_to_go_on(read: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    expected = uninterrupted()
    run = signalled(3, "SIGINT", "all")
    assert run.returncode == 130
    said = [line for line in run.stderr.splitlines() if not line.startswith("normalize ntu: ") and line.strip()]
    assert said == ["error: normalize ntu: stopped; run it again to go on"]
    assert not list(Path("data/skeletons").iterdir())
    capsys.readouterr()
    read.clear()
    normalize.main("ntu")
    assert (read, outputs()) == (NAMES[24:], expected)


def test_the_bar_starts_where_it_was(read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[tuple[int, int]] = []

    def bar(clips: Callable[..., object], _title: str, total: int, initial: int, **_options: object) -> object:
        starts.append((initial, total))
        return clips

    interrupt(monkeypatch, 30)
    monkeypatch.setattr(ntu_format, "tqdm", bar)
    normalize.main("ntu")
    assert starts == [(24, 48)]
