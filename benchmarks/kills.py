"""Kills spread over all seven stages: what is left running and on disk, and whether the next run comes to the same bytes.

    python -m benchmarks.kills             # 9 a stage, 63 in all
    python -m benchmarks.kills --each 1    # a sample
    python -m benchmarks.kills --stages pretrain evaluate

A small project on synthetic data is trained once without interruption. Then, stage by stage, the outputs are removed (as DVC does
before it runs a stage), the stage is started again and again and ended in one of five ways at a seeded share of its time, and at
last left to end; its outputs must be those of the uninterrupted run, byte for byte.

| way       | what is sent                                        | exit code that shells show                       |
|-----------|-----------------------------------------------------|--------------------------------------------------|
| Ctrl-C    | SIGINT to all its processes, as a terminal does     | 130                                              |
| SIGTERM   | to the stage alone                                  | 143                                              |
| terminal  | SIGHUP to all its processes                         | 129                                              |
| kill -9   | SIGKILL to the stage alone                          | 137                                              |
| worker    | SIGKILL to one of its processes, as out of memory   | 2; as kill -9 where it has none at that moment   |
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import uuid4

import psutil

from benchmarks import mutations, small_project

CELL, ROOT = small_project.CELL, small_project.ROOT
RUNS, RESULTS = Path("data/runs/demo", CELL), Path("data/results/demo", CELL)
OUTPUTS = {
    "download": ("demo", [Path("data/raw/demo")]),
    "normalize": ("demo", [Path("data/skeletons/demo")]),
    "split": ("demo", [Path("data/splits/demo")]),
    "pretrain": (CELL, [RUNS / "pretrain"]),
    "finetune": (CELL, [RUNS / "finetune", RESULTS / "history.csv", RESULTS / "run.json"]),
    "evaluate": (CELL, [RESULTS / "evaluate"]),
    "report": ("demo", [Path("reports/demo")]),
}
WAYS = ("Ctrl-C", "SIGTERM", "terminal", "kill -9", "worker")
CODES = {"Ctrl-C": 130, "SIGTERM": 143, "terminal": 129, "kill -9": 137, "worker": 2}
LEFT_S, LEFT_CPU_S, MOST_S, MARK = 5.0, 2.0, 60.0, "PIPELINE_KILL_TRIAL"


@dataclass
class Row:
    """What was seen of a stage: what took longest to end, in seconds and of CPU; processes `left`; other exit `codes`.

    On a busy machine 5 s may go by without a turn. So `left` are those that still run after 5 s and have had 2 s of CPU since, or
    after a minute.
    """

    kills: int = 0
    ended: int = 0
    left: int = 0
    work: float = 0.0
    codes: list[str] = field(default_factory=list)
    tracebacks: int = 0
    longest: float = 0.0
    alone: float = 0.0
    last: float = 0.0
    same: bool = True

    @property
    def bad(self) -> bool:
        """Whether something came that must not."""
        return bool(self.left or self.codes or self.tracebacks or not self.same)


def start(stage: str, target: str, mark: str) -> subprocess.Popen[str]:
    """The stage as a process group of its own; its processes inherit the mark."""
    environment = os.environ | {MARK: mark, "PYTHONPATH": str(ROOT), "PIPELINE_TRACK": "off"}
    command = [sys.executable, "-m", "pipeline", stage, target]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def marked(mark: str) -> list[psutil.Process]:
    """All processes with that mark which run."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def cpu(processes: list[psutil.Process]) -> float:
    """The seconds that they have computed."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:2])
    return total


def send(way: str, stage: subprocess.Popen[str], mark: str, rng: Random) -> str:
    """End the stage in that way; returns the way, which is another where there is no worker."""
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        workers = [p for p in marked(mark) if p.pid != stage.pid and "resource_tracker" not in " ".join(p.cmdline())]
        if way == "worker" and workers:
            rng.choice(workers).kill()
        elif way in ("Ctrl-C", "terminal"):
            os.killpg(stage.pid, signal.SIGINT if way == "Ctrl-C" else signal.SIGHUP)
        else:
            way = way if way == "SIGTERM" else "kill -9"
            stage.send_signal(signal.SIGTERM if way == "SIGTERM" else signal.SIGKILL)
    return way


def kill(stage: str, after: float, way: str, rng: Random, row: Row) -> None:
    """One trial: start, wait, end, look."""
    mark = uuid4().hex
    process = start(stage, OUTPUTS[stage][0], mark)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
    if process.poll() is not None:
        row.ended += 1
        process.communicate()
        return
    way = send(way, process, mark, rng)
    sent, before = time.monotonic(), cpu(marked(mark))
    used = 0.0
    while left := marked(mark):
        used, since = max(used, cpu(left) - before), time.monotonic() - sent
        if since > MOST_S or (since > LEFT_S and used > LEFT_CPU_S):
            break
        time.sleep(0.05)
    row.kills += 1
    row.longest, row.work = max(row.longest, time.monotonic() - sent), max(row.work, used)
    row.left += len(left)
    if left:
        print(f"left by {way} {after:.1f} s after the start: {len(left)}", file=sys.stderr)
    for other in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            other.kill()
    _, said = process.communicate()
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    begun = said.startswith("error") or "\nerror" in said  # it had come to the point where it handles signals
    if code not in (CODES[way], 0) and not (way == "Ctrl-C" and not begun):
        row.codes.append(f"{way}: {code}")
    if "Traceback" in said and (begun or way != "Ctrl-C"):  # Ctrl-C in the middle of Python's imports shows where
        row.tracebacks += 1
        print(said, file=sys.stderr)


def trial(stage: str, each: int) -> Row:
    """All kills of a stage, then a run to its end."""
    target, outputs = OUTPUTS[stage]
    expected, rng, row = digest(outputs), Random(f"{mutations.SEED} {stage}"), Row()  # noqa: S311
    began = time.monotonic()
    finish(stage, target)
    row.alone = time.monotonic() - began
    row.same = digest(outputs) == expected
    remove(outputs)
    for number in range(each):
        kill(stage, row.alone * rng.uniform(0.2, 0.95), WAYS[number % len(WAYS)], rng, row)
    began = time.monotonic()
    finish(stage, target)
    row.last = time.monotonic() - began
    row.same = row.same and digest(outputs) == expected
    litter = [path for path in Path("data").rglob("*") if path.suffix in (".partial", ".old")]
    row.same = row.same and not litter
    return row


def finish(stage: str, target: str) -> None:
    """Run the stage to its end."""
    process = start(stage, target, "")
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{stage} {target} ended with {process.returncode}: {said}")


def digest(paths: list[Path]) -> str:
    """A digest over all bytes below some paths."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found.update(f"{file}\n".encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def remove(paths: list[Path]) -> None:
    """As DVC does."""
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    """Print a row a stage as it ends; code 1 where something came that must not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=9, help="kills a stage")
    parser.add_argument("--stages", nargs="*", default=list(OUTPUTS), choices=list(OUTPUTS))
    parser.add_argument("--project", default="", metavar="FOLDER", help="keep the small project there, and use it again")
    options = parser.parse_args()
    rows = []
    with mutations.project(options.project):
        finish("report", "demo")
        print(
            "| stage | kills | ended before | left | longest end (s) | its CPU (s) | other codes | tracebacks | same bytes",
            end="",
        )
        print(" | uninterrupted (s) | last run (s) |")
        print("|---|" + "---:|" * 10, flush=True)
        for stage in options.stages:
            rows.append(row := trial(stage, options.each))
            codes = ", ".join(row.codes) or "0"
            same = "yes" if row.same else "NO"
            cells = (stage, row.kills, row.ended, row.left, f"{row.longest:.1f}", f"{row.work:.1f}", codes, row.tracebacks, same)
            print("| " + " | ".join(map(str, (*cells, f"{row.alone:.0f}", f"{row.last:.0f}"))) + " |", flush=True)
    print(f"{sum(row.kills for row in rows)} kills")
    sys.exit(int(any(row.bad for row in rows)))


if __name__ == "__main__":
    main()
