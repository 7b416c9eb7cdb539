"""UTKinect-Action3D (Xia et al. 2012): one person, 20 joints, 10 actions, 10 subjects, each action in two takes of each.

A take is one file: a line a skeleton, the number of its frame and x, y, z of 20 joints, 61 numbers separated by blanks.
`actionLabel.txt` says which frames are which action. What was seen in the files: docs/data-sets.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from pipeline.core.skeletons import Meta, Sample
from pipeline.datasets.shared import kinect, plausible, sources, stores
from pipeline.datasets.shared.clips import Coordinates, centre
from pipeline.datasets.shared.errors import MalformedSkeleton, RawDataMissing, SplitMismatch
from pipeline.datasets.shared.folds import leave_one_out
from pipeline.datasets.shared.lines import numbers
from pipeline.datasets.shared.reading import ReadClip
from pipeline.datasets.shared.registry import Format
from pipeline.datasets.shared.settings import SourceDownload
from pipeline.datasets.utkinect import intervals as labels
from pipeline.datasets.utkinect.intervals import ACTIONS, Bounds, Interval
from pipeline.datasets.utkinect.settings import UtkinectNormalize

SYNTHETIC = False
DOWNLOAD, SECTION = SourceDownload, UtkinectNormalize
PROTOCOLS: Mapping[str, tuple[str, str]] = {"utkinect": ("utkinect", "utkinect")}
FORMATS: Mapping[str, Format] = {"utkinect": cast(Format, sys.modules[__name__])}
PAGE = "http://cvrc.ece.utexas.edu/KinectDatasets/HOJ3D.html"
LICENCE = (
    "UTKinect-Action3D comes without a licence: use it for research only and do not pass it on; cite L. Xia, C.-C. Chen, "
    "J. K. Aggarwal: View Invariant Human Action Recognition Using Histograms of 3D Joints, HAU3D workshop at CVPR 2012."
)
ADVICE = (
    f"Get the skeletons (joints.zip) and {labels.FILE} from {PAGE} and set UTKINECT_SOURCE to the folder, or a zip, with both"
)
TAKES = 20
SAMPLES = {**dict.fromkeys(range(1, 10), 20), 10: 19}  # subject -> intervals with frames; 199, s10_e02 has no frames of carry
COMPLETE = {"utkinect": sum(SAMPLES.values())}
WANTED = re.compile(r"actionLabel\.txt|joints_s\d\d_e\d\d\.txt")
META = Meta(
    joints=kinect.JOINTS,
    bones=kinect.BONES,
    mirror=kinect.MIRROR,
    actions=("walk", "sit down", "stand up", "pick up", "carry", "throw", "push", "pull", "wave hands", "clap hands"),
    bodies=1,
    fps=15.0,  # about, says the page of the data set; frames are numbered at 30
    unit="metres",
)
SUFFIX, SAYS = ".txt", "a joints file of UTKinect: a line a skeleton, the number of its frame and x, y, z of 20 joints"
Mask = npt.NDArray[np.bool_]


class Take(NamedTuple):
    """A joints file: frame numbers `[N]`, not falling, and skeletons `[N, 20, 3]`."""

    name: str
    frames: npt.NDArray[np.int64]
    skeletons: Coordinates


def fetch(target: Path, section: SourceDownload) -> None:
    """Write `actionLabel.txt` and the joints files into `target/utkinect`; say whether all takes are there.

    Raises `RawDataMissing` where the labels or all takes are missing, `ArchiveMismatch` for a damaged archive.
    """
    tqdm.write(LICENCE, file=sys.stderr)
    files = sources.read(section.source, WANTED, ADVICE)
    takes = len(files) - (labels.FILE in files)
    if labels.FILE not in files or not takes:
        raise RawDataMissing(f"{section.source}: {labels.FILE if takes else 'all joints files'} missing. {ADVICE}")
    sources.write(target / "utkinect", files)
    tqdm.write(f"utkinect: {'complete' if takes == TAKES else 'a part'}: {takes} of {TAKES} takes", file=sys.stderr)


def normalize(raw: Path, target: Path, section: UtkinectNormalize, allow_malformed: int) -> None:
    """Read the takes in `raw`, cut them into clips by the steps of `section`, write the store and its tables.

    A take that cannot be read, and an interval without frames, are set aside. Raises `TooManyMalformed` where they are more than
    `allow_malformed`, `RawDataMissing` where there are none that can be read, `MalformedSkeleton` for faulty labels.
    """
    path = raw / labels.FILE
    if not path.is_file():
        raise RawDataMissing(f"{path}: no such file; run `dvc repro` to fetch it")
    intervals = labels.parse(path.read_bytes())
    found = [clip for file in sorted(raw.glob("joints_*.txt")) for clip in _clips_of(file, intervals, section)]
    failures = [clip for clip in found if isinstance(clip, MalformedSkeleton)]
    clips = [clip for clip in found if isinstance(clip, tuple)]
    stores.check_any(clips, failures, allow_malformed, raw)
    dropped = sum(clip is None for clip in found)
    rules = [(name, str(getattr(section, name)).lower()) for name in ("corrections", "overlaps", "repeated_frames", "centre")]
    meta = META if section.centre != "none" else replace(META, unit="metres from the sensor")
    left_out = [("no_interval", section.no_interval, dropped, 0)]
    stores.write(target, stores.Content(meta, rules, clips, failures, left_out))


def _clips_of(
    file: Path, intervals: Mapping[str, Sequence[Interval]], section: UtkinectNormalize
) -> Iterator[stores.Clip | MalformedSkeleton | None]:
    """The clips of a take, a failure for each that cannot be made, None for each interval that is dropped."""
    name = file.stem.removeprefix("joints_")
    try:
        take = parse(file.read_bytes(), file.name, name)
        limits = plausible.limits("utkinect", section)
        plausible.check(take.skeletons[:, None], limits, plausible.Lines(file.name), kinect.JOINTS)
    except MalformedSkeleton as failure:
        yield failure
        return
    own = intervals.get(name)
    if own is None:
        yield MalformedSkeleton(file.name, 1, f"expected the intervals of {name} in {labels.FILE}, found none")
        return
    right = [labels.corrected(interval) for interval in own] if section.corrections else own
    final = labels.cut(right) if section.overlaps == "cut" else right
    for published, typed, interval in zip(own, right, final, strict=True):
        if interval.bounds is None and section.no_interval == "drop":
            yield None
            continue
        try:
            yield clip(take, [published.bounds, typed.bounds, interval.bounds], interval, section)
        except MalformedSkeleton as failure:
            yield failure


def parse(text: bytes, where: str, name: str) -> Take:
    """A joints file; `MalformedSkeleton` for other than 61 finite numbers, a frame number that falls, a skeleton of zeros."""
    lines = text.rstrip().splitlines()
    if not lines:
        raise MalformedSkeleton(where, 1, "expected skeletons, found an empty file")
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        row = numbers(line.split(), 1 + 3 * len(kinect.JOINTS), where, number, "blanks")
        before = rows[-1][0] if rows else 0
        if row[0] != int(row[0]) or row[0] < before:
            raise MalformedSkeleton(where, number, f"expected the number of a frame, at least {before:g}, found {row[0]:g}")
        if not any(row[1:]):
            raise MalformedSkeleton(where, number, "expected a skeleton, found zeros alone")
        rows.append(row)
    table = np.array(rows)
    return Take(name, table[:, 0].astype(np.int64), table[:, 1:].reshape(len(rows), len(kinect.JOINTS), 3))


def clip(take: Take, bounds: Sequence[Bounds | None], interval: Interval, section: UtkinectNormalize) -> stores.Clip:
    """The clip of an interval, and how many frames each rule touched.

    `bounds`: those published, those corrected, those that count. Raises `MalformedSkeleton` where there are none, or no frames.
    """
    kept = _kept(take, section)
    published, typed, final = (_within(take, bound) for bound in bounds)
    frames = take.skeletons[final & kept, None]
    if not len(frames):
        found = "no frame of it in the take" if interval.bounds else "NaN"
        raise MalformedSkeleton(labels.FILE, interval.line, f"expected first and last frame of {interval.action}, found {found}")
    frames = _centred(frames, section)
    touched = [
        int((published & ~typed & kept).sum()),
        int((typed & ~final & kept).sum()),
        int((final & ~kept).sum()),
        len(frames) * (section.centre != "none"),
    ]
    subject, replication, action = int(take.name[1:3]), int(take.name[5:7]), ACTIONS.index(interval.action) + 1
    sample = Sample(f"{take.name}_a{action:02}", subject, 0, 0, 0, replication, action)
    return sample, frames.astype(np.float32), touched


def read(text: bytes, where: str, section: UtkinectNormalize) -> list[ReadClip]:
    """All frames of one file as one clip: the file of a take of the data set has ten actions, which its labels divide."""
    take = parse(text, where, "")
    plausible.check(take.skeletons[:, None], plausible.limits("utkinect", section), plausible.Lines(where), kinect.JOINTS)
    kept = _kept(take, section)
    repaired = {"second skeleton of a frame: left out": int((~kept).sum())} if not kept.all() else {}
    return [ReadClip("", 0, _centred(take.skeletons[kept, None], section).astype(np.float32), repaired)]


def _kept(take: Take, section: UtkinectNormalize) -> Mask:
    """Which skeletons stay: of several of a frame the first, or all."""
    first: Mask = np.diff(take.frames, prepend=-1) > 0
    return first if section.repeated_frames == "first" else np.ones(len(take.frames), np.bool_)


def _centred(frames: Coordinates, section: UtkinectNormalize) -> Coordinates:
    return frames if section.centre == "none" else centre(frames, kinect.HIP, per_frame=section.centre == "hip_per_frame")


def _within(take: Take, bounds: Bounds | None) -> Mask:
    """Which skeletons of the take are in an interval."""
    first, last = bounds or (1, 0)
    return (take.frames >= first) & (take.frames <= last)


def assign(protocol: str, index: pd.DataFrame) -> pd.DataFrame:
    """Leave one subject out: in fold k the clips of subject k are test.

    The paper leaves one sequence out; with the same person on both sides that is easier.
    """
    if protocol != "utkinect":
        raise SplitMismatch(f"UTKinect has the protocol utkinect only, not {protocol!r}")
    return leave_one_out(index, "UTKinect", SAMPLES)


def groups(protocol: str, index: pd.DataFrame) -> pd.Series:
    """The subject of each sample."""
    return index["subject"].rename("group")
