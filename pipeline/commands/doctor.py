"""Command `doctor`: what would stop the pipeline here, a line each, with how to mend it. It changes nothing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from pipeline.addresses import shown
from pipeline.commands import mend
from pipeline.config import params as parameters
from pipeline.core.errors import PipelineError
from pipeline.core.files import sha256
from pipeline.running import cores

PROJECT = "sta-lstm-pipeline"
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
SHOWN = 5
LEAST_FREE = 1e9
"""Bytes on the disk of the project: the demo takes a tenth of that, NTU's skeletons several times as much."""


class Finding(NamedTuple):
    """What was looked at, how it is, and how to mend it; `remedy` is empty where nothing must be done."""

    what: str
    state: str
    remedy: str = ""

    def __str__(self) -> str:
        """A line."""
        return shown(f"{'MEND' if self.remedy else 'ok':4}  {self.what}: {self.state}{f'; {self.remedy}' if self.remedy else ''}")


Tracking = Callable[[Path], tuple[str, str]]
"""How MLflow is, and how to mend it; the command line hands it in, since tracking is its own affair."""


def main(root: Path, tracking: Tracking) -> list[Finding]:
    """Everything that was looked at, in this order."""
    return [
        *environment(root),
        *places(root),
        *data(root),
        *dvc(root),
        Finding("MLflow", *tracking(root)),
        *leftovers(root),
        *machine(),
    ]


def environment(root: Path) -> Iterator[Finding]:
    """Python, and the installed packages against `constraints.txt`."""
    own = ".".join(map(str, sys.version_info[:3]))
    wanted = " or ".join(".".join(map(str, version)) for version in PYTHONS)
    yield Finding("Python", own, "" if sys.version_info[:2] in PYTHONS else f"use {wanted}: remove .venv, then make setup")
    path = root / "constraints.txt"
    if not path.exists():
        yield Finding("packages", "there is no constraints.txt", "get it from git: git checkout constraints.txt")
        return
    pinned = dict(line.strip().split("==") for line in path.read_text().splitlines() if "==" in line)
    here = {name: installed(name) for name in pinned}
    told = [f"{name} is missing" for name in sorted(required()) if not installed(name)]
    told += [f"{name} {own}, not {pinned[name]}" for name, own in sorted(here.items()) if own and not same(own, pinned[name])]
    if not told:
        yield Finding("packages", "as in constraints.txt")
        return
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    install = 'in this environment: pip install -c constraints.txt -e ".[dev]" (or a new one: make setup)'
    yield Finding("packages", ", ".join(told[:SHOWN]) + more, install)


def same(own: str, pinned: str) -> bool:
    """Whether a version is the pinned one; `2.13.0+cpu` is a build of 2.13.0."""
    return pinned in (own, own.partition("+")[0])


