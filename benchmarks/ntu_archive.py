"""A synthetic archive in NTU RGB+D's raw format with its official names, for timings and trials at its size.

    python -m benchmarks.ntu_archive TARGET.zip --clips 3000 --classes 20   # a balanced part, clips as long as the real ones
    python -m benchmarks.ntu_archive TARGET.zip --all                       # all 56,880 names, short clips of 8 frames

No person was recorded. `--clips` takes whole performances, each seen by the three cameras, spread evenly over the 40 subjects and
over classes that lie evenly among the 60; lengths are 20 to 300 frames, 84 on average, as the real ones. `--all` has the names of
the complete archive, so that protocols can be counted, but clips of 8 frames: its size and times say nothing about the real ones
(`--frames 0` gives them real lengths too, some 12 GB of text).

The class is a gesture up or down of hands, knees and head in the middle of the clip (0.4 to 0.7 of its length), another for each
class; the actions that the names stand for are not performed. How the motions are made: `pipeline.datasets.demo_motion`.
"""

from __future__ import annotations

import argparse
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.config import params
from pipeline.datasets.demo import dataset as demo
from pipeline.datasets.demo import files as demo_files
from pipeline.datasets.demo import motion
from pipeline.datasets.demo.settings import DemoDownload
from pipeline.datasets.ntu import archive as ntu_archive
from pipeline.datasets.ntu import clips as ntu_clips
from pipeline.datasets.ntu import dataset as ntu
from tests.skeleton_text import all_names

SHORT = 8  # frames of a clip with --all
SHORTEST, LONGEST, MEAN, SPREAD = 20, 300, 84, 31  # frames of a realistic clip: the smallest, largest, mean, standard deviation
GATES = (10, 6, 17, 13, 3)  # joints that carry the class: right and left wrist, right and left knee, head; of the first body
WINDOW = (0.4, 0.7)


@dataclass(frozen=True)
class Recipe:
    """How the clips are made: parameters of the motions, and frames of every clip (0: realistic lengths)."""

    section: DemoDownload
    frames: int


@cache
def gestures(count: int) -> tuple[tuple[int, ...], ...]:
    """A gesture a class: 1 up, -1 down, 0 still for each gate; each the one that differs most from all before it."""
    free = [g for g in product((1, -1, 0), repeat=len(GATES)) if any(g)]
    chosen = [free.pop(0)]
    while len(chosen) < count:
        distances = [min(sum(abs(a - b) for a, b in zip(g, other, strict=True)) for other in chosen) for g in free]
        chosen.append(free.pop(int(np.argmax(distances))))
    return tuple(chosen)


def layout(frames: int) -> motion.Layout:
    """NTU's skeleton with clips of this many frames and a gesture for each of the 60 classes."""
    evidence = motion.Evidence(GATES, WINDOW)
    return replace(motion.NTU, shortest=frames, longest=frames, evidence=evidence, gestures=gestures(ntu.FACTS.actions))


# --- names ------------------------------------------------------------------------------------------------------------------


