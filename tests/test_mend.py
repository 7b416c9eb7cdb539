"""Command `mend`: files that a killed DVC leaves cut are whole again, and nothing else is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import mend

LOCK = "schema: '2.0'\nstages:\n  a:\n    cmd: make a\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a root lock and a cell's lock that are committed, and a DVC folder."""
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    cell = tmp_path / "cells" / "g" / "c"
    cell.mkdir(parents=True)
    for path in (tmp_path / "dvc.lock", cell / "dvc.lock"):
        path.write_text(LOCK)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize("place", ["dvc.lock", "cells/g/c/dvc.lock"])
@pytest.mark.parametrize(
    ("text", "what"), [("", "empty"), (LOCK[:30], "cut short"), (LOCK[:-1], "cut short"), ("a: [", "cut short")]
)
def test_a_lock_that_is_cut_is_taken_from_the_last_commit(project: Path, place: str, text: str, what: str) -> None:
    (project / place).write_text(text)
    assert mend.main(project) == [f"{place}: {what}, as a killed DVC leaves it; taken from the last commit"]
    assert (project / place).read_text() == LOCK
    assert mend.main(project) == []


def test_a_lock_that_was_never_committed_is_removed(project: Path) -> None:
    new = project / "cells" / "g" / "new" / "dvc.lock"
    new.parent.mkdir()
    new.write_text("")
    assert mend.main(project) == ["cells/g/new/dvc.lock: empty, as a killed DVC leaves it; removed, the last commit has none"]
    assert not new.exists()


def test_a_whole_lock_stays_also_where_it_differs_from_the_commit(project: Path) -> None:
    newer = LOCK.replace("make a", "make b")
    (project / "dvc.lock").write_text(newer)
    assert mend.main(project) == []
    assert (project / "dvc.lock").read_text() == newer


def test_a_conflict_of_git_is_left_to_the_user(project: Path) -> None:
    text = "<<<<<<< ours\nschema: '2.0'\n=======\nschema: '2.0'\n>>>>>>> theirs\n"
    (project / "dvc.lock").write_text(text)
    assert mend.main(project) == ["dvc.lock: has a conflict of git; solve it, then run DVC again"]
    assert (project / "dvc.lock").read_text() == text


@pytest.mark.parametrize("text", ["", '{"write": {', "[]"])
def test_a_cut_note_of_who_is_at_work_is_removed(project: Path, text: str) -> None:
    (project / mend.BUSY).write_text(text)
    assert mend.main(project) == [".dvc/tmp/rwlock: cut short, as a killed DVC leaves it; removed"]
    assert not (project / mend.BUSY).exists()


def test_entries_of_processes_that_are_gone_or_another_program_are_removed(project: Path) -> None:
    """The process id of a DVC that was killed may be another program's by now: this test's, here."""
    user = {"pid": os.getpid(), "cmd": "dvc repro"}
    gone = {"pid": 4_000_000, "cmd": "dvc repro"}
    (project / mend.BUSY).write_text(json.dumps({"write": {"/p/a": user}, "read": {"/p/b": [gone], "/p/c": [user, gone]}}))
    assert mend.main(project) == [".dvc/tmp/rwlock: entries of processes that are gone removed"]
    assert json.loads((project / mend.BUSY).read_text()) == {"read": {}, "write": {}}
    assert mend.main(project) == []


def test_nothing_is_touched_while_dvc_runs_here(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (project / "dvc.lock").write_text("")
    program = tmp_path_factory.mktemp("bin") / "dvc"
    program.write_text("input()\n")
    with subprocess.Popen([sys.executable, str(program)], cwd=project, stdin=subprocess.PIPE) as running:
        assert mend.main(project) == [f"DVC runs here (process {running.pid}): nothing was touched"]
        assert (project / "dvc.lock").read_text() == ""
        running.communicate(b"\n")
    assert len(mend.main(project)) == 1
