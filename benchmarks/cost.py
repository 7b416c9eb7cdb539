"""CPU seconds of a command and of all that it starts, for benchmarks that run two commits in turns."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h


def tree_cost(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str, float]:
    """Exit code, output, and CPU seconds of a command and of all that it started, also of what outlived its parent.

    As a subreaper this process becomes the parent of such orphans; it waits for all of them.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl: cannot become a subreaper")
    this, start = psutil.Process(), children_cost()
    others = this.children()
    with tempfile.TemporaryFile("w+") as output:  # a pipe would be held open by orphans
        ended = subprocess.run(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
        while left := [child for child in this.children() if child not in others]:
            os.waitpid(left[0].pid, 0)
        output.seek(0)
        printed = output.read()
    return ended.returncode, printed, children_cost() - start


def children_cost() -> float:
    """CPU seconds of the children waited for, and of theirs."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def machine() -> str:
    """Cores, CPU and load of this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} cores, {model}, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"


def git(*arguments: str) -> str:
    """What git says."""
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()