def installed(name: str) -> str:
    """The version of a package; empty where it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def required() -> list[str]:
    """The packages without which the project does not run."""
    with suppress(importlib.metadata.PackageNotFoundError):
        needs = importlib.metadata.requires(PROJECT) or []
        return [re.split(r"[^\w.-]", need)[0] for need in needs if "extra ==" not in need]
    return [PROJECT]


def places(root: Path) -> Iterator[Finding]:
    """Whether folders can be written, and room on the disk."""
    for name in ("data", ".work", "reports", ".dvc"):
        folder = next(place for place in (root / name, root) if place.is_dir())
        if not os.access(folder, os.W_OK | os.X_OK):
            yield Finding(
                name, f"{folder.absolute()} cannot be written", "change its permissions, or work in a copy of the project"
            )
    free = shutil.disk_usage(root).free
    yield Finding(
        "disk", f"{free / 1e9:.1f} GB free", f"make room: at least {LEAST_FREE / 1e9:.0f} GB" if free < LEAST_FREE else ""
    )


def data(root: Path) -> Iterator[Finding]:
    """Parameters, then for each data set in use its raw files, and whether its stores are those that were written."""
    try:
        used = parameters.load(root / parameters.FILE).params.use.datasets
    except PipelineError as error:
        yield Finding("params.yaml", " ".join(str(error).split()), "correct it; `git diff params.yaml` shows what was changed")
        return
    yield Finding("params.yaml", f"can be used; data sets in use: {', '.join(used)}")
    for name in used:
        yield raw(root, name)
        yield from stores(root, name)


def raw(root: Path, name: str) -> Finding:
    """Whether the raw files of a data set are there, or can be fetched."""
    what, variable = f"data of {name}", f"{name.upper()}_SOURCE"
    if (root / "data/raw" / name).is_dir():
        return Finding(what, "there")
    section = parameters.load(root / parameters.FILE).params.download
    own = getattr(section, name, None)
    source = os.environ.get(variable) or getattr(own, "source", None)
    if source and "://" not in source and not Path(source).expanduser().exists():
        return Finding(what, f"{variable} is {source}, which is not there", f"set {variable} to the files")
    if source == "" and not hasattr(own, "retries"):  # nowhere to fetch it from
        return Finding(what, "not there, and nobody said where it is", f"set {variable} to the files; README says who gives them")
    return Finding(what, f"not there yet; `dvc repro` {'makes' if source is None else 'fetches'} it")


def stores(root: Path, name: str) -> Iterator[Finding]:
    """Whether `frames.npy` of each store has the SHA-256 that was written with it."""
    for meta in sorted((root / "data/skeletons" / name).glob("*/meta.json")):
        what = f"store {meta.parent.relative_to(root).as_posix()}"
        remedy = f"make it again: dvc repro --force --single-item normalize@{name}"
        try:
            right = json.loads(meta.read_text())["sha256"] == sha256(meta.with_name("frames.npy"))
        except (OSError, ValueError, LookupError, TypeError) as error:
            yield Finding(what, f"cannot be read ({type(error).__name__}: {error})", remedy)
            continue
        yield Finding(what, "as it was written") if right else Finding(what, "frames.npy is not what was written", remedy)


def dvc(root: Path) -> Iterator[Finding]:
    """Locks that are cut, and notes of a DVC that is gone; not while one runs, which `mend` leaves alone too."""
    if found := mend.running(root):
        yield Finding("DVC at work", f"{found}; its locks were not looked at")
        return
    paths = sorted(found for pattern in mend.LOCKS for found in root.glob(pattern))
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8", errors="replace") for path in paths}
    bad = {name: mend.in_conflict(text) for name, text in texts.items() if not mend.is_lock(text)}
    repair = "run python -m pipeline mend"
    if merged := [name for name, conflict in bad.items() if conflict]:
        yield Finding("DVC's locks", f"{', '.join(merged)} with a conflict of git", "solve it")
    if cut := [name for name, conflict in bad.items() if not conflict]:
        yield Finding("DVC's locks", f"{', '.join(cut)} cut or empty", repair)
    if not bad:
        yield Finding("DVC's locks", f"{len(paths)} whole")
    gone = mend.stale(root / mend.BUSY)
    yield Finding("DVC at work", "a note of one that is gone" if gone else "no note of one that is gone", repair if gone else "")


def leftovers(root: Path) -> Iterator[Finding]:
    """Checkpoints that are cut, on which a run stumbles, and workers whose stage was killed, which write on."""
    checkpoints = sorted((root / ".work/checkpoints").rglob("*.pt"))
    cut = [path.relative_to(root).as_posix() for path in checkpoints if not zipfile.is_zipfile(path)]
    if cut:
        more = f" and {len(cut) - SHOWN} more" if len(cut) > SHOWN else ""
        yield Finding("checkpoints", f"{', '.join(cut[:SHOWN])}{more} cut or empty", "remove them: these runs start again")
    else:
        yield Finding("checkpoints", f"{len(checkpoints)} whole")
    if orphans := [str(process.pid) for process in psutil.process_iter() if is_orphan(process) and mend.inside(process, root)]:
        state = f"{', '.join(orphans)} of a stage that was killed still at work here"
        yield Finding("workers", state, f"end them: kill {' '.join(orphans)}")


def is_orphan(process: psutil.Process) -> bool:
    """Whether a process is a worker, or the server of workers, whose parent is gone."""
    with suppress(psutil.Error):
        return process.ppid() == 1 and "multiprocessing" in " ".join(process.cmdline())
    return False


def machine() -> Iterator[Finding]:
    """The device that trains, and the cores."""
    from pipeline.running.ranks import device  # noqa: PLC0415

    yield Finding("device", device())
    yield Finding("cores", f"{cores.granted()} granted of {os.cpu_count()}")
