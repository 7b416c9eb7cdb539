"""Command `stamp`: a copy of a report that says of which commit, when and on which machine it was made.

The reports themselves are the same bytes wherever they are made, so that two can be compared; this is for copies that travel.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
from html import escape
from pathlib import Path

import psutil

from pipeline.core.errors import PipelineError, ResultsMissing
from pipeline.core.files import whole
from pipeline.report.page import MARK
from pipeline.running import cores

PACKAGES = ("sta-lstm-pipeline", "torch", "numpy")


def main(page: Path, to: Path) -> str:
    """Write the copy and say what its stamp says. `ResultsMissing` where the page is not there, or is none of this pipeline.

    `PipelineError` where the copy would take the place of the page, or is called otherwise than a page.
    """
    text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    if MARK not in text:
        raise ResultsMissing(
            f"{page}: expected a report.html of this pipeline; `dvc repro` or `python -m pipeline answer` make them"
        )
    if to.suffix.lower() != ".html":
        raise PipelineError(f"--to {to}: expected a name that ends with .html")
    if to.exists() and to.samefile(page):
        raise PipelineError(f"--to {to}: that is the report itself, which has no stamp; name another file")
    stamp = f"{commit(page)} Copied on {datetime.date.today().isoformat()} on {machine()}."
    links = f'href="{os.path.relpath(page.resolve().parent / "tables", to.resolve().parent)}/'
    with whole(to) as unfinished:
        unfinished.write_text(text.replace(MARK, escape(stamp), 1).replace('href="tables/', links), encoding="utf-8")
    return f"{to}: {stamp}"


def commit(page: Path) -> str:
    """The commit of the project with its date, and whether it has this very page."""
    found = _git(page.parent, "log", "-1", "--format=%h of %cs").decode().strip()
    if not found:
        return "Commit not known."
    same = _git(page.parent, "show", f"HEAD:./{page.name}") == page.read_bytes()
    changed = bool(_git(page.parent, "status", "--porcelain", "--untracked-files=no"))
    extra = "; the page is that commit's" if same else "; the page is not that commit's"
    return f"Commit {found}{extra}{', other files differ from it' if changed and same else ''}."


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments], cwd=folder, capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""


def machine() -> str:
    """Processor, cores, memory, system and versions."""
    info = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    memory = psutil.virtual_memory().total / 2**30
    versions = [f"{package} {importlib.metadata.version(package)}" for package in PACKAGES]
    return (
        f"{name[1] if name else platform.machine()}, {cores.granted()} cores, {memory:.0f} GiB, {platform.system()},"
        f" Python {platform.python_version()}, {', '.join(versions)}"
    )
