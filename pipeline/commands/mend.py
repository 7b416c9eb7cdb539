"""Command `mend`: what a killed DVC leaves behind that stops every later one. `make repro` calls it first.

DVC writes `dvc.lock` and `.dvc/tmp/rwlock` in place; killed in that moment, it leaves them empty or cut. Locks come back as git
has them, so the stages that had been recorded since run again, or come from the run cache of DVC.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml.error import YAMLError

from pipeline.config.params import parse
from pipeline.core.files import whole

LOCKS = ("dvc.lock", "cells/*/*/dvc.lock")
BUSY = Path(".dvc/tmp/rwlock")


def main(root: Path) -> list[str]:
    """Mend the project's files and say what was found, a line each; nothing is touched while a DVC of this project runs."""
    if found := running(root):
        return [f"{found}: nothing was touched"]
    return [*locks(root), *busy(root)]


def running(root: Path) -> str:
    """Which DVC runs in the project's folder; empty where none does. What it is writing may be cut, and is its own affair."""
    found = [str(process.pid) for process in psutil.process_iter() if is_dvc(process) and inside(process, root)]
    return f"DVC runs here (process {', '.join(found)})" if found else ""


def is_dvc(process: psutil.Process) -> bool:
    """Whether a process is a DVC command, also one started as `python -m dvc`."""
    with contextlib.suppress(psutil.Error):
        names = {Path(word).name for word in process.cmdline()[:4]}
        return bool(names & {"dvc", "dvc.exe"}) and "daemon" not in names
    return False


def inside(process: psutil.Process, root: Path) -> bool:
    """Whether it works in the project's folder; another user's does not say."""
    with contextlib.suppress(psutil.Error, OSError):
        return Path(process.cwd()).resolve().is_relative_to(root.resolve())
    return False


def locks(root: Path) -> Iterator[str]:
    """Locks that are empty or cut become those of the last commit, or are removed where it has none."""
    for path in sorted(found for pattern in LOCKS for found in root.glob(pattern)):
        name, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8", errors="replace")
        if is_lock(text):
            continue
        if in_conflict(text):
            yield f"{name}: has a conflict of git; solve it, then run DVC again"
            continue
        recorded = committed(root, name)
        if is_lock(recorded):
            with whole(path) as unfinished:
                unfinished.write_text(recorded, encoding="utf-8")
        else:
            path.unlink()
        done = "taken from the last commit" if is_lock(recorded) else "removed, the last commit has none"
        yield f"{name}: {'cut short' if text.strip() else 'empty'}, as a killed DVC leaves it; {done}"


def in_conflict(text: str) -> bool:
    """Whether git has left both sides of a merge in a text."""
    return "\n<<<<<<< " in f"\n{text}"


def is_lock(text: str) -> bool:
    """Whether a text is a whole lock: DVC's end with a line break, and a cut one may still be YAML."""
    try:
        document = parse(text)
    except YAMLError:
        return False
    return text.endswith("\n") and isinstance(document, dict) and "schema" in document


def committed(root: Path, name: str) -> str:
    """The file in the last commit; empty where there is none."""
    done = subprocess.run(["git", "show", f"HEAD:./{name}"], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def busy(root: Path) -> Iterator[str]:
    """DVC's note of who reads and writes what: removed where it is cut, without those that are no DVC any more."""
    path = root / BUSY
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text())
        kept = {
            "read": {name: users for name, all_users in before.get("read", {}).items() if (users := alive(all_users))},
            "write": {name: user for name, user in before.get("write", {}).items() if alive([user])},
        }
    except (ValueError, LookupError, TypeError, AttributeError):
        path.unlink()
        yield f"{BUSY}: cut short, as a killed DVC leaves it; removed"
        return
    if kept != {"read": before.get("read", {}), "write": before.get("write", {})}:
        with whole(path) as unfinished:
            unfinished.write_text(json.dumps(kept))
        yield f"{BUSY}: entries of processes that are gone removed"


def stale(path: Path) -> bool:
    """Whether `busy` would mend the note; nothing is touched."""
    if not path.exists():
        return False
    try:
        note = json.loads(path.read_text())
        users = [*note.get("write", {}).values(), *(user for users in note.get("read", {}).values() for user in users)]
        return len(alive(users)) < len(users)
    except (ValueError, LookupError, TypeError, AttributeError):
        return True


def alive(users: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose process is a DVC that still runs."""
    return [user for user in users if psutil.pid_exists(user["pid"]) and is_dvc(psutil.Process(user["pid"]))]