def part(clips: int, classes: int) -> list[str]:
    """Names of a balanced part, sorted: as even over subjects, cameras and classes as their number allows, none of the 302."""
    actions = sorted(set(np.linspace(1, ntu.FACTS.actions, classes).round().astype(int).tolist()))
    performances: dict[tuple[int, int], list[list[str]]] = {}
    left_out = ntu.NTU.listed_missing()
    for first in (name for name in all_names() if name[4:8] == "C001" and int(name[17:]) in actions):
        seen = [first.replace("C001", f"C{camera:03}") for camera in range(1, ntu.FACTS.cameras + 1)]
        if left_out.isdisjoint(seen):
            performances.setdefault((int(first[9:12]), actions.index(int(first[17:]))), []).append(seen)
    # One performance of each (subject, class) before the second of any; of these, all classes in turn with spread subjects.
    turns = [
        (turn, (subject - place * ntu.FACTS.subjects // classes) % ntu.FACTS.subjects, place, names)
        for (subject, place), all_of_them in performances.items()
        for turn, names in enumerate(all_of_them)
    ]
    names = [name for *_, three in sorted(turns) for name in three]
    if not 0 < clips <= len(names):
        raise SystemExit(f"--clips {clips}: there are {len(names):,} names with {classes} classes")
    return sorted(names[:clips])


# --- clips ------------------------------------------------------------------------------------------------------------------


def length_of(rng: np.random.Generator, recipe: Recipe) -> int:
    """Frames of a clip: those of the recipe, or drawn; most are near the mean, few are long, as in the real data."""
    shape = ((MEAN - SHORTEST) / SPREAD) ** 2
    drawn = SHORTEST + rng.gamma(shape, (MEAN - SHORTEST) / shape)
    return recipe.frames or min(round(drawn), LONGEST)


def text(name: str, recipe: Recipe) -> bytes:
    """The `.skeleton` file of a sample; the three cameras of a performance see one motion, each with its own noise."""
    setup, camera, subject, replication, action = (int(name[i : i + 3]) for i in (1, 5, 9, 13, 17))
    rng = motion.generator(recipe.section, motion.Stream.NTU, setup, subject, replication, action)
    size = motion.size_of(subject, recipe.section)
    people = [(size, 0.0, 0.0)]
    if action in ntu_clips.TWO_PERSON_ACTIONS:
        people = [(size, -demo.PARTNER_PLACE / 2, 0.0), (size * demo.PARTNER_SIZE, demo.PARTNER_PLACE / 2, 0.0)]
    scene = motion.clip(rng, layout(length_of(rng, recipe)), action - 1, people, recipe.section)
    sensor = motion.generator(recipe.section, motion.Stream.SENSOR, camera, setup, subject, replication, action)
    yaw = demo.NTU_YAW[camera]
    seen = motion.turned(scene, yaw) + np.array((0, 0, demo_files.NTU_DISTANCE_M)) + sensor.normal(0, demo.SENSOR_M, scene.shape)
    return demo_files.ntu_text(demo_files.tracks(seen), yaw)


def members(names: Iterable[str], recipe: Recipe) -> Iterator[tuple[str, bytes]]:
    """Name inside the archive and text of every sample."""
    return ((f"{demo.NTU_FOLDER}/{name}.skeleton", text(name, recipe)) for name in names)


def write(target: Path, names: Sequence[str], recipe: Recipe) -> int:
    """Write the archive, its bytes given by names and recipe; returns the bytes of text. Nothing half-written stays."""
    partial, size = target.with_suffix(".partial"), 0
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, data in tqdm(members(names, recipe), "synthetic NTU", len(names), unit="file", disable=None):
                info = zipfile.ZipInfo(name)  # dated 1980
                info.create_system, info.external_attr, info.compress_type = 3, 0o644 << 16, zipfile.ZIP_DEFLATED
                archive.writestr(info, data, compresslevel=1)
                size += len(data)
            archive.comment = ntu_archive.SYNTHETIC + b" recordings in the format of NTU RGB+D"  # every report then says so
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return size


def described(names: Sequence[str], recipe: Recipe) -> str:
    """What there is, and how evenly."""
    columns = (("cameras", 4), ("subjects", 8), ("classes", 16))
    spread = {what: Counter(name[start : start + 4] for name in names).values() for what, start in columns}
    counts = "; ".join(f"{len(c)} {what} with {min(c)} to {max(c)} each" for what, c in spread.items())
    lengths = f"{recipe.frames} frames each, no real lengths" if recipe.frames else f"lengths as the real ones, {MEAN} on average"
    return f"{len(names):,} synthetic clips, {lengths}; {counts}"


def demo_section() -> DemoDownload:
    """The demo's section of `params.yaml`, without faint recordings."""
    found = params.load().params.download.demo
    assert found is not None
    return found.model_copy(update={"faint_share": 0.0})


def main() -> None:
    """Write an archive and say what is in it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--clips", type=int, help="a balanced part of so many clips")
    which.add_argument("--all", action="store_true", help=f"all {ntu.FACTS.samples:,} names, short clips")
    parser.add_argument("--classes", type=int, default=20, choices=range(2, 61), metavar="2..60", help="of a part (20)")
    parser.add_argument("--frames", type=int, help=f"of every clip; 0: realistic lengths ({SHORT} with --all, else 0)")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    frames = options.frames if options.frames is not None else SHORT * options.all
    recipe = Recipe(demo_section().model_copy(update={"seed": options.seed}), frames)
    names = sorted(all_names()) if options.all else part(options.clips, options.classes)
    size = write(options.target, names, recipe)
    print(f"{options.target}: {described(names, recipe)}; {size / 1e6:,.0f} MB of text")


if __name__ == "__main__":
    main()
