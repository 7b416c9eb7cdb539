"""Time, memory and sizes of NTU's stages download, normalize and split on archives, and what follows for the full 15 GB of text.

    python -m benchmarks.ntu_archive part.zip --clips 3000
    python -m benchmarks.ntu_archive all.zip --all
    python -m benchmarks.normalize part.zip all.zip        # any archives or folders in NTU's format, real ones too

Every stage is a process of its own in a temporary project with the parameters of this one. CPU time and memory are those of the
process and everything that it starts, sampled 20 times a second; memory is the sum of resident sizes, which counts pages that
processes share once for each (an upper bound). Wall times mean something on a quiet machine only. For an archive with all 56,880
names the counts of both protocols are checked.

The extrapolation fits, for each quantity, `a * GB of text + b * thousands of files + c`, none of them negative, through the
archives given and a small one of its own, 128 clips of 8 frames, which shows the start-up c. Give two archives, one with clips of
real lengths and one with many short clips; with one alone b is left out. The full archive is taken as 15 GB of text in 56,880
files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from scipy.optimize import nnls

from benchmarks import ntu_archive
from pipeline.datasets.ntu import dataset as ntu

ROOT = Path(__file__).parent.parent
STAGES = ("download", "normalize", "split")
FULL_BYTES, FULL_FILES = 15e9, 56_880
COUNTS = {f"ntu-{protocol}": ntu.NTU.counts[ntu.FACTS.samples - ntu.LISTED, protocol] for protocol in ("cs", "cv")}
SAMPLED_S = 0.05
LIMIT_BYTES = 2e9  # what the whole tree may take


@dataclass
class Usage:
    """What a process and its descendants took: seconds by the clock, seconds of CPU, bytes of memory at most."""

    wall: float = 0.0
    cpu: dict[int, float] = field(default_factory=dict)
    memory: int = 0

    def sample(self, process: psutil.Process) -> None:
        """Note where the tree stands now; processes that end meanwhile keep what they had."""
        memory = 0
        for one in [process, *process.children(recursive=True)]:
            try:
                times, resident = one.cpu_times(), one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self.cpu[one.pid] = times.user + times.system
            memory += resident
        self.memory = max(self.memory, memory)


def run(stage: str, project: Path, source: Path) -> Usage:
    """Run a stage of NTU in a project folder and measure it; ends this program where the stage fails."""
    environment = os.environ | {"NTU_SOURCE": str(source.resolve()), "PYTHONPATH": str(ROOT), "PIPELINE_TRACK": "off"}
    usage, start = Usage(), time.perf_counter()
    process = psutil.Popen([sys.executable, "-m", "pipeline", stage, "ntu"], cwd=project, env=environment)
    while process.poll() is None:
        try:
            usage.sample(process)
        except psutil.NoSuchProcess:
            break
        time.sleep(SAMPLED_S)
    usage.wall = time.perf_counter() - start
    if process.wait():
        raise SystemExit(f"{stage} ended with code {process.returncode}")
    return usage


def check_counts(project: Path) -> None:
    """The official numbers of training and test samples of both protocols."""
    for protocol, expected in COUNTS.items():
        test = pd.read_csv(project / "data" / "splits" / "ntu" / f"{protocol}.csv")["part"] == "test"
        assert (int((~test).sum()), int(test.sum())) == expected, f"{protocol}: {expected} expected"
        print(f"  {protocol}: {expected[0]:,} train (with validation) and {expected[1]:,} test samples, as the protocol has them")


def measured(source: Path, folder: Path) -> dict[str, float]:
    """Run the three stages on an archive, print what they took, and return all quantities by name."""
    shutil.copy(ROOT / "params.yaml", folder)
    usages = {stage: run(stage, folder, source) for stage in STAGES}
    record = pd.read_csv(folder / "data" / "raw" / "ntu" / "ntu" / "members.csv")
    store = folder / "data" / "skeletons" / "ntu" / "ntu"
    index = pd.read_csv(store / "index.csv")
    quantities = {"text": float(record["size"].sum()), "files": float(len(record))}
    quantities["store, MB"] = sum(file.stat().st_size for file in store.iterdir()) / 1e6
    print(f"{source}: {len(record):,} files, {quantities['text'] / 1e6:,.0f} MB of text")
    print(f"  store: {len(index):,} clips, {index['length'].sum():,} frames, {quantities['store, MB']:,.1f} MB")
    for stage, usage in usages.items():
        cpu = sum(usage.cpu.values())
        over = "" if usage.memory < LIMIT_BYTES else f", OVER {LIMIT_BYTES / 1e9:.0f} GB"
        print(f"  {stage:10} {usage.wall:8.1f} s wall {cpu:8.1f} s CPU {usage.memory / 1e6:8,.0f} MB of memory at most{over}")
        quantities |= {f"{stage}, s wall": usage.wall, f"{stage}, s CPU": cpu}
    if len(record) == FULL_FILES:
        check_counts(folder)
    return quantities


def extrapolate(archives: Sequence[Mapping[str, float]]) -> None:
    """Print what the full archive would take, by the formula in the head of this file."""
    table = pd.DataFrame(archives)
    units = ["", " a GB", " a thousand files"][: len(table)]
    known = np.stack([np.ones(len(table)), table["text"] / 1e9, table["files"] / 1e3], axis=1)[:, : len(units)]
    full = np.array([1.0, FULL_BYTES / 1e9, FULL_FILES / 1e3])[: len(units)]
    print(f"EXTRAPOLATED, not measured, to {FULL_BYTES / 1e9:.0f} GB of text in {FULL_FILES:,} files:")
    for name in table.columns.drop(["text", "files"]):
        factors, _ = nnls(known, table[name].to_numpy())
        words = (f"{factor:.3g}{unit}" for factor, unit in zip(factors, units, strict=True))
        print(f"  {name:18} {full @ factors:10,.0f}   = {' + '.join(words)}")


def main() -> None:
    """Measure all archives, then extrapolate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", nargs="+", type=Path, metavar="ARCHIVE")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores; load of the machine before: {os.getloadavg()[0]:.1f} (wall times need a quiet one)")
    archives = []
    with tempfile.TemporaryDirectory() as small:
        recipe = ntu_archive.Recipe(ntu_archive.demo_section(), ntu_archive.SHORT)
        ntu_archive.write(Path(small, "small.zip"), ntu_archive.part(128, 20), recipe)
        for source in [Path(small, "small.zip"), *options.sources]:
            with tempfile.TemporaryDirectory() as folder:
                archives.append(measured(source, Path(folder)))
    extrapolate(archives)


if __name__ == "__main__":
    main()
