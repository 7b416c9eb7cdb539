"""How many cores this process may use: what it was granted, not what the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
SLURM = "SLURM_CPUS_PER_TASK"


def granted() -> int:
    """The least of: cores of the affinity (`taskset`, a batch system), quotas of control groups (a container), SLURM's grant."""
    return max(1, min([affinity(), *quotas(GROUPS, OWN), *slurm()]))


def affinity() -> int:
    """Cores on which the system lets this process run; all where it cannot say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slurm() -> Iterator[int]:
    """The cores of a task of SLURM, which needs no affinity to count them."""
    if (text := os.environ.get(SLURM, "")).isdecimal():
        yield int(text)


def quotas(groups: Path, own: Path) -> Iterator[int]:
    """Quotas of the control groups of this process and those around them, in cores, rounded up.

    Version 2: `cpu.max` has "<quota or max> <period>". Version 1: `cpu.cfs_quota_us`, -1 for none, and `cpu.cfs_period_us`. In a
    container the group may be shown under a path that is not there; its files are then at the top.
    """
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = (*line.split(":", 2), "", "")[:3]
            if controllers not in ("", "cpu", "cpu,cpuacct", "cpuacct,cpu"):
                continue
            top = groups / controllers
            inner = top / path.strip("/")
            for folder in (inner, *(parent for parent in inner.parents if parent.is_relative_to(top))):
                yield from _quota(folder)


def _quota(folder: Path) -> Iterator[int]:
    with suppress(OSError, ValueError, ZeroDivisionError):
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        if quota != "max" and int(quota) > 0:
            yield -(-int(quota) // int(period))
