"""Commands `keep` and `restore`: what a report is made from goes into the repository and comes back as it was, or not at all."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipeline.config import params as parameters
from tests.conftest import ROOT, as_git_has_it
from tests.test_confirm import CELL, dvc, edit, run, trained

__all__ = ["trained"]
RESULTS = "data/results/demo/p-sta-lstm"
FILES = [
    "evaluate/alpha.csv",
    "evaluate/beta.csv",
    "evaluate/metrics.json",
    "evaluate/predictions.csv",
    "history.csv",
    "run.json",
]
KEPT = f"reports/results/demo/{CELL}.zip"


def pipeline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", "pipeline", *arguments)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole_project(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with all outputs, its results kept."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("kept") / "whole")
    done = pipeline(folder, "keep")
    assert re.fullmatch(r"(reports/results/demo/p-(sta-)?lstm\.zip: \d+ kB\n){2}", done.stdout), done.stderr
    return folder


@pytest.fixture
def clone(whole_project: Path, tmp_path: Path) -> Path:
    """As a clone has it: no results on disk, what is kept."""
    folder = shutil.copytree(whole_project, tmp_path / "clone", ignore=shutil.ignore_patterns("runs_", "cache", "tmp"))
    for made in ("runs", "results"):
        shutil.rmtree(folder / "data" / made)
    return folder


def test_what_is_kept_are_the_results_without_weights(whole_project: Path) -> None:
    with zipfile.ZipFile(whole_project / KEPT) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(found) == FILES and found == contents(whole_project / RESULTS)


def test_keeping_twice_has_the_same_bytes(whole_project: Path) -> None:
    before = (whole_project / KEPT).read_bytes()
    (whole_project / KEPT).unlink()
    assert pipeline(whole_project, "keep", CELL).returncode == 0
    assert (whole_project / KEPT).read_bytes() == before


def test_restored_results_are_those_that_the_lock_has(whole_project: Path, clone: Path) -> None:
    assert pipeline(clone, "restore").stdout == "".join(
        f"data/results/demo/{cell}: restored, 6 files\n" for cell in ("p-lstm", CELL)
    )
    assert contents(clone / "data/results") == contents(whole_project / "data/results")
    said = dvc(clone, "status", f"cells/p/{CELL}/dvc.yaml:evaluate")
    assert re.search(rf"not in cache: +{RESULTS}/evaluate\n", said)  # there as the lock has it, though DVC has no copy of it
    assert re.search(r"deleted: +data/runs/demo/p-sta-lstm/finetune\n", said)  # weights alone are missing
    (clone / RESULTS / "evaluate/alpha.csv").unlink()
    (clone / RESULTS / "notes.txt").write_text("mine")
    for said in ("restored, 1 files", "there already"):
        assert pipeline(clone, "restore", CELL).stdout == f"{RESULTS}: {said}\n"
    assert (clone / RESULTS / "notes.txt").read_text() == "mine"


def test_other_results_are_left_alone(clone: Path) -> None:
    (clone / RESULTS).mkdir(parents=True)
    (clone / RESULTS / "history.csv").write_text("mine")
    done = pipeline(clone, "restore")
    assert done.returncode == 2 and f"{RESULTS}: other results than the kept ones are there; move them away" in done.stderr
    assert contents(clone / RESULTS) == {"history.csv": b"mine"}
    assert done.stdout == "data/results/demo/p-lstm: restored, 6 files\n"  # the other cell all the same


def test_what_the_lock_does_not_have_is_refused_and_removed(whole_project: Path, clone: Path) -> None:
    lock = f"cells/p/{CELL}/dvc.lock"
    found = re.search(rf"path: {RESULTS}/history.csv\n +hash: md5\n +md5: (\w+)", (clone / lock).read_text())
    assert found
    edit(clone, lock, found[1], "f" * 32)
    done = pipeline(clone, "restore", CELL)
    assert (
        done.returncode != 0 and f"{KEPT}: {RESULTS}/history.csv: not as {lock} has it; take both from one commit" in done.stderr
    )
    assert not (clone / RESULTS).exists()
    before = dict(contents(whole_project / RESULTS))
    shutil.copytree(whole_project / RESULTS, clone / RESULTS)  # as the archive has it already: nobody is told that all is well
    assert pipeline(clone, "restore", CELL).stderr == done.stderr and contents(clone / RESULTS) == before


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b"no zip"), "expected an archive of results (File is not a zip file)"),
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "expected an archive of results"),
        (lambda path: path.unlink(), "nothing is kept of this cell; `dvc repro` trains it"),
        (lambda path: zipfile.ZipFile(path, "a").writestr("notes.txt", "x"), "expected results alone, found 'notes.txt'"),
    ],
    ids=["no zip", "cut", "not there", "another file"],
)
def test_what_cannot_be_read_is_said(clone: Path, damage: object, said: str) -> None:
    damage(clone / KEPT)  # type: ignore[operator]
    done = pipeline(clone, "restore", CELL)
    assert done.returncode != 0 and f"error: {KEPT}: {said}" in done.stderr and "Traceback" not in done.stderr
    assert not (clone / RESULTS).exists()


def test_results_that_changed_are_not_kept(whole_project: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole_project, tmp_path / "changed")
    edit(folder, f"{RESULTS}/history.csv", "1,1,", "1,9,")
    before = (folder / KEPT).read_bytes()
    done = pipeline(folder, "keep", CELL)
    assert (
        done.returncode != 0 and f"{RESULTS}/history.csv: not on disk as DVC's lock has it; run `dvc repro` first" in done.stderr
    )
    (folder / "data/results/demo/p-lstm/notes.txt").write_text("no result")
    said = pipeline(folder, "keep").stdout.splitlines()
    assert said[0].startswith("reports/results/demo/p-lstm.zip: ") and said[1].startswith(
        f"left out: {CELL}: {RESULTS}/history.csv"
    )
    with zipfile.ZipFile(folder / "reports/results/demo/p-lstm.zip") as archive:
        assert sorted(archive.namelist()) == FILES
    assert (folder / KEPT).read_bytes() == before


def test_a_damaged_lock_is_an_error_for_people(clone: Path) -> None:
    lock = clone / f"cells/p/{CELL}/dvc.lock"
    lock.write_text(lock.read_text().replace("schema: '2.0'", "schema: '2.0'\nstages: here too"))
    for command in (["restore", CELL], ["confirm", CELL]):
        done = pipeline(clone, *command)
        assert done.returncode == 2 and "error: DVC: " in done.stderr and "Traceback" not in done.stderr
    assert not (clone / RESULTS).exists()


def test_nothing_kept_is_said(clone: Path) -> None:
    shutil.rmtree(clone / "reports/results")
    for command, said in (
        ("restore", "error: reports/results: nothing is kept of the cells in use (p)\n"),
        ("keep", "error: not kept: 2 cell(s)\n  p-lstm: data/results/demo/p-lstm/history.csv, "),
    ):
        done = pipeline(clone, command)
        assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(said)


def test_all_that_is_committed_can_be_restored(tmp_path: Path) -> None:
    """What the repository keeps is what its locks have: else a clone could not make a report of it."""
    as_git_has_it(tmp_path)
    every = parameters.load(ROOT / "params.yaml").every
    kept = sorted(path.stem for path in (ROOT / "reports/results").glob("*/*.zip"))
    assert pipeline(tmp_path, "use", *dict.fromkeys(every[name].group for name in kept)).returncode == 0
    done = pipeline(tmp_path, "restore", *kept)
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"(?m)^data/results/\w+/(\S+): restored, 6 files$", done.stdout)) == kept
