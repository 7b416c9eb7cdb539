"""Files a second of the `.skeleton` reader, in one process, against two floors: reading the bytes, and `data.read().split()`.

    python -m benchmarks.read_skeleton [--files 300] [--rounds 7]

The files are synthetic, with the sizes of the real ones: 83 frames on average, a second body in every fifth, CRLF, seven
significant digits, some 260 kB each. They lie in a temporary folder and are read warm. The best round by CPU time counts, so
that other work on the machine disturbs little; the three are measured in turn in every round.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.datasets.ntu import reader as ntu_reader

TRACK = 72057594037931101
NTU60_FILES = 56_880


def body(rng: np.random.Generator, track: int) -> list[str]:
    """The 27 lines of one body in one frame."""
    metres = rng.normal((0, 0, 3.5), (0.5, 0.5, 0.3), (25, 3))
    pixels = rng.random((25, 4)) * (512, 424, 1920, 1080)
    turns = rng.normal(0, 0.5, (25, 4))
    rows = np.concatenate([metres, pixels, turns], axis=1)
    joints = [" ".join(f"{value:.7G}" for value in row) + " 2" for row in rows.tolist()]
    return [f"{track} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25", *joints]


def write(folder: Path, files: int) -> list[Path]:
    """Write the synthetic files, the same for every call."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.skeleton" for number in range(files)]
    for path in paths:
        frames, bodies = int(np.clip(rng.normal(83, 25), 20, 200)), 2 if rng.random() < 0.22 else 1
        lines = [str(frames)]
        for _ in range(frames):
            lines.append(str(bodies))
            for number in range(bodies):
                lines += body(rng, TRACK + number)
        path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return paths


def seconds(task: Callable[[bytes], object], paths: Sequence[Path]) -> float:
    """CPU time of reading all files and doing the task on each."""
    start = time.process_time()
    for path in paths:
        task(path.read_bytes())
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    tasks: dict[str, Callable[[bytes], object]] = {
        "read the bytes": lambda data: data,
        "read + split()": lambda data: data.split(),
        "reader": lambda data: ntu_reader.read(data, "file"),
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), options.files)
        size = sum(path.stat().st_size for path in paths)
        start = time.perf_counter()
        ntu_reader.read(paths[0].read_bytes(), "file")
        print(f"{len(paths)} files, {size / 1e6:.1f} MB; first file, with numba's start: {time.perf_counter() - start:.2f} s")
        rounds = [[seconds(task, paths) for task in tasks.values()] for _ in range(options.rounds)]
    rates = dict(zip(tasks, len(paths) / np.min(rounds, axis=0), strict=True))
    for name, rate in rates.items():
        print(f"{name:15} {rate:8,.0f} files/s   {rate / rates['read + split()']:5.2f} times split()")
    print(f"NTU RGB+D ({NTU60_FILES:,} files), extrapolated, one process: {NTU60_FILES / rates['reader']:.0f} s")


if __name__ == "__main__":
    main()
