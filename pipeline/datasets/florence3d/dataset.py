"""Florence 3D Actions (Seidenari et al. 2013): one person, 15 joints, 9 actions, 10 actors, 215 videos in one text file.

A line is a frame: number of the video, of the actor, of the category, then x, y, z of 15 joints, 48 numbers separated by blanks.
What was seen in the file: docs/data-sets.md.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline.core.skeletons import Frames, Meta, Sample
from pipeline.datasets.florence3d.axes import TORSO, UNITS, Axes, find
from pipeline.datasets.florence3d.settings import Florence3dNormalize
from pipeline.datasets.shared import plausible, sources, stores
from pipeline.datasets.shared.clips import Coordinates, centre
from pipeline.datasets.shared.errors import ArchiveMismatch, MalformedSkeleton, RawDataMissing, SplitMismatch
from pipeline.datasets.shared.folds import leave_one_out
from pipeline.datasets.shared.lines import numbers
from pipeline.datasets.shared.reading import ReadClip
from pipeline.datasets.shared.registry import Format
from pipeline.datasets.shared.settings import SourceDownload

SYNTHETIC = False
DOWNLOAD, SECTION = SourceDownload, Florence3dNormalize
PROTOCOLS: Mapping[str, tuple[str, str]] = {"florence3d": ("florence3d", "florence3d")}
FORMATS: Mapping[str, Format] = {"florence3d": cast(Format, sys.modules[__name__])}
PAGE = "https://www.micc.unifi.it/resources/datasets/florence-3d-actions-dataset/"
LICENCE = (
    "Florence 3D Actions comes without a licence: use it for research only and do not pass it on; cite L. Seidenari, V. Varano, "
    "S. Berretti, A. Del Bimbo, P. Pala: Recognizing Actions from Depth Cameras as Weakly Aligned Multi-Part Bag-of-Poses, "
    "HAU3D workshop at CVPR 2013."
)
FILE = "Florence_dataset_WorldCoordinates.txt"
WANTED = re.compile(r"Florence_(dataset_WorldCoordinates|3d_actions_world_coordinates)\.txt", re.IGNORECASE)
ADVICE = f"Get the data set from {PAGE} and set FLORENCE3D_SOURCE to {FILE}, its folder, or the zip that it is in"

# Names and order: README of the data set.
ACTIONS = ("wave", "drink from a bottle", "answer phone", "clap", "tie a lace", "sit down", "stand up", "read watch", "bow")
JOINTS = (
    *("head", "neck", "spine"),
    *("left shoulder", "left elbow", "left wrist", "right shoulder", "right elbow", "right wrist"),
    *("left hip", "left knee", "left ankle", "right hip", "right knee", "right ankle"),
)
VIDEOS = {1: 29, 2: 18, 3: 21, 4: 19, 5: 20, 6: 22, 7: 19, 8: 24, 9: 20, 10: 23}  # actor -> videos, counted; 215 in all
TOTAL = sum(VIDEOS.values())
COMPLETE = {"florence3d": TOTAL}
META = Meta(
    joints=JOINTS,
    bones=(
        (0, 1),
        (1, 2),
        (3, 1),
        (4, 3),
        (5, 4),
        (6, 1),
        (7, 6),
        (8, 7),
        (9, 2),
        (10, 9),
        (11, 10),
        (12, 2),
        (13, 12),
        (14, 13),
    ),
    mirror=(0, 1, 2, 6, 7, 8, 3, 4, 5, 12, 13, 14, 9, 10, 11),
    actions=ACTIONS,
    bodies=1,
    fps=0.0,  # not published; at the 30 of the sensor to sit down would take half a second
    unit="metres",
)
RAW_UNIT = "values as in the file"
Line = tuple[int, list[bytes]]  # its number, from 1, and its fields
SUFFIX = ".txt"
SAYS = "a text file of Florence 3D: a line a frame, numbers of video, actor and category, and x, y, z of 15 joints"
_NUMBERS = 3 + len(JOINTS) * 3


class Video(NamedTuple):
    """A video as the file has it; `line` is its first, from 1, `frames` `[T, 15, 3]`."""

    number: int
    actor: int
    category: int
    frames: Coordinates
    line: int


def fetch(target: Path, section: SourceDownload) -> None:
    """Write `target/florence3d/Florence_dataset_WorldCoordinates.txt`, whatever its name was; say whether all videos are there.

    Raises `RawDataMissing` where it is not in the source, `ArchiveMismatch` for a damaged archive, or two such files.
    """
    tqdm.write(LICENCE, file=sys.stderr)
    files = sources.read(section.source, WANTED, ADVICE)
    if len(files) > 1:
        raise ArchiveMismatch(f"{section.source}: expected one of {', '.join(files)}, found {len(files)}; remove the others")
    [text] = files.values()
    sources.write(target / "florence3d", {FILE: text})
    videos = len({line.split(None, 1)[0] for line in text.splitlines() if line.strip()})
    state = "complete" if videos == TOTAL else "a part" if videos < TOTAL else "more than the data set has"
    tqdm.write(f"florence3d: {state}: {videos} of {TOTAL} videos", file=sys.stderr)


def normalize(raw: Path, target: Path, section: Florence3dNormalize, allow_malformed: int) -> None:
    """Read the file in `raw`, apply the steps of `section`, write the store, `repairs.csv` and `set_aside.csv`.

    A video with a line that cannot be read is set aside as a whole. Raises `TooManyMalformed` where they are more than
    `allow_malformed`, `RawDataMissing` where there is no file or no video, `ArchiveMismatch` where the axes cannot be told.
    """
    path = raw / FILE
    if not path.is_file():
        raise RawDataMissing(f"{path}: no such file; run `dvc repro` to fetch it")
    found = list(parse(path.read_bytes(), FILE))
    failures = [video for video in found if isinstance(video, MalformedSkeleton)]
    videos = [video for video in found if isinstance(video, Video)]
    stores.check_any(videos, failures, allow_malformed, raw)
    axes = _axes(videos, FILE) if section.axes == "upright" else None
    videos = [video for video in videos if _plausible(video, section, axes, failures)]
    stores.check_any(videos, failures, allow_malformed, raw)
    rules = [("axes", f"upright: {axes}" if axes else "file"), ("centre", section.centre)]
    clips = [(sample, *repair(video.frames, section, axes)) for sample, video in zip(_samples(videos), videos, strict=True)]
    stores.write(target, stores.Content(META if axes else replace(META, unit=RAW_UNIT), rules, clips, failures))


def _plausible(video: Video, section: Florence3dNormalize, axes: Axes | None, failures: list[MalformedSkeleton]) -> bool:
    """Whether a video has numbers that a body can have, in metres where the axes are known; if not, why is in `failures`."""
    metres = video.frames[:, None] / (UNITS[axes.unit] if axes else 1.0)
    try:
        plausible.check(metres, plausible.limits("florence3d", section), plausible.Lines(FILE, video.line), JOINTS)
    except MalformedSkeleton as failure:
        failures.append(failure)
        return False
    return True


def _axes(videos: Iterable[Video], where: str) -> Axes:
    axes = find(np.concatenate([video.frames for video in videos]))
    if isinstance(axes, str):
        raise ArchiveMismatch(f"{where}: {axes}; set normalize.florence3d.axes to `file` to take the numbers as they are")
    return axes


def read(text: bytes, where: str, section: Florence3dNormalize) -> list[ReadClip]:
    """The videos of one file, by their numbers and with their categories; axes are found from all of them together.

    Raises the first fault of any of them, `ArchiveMismatch` where the axes cannot be told.
    """
    videos: list[Video] = []
    for found in parse(text, where):
        if isinstance(found, MalformedSkeleton):
            raise found
        videos.append(found)
    if not videos:
        raise MalformedSkeleton(where, 1, "expected videos, found an empty file")
    axes = _axes(videos, where) if section.axes == "upright" else None
    failures: list[MalformedSkeleton] = []
    if not all(_plausible(video, section, axes, failures) for video in videos):
        raise failures[0]
    names = (sample.name for sample in _samples(videos))
    named = zip(names, videos, strict=True)
    return [ReadClip(name, video.category, repair(video.frames, section, axes)[0], {}) for name, video in named]


def _samples(videos: Iterable[Video]) -> Iterator[Sample]:
    """Named such as `v003_a01_c02`, so that they sort as the videos do; the replications of an actor and category are counted."""
    seen: Counter[tuple[int, int]] = Counter()
    for number, actor, category, *_ in videos:
        seen[actor, category] += 1
        name = f"v{number:03}_a{actor:02}_c{category:02}"
        yield Sample(name, actor, 0, 0, 0, replication=seen[actor, category], action=category)


def parse(text: bytes, where: str) -> Iterator[Video | MalformedSkeleton]:
    """The videos of the file in its order, or for one that cannot be used its first fault.

    Line ends may be CRLF or LF, blank lines may follow. Faults: other than 48 finite numbers in a line, an actor or a category
    that there is not, lines of another actor or category within a video, lines that come back after another video, and a frame
    of zeros.
    """
    videos: dict[bytes, list[Line]] = {}
    back: dict[bytes, int] = {}  # video -> line where it comes back
    numbered = ((number, line.split()) for number, line in enumerate(text.rstrip().splitlines(), start=1))
    for key, run in groupby(numbered, lambda line: line[1][0] if line[1] else b""):
        lines = list(run)
        if key in videos:
            back.setdefault(key, lines[0][0])
        videos.setdefault(key, []).extend(lines)
    for key, lines in videos.items():
        try:
            yield _video(lines, where, back.get(key))
        except MalformedSkeleton as failure:
            yield failure


def _video(lines: list[Line], where: str, back: int | None) -> Video:
    rows = np.array([numbers(fields, _NUMBERS, where, number, "blanks") for number, fields in lines])
    number, actor, category = rows[0, :3]
    if back is not None:
        raise MalformedSkeleton(where, back, f"expected all lines of video {number:g} together, found others between them")
    for what, value, most in (("video", number, np.inf), ("actor", actor, len(VIDEOS)), ("category", category, len(ACTIONS))):
        if value != int(value) or not 1 <= value <= most:
            raise MalformedSkeleton(where, lines[0][0], f"expected the number of a {what}, at most {most}, found {value:g}")
    for line, row in zip(lines, rows, strict=True):
        if (row[:3] != rows[0, :3]).any():
            expected = f"actor {actor:g} and category {category:g}, as before in video {number:g}"
            raise MalformedSkeleton(where, line[0], f"expected {expected}, found {row[1]:g} and {row[2]:g}")
        if not row[3:].any():
            raise MalformedSkeleton(where, line[0], "expected a skeleton, found zeros alone")
    frames = rows[:, 3:].reshape(-1, len(JOINTS), 3)
    return Video(int(number), int(actor), int(category), frames, lines[0][0])


def repair(raw: Coordinates, section: Florence3dNormalize, axes: Axes | None) -> tuple[Frames, list[int]]:
    """Apply the steps to one clip `[T, 15, 3]`: float32 `[T, 1, 15, 3]`, and how many frames each rule touched."""
    frames = (axes.apply(raw) if axes else raw)[:, None]
    if section.centre != "none":
        frames = centre(frames, TORSO, per_frame=section.centre == "torso_per_frame")
    return frames.astype(np.float32), [len(raw) * (axes is not None), len(raw) * (section.centre != "none")]


def assign(protocol: str, index: pd.DataFrame) -> pd.DataFrame:
    """Leave one actor out (README of the data set): in fold k the videos of actor k are test."""
    if protocol != "florence3d":
        raise SplitMismatch(f"Florence 3D has the protocol florence3d only, not {protocol!r}")
    return leave_one_out(index, "Florence 3D", VIDEOS)


def groups(protocol: str, index: pd.DataFrame) -> pd.Series:
    """The actor of each sample."""
    return index["subject"].rename("group")
