"""Northwestern-UCLA Multiview Action 3D (Wang et al. 2014): one person, 20 joints, 10 actions, 10 subjects, three views at once.

A recording is a file `aAA_sSS_eEE_vVV.json` (action, subject, repetition, view) with `file_name`, `label` and `skeletons`
`[T][20][3]`. What was seen in the files, copies among them: docs/data-sets.md.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from pipeline.core.skeletons import Frames, Meta, Sample
from pipeline.datasets.nw_ucla.settings import NwUclaNormalize
from pipeline.datasets.shared import kinect, plausible, sources, stores
from pipeline.datasets.shared.clips import Coordinates, centre
from pipeline.datasets.shared.errors import MalformedSkeleton, RawDataMissing, SplitMismatch
from pipeline.datasets.shared.folds import check_names
from pipeline.datasets.shared.lines import LIMIT
from pipeline.datasets.shared.reading import ReadClip
from pipeline.datasets.shared.registry import Format
from pipeline.datasets.shared.settings import SourceDownload

SYNTHETIC = False
DOWNLOAD, SECTION = SourceDownload, NwUclaNormalize
PROTOCOLS: Mapping[str, tuple[str, str]] = {"nw-ucla-xview": ("nw_ucla", "xview"), "nw-ucla-xsub": ("nw_ucla", "xsub")}
NOTES = (
    "In the published skeletons the 95 clips of view 3 in which somebody picks up with two hands or drops trash hold the numbers "
    "of view 2. So 95 of the 464 test clips of the cross-view protocol are training clips; data/splits/nw_ucla/nw-ucla-xview/"
    "equal.csv names them.",
)
FORMATS: Mapping[str, Format] = {"nw_ucla": cast(Format, sys.modules[__name__])}
PAGE = "https://github.com/Uason-Chen/CTR-GCN"
LICENCE = (
    "Northwestern-UCLA comes without a licence: use it for research only and do not pass it on; cite J. Wang, X. Nie, Y. Xia, "
    "Y. Wu, S.-C. Zhu: Cross-view Action Modeling, Learning and Recognition, CVPR 2014."
)
ADVICE = f"Get all_sqe.zip by the link in the README of {PAGE} and set NW_UCLA_SOURCE to it, or to the folder with its files"
ARCHIVE = "all_sqe.zip"
ACTIONS = {  # by their numbers in the names: the published ones end at 12, and two are not used
    1: "pick up with one hand",
    2: "pick up with two hands",
    3: "drop trash",
    4: "walk around",
    5: "sit down",
    6: "stand up",
    8: "put on a garment",
    9: "take off a garment",
    11: "throw",
    12: "carry",
}
NUMBERS = tuple(ACTIONS)
SUBJECTS, VIEWS = 10, 3
TOTAL = 1484
TRAIN = {"xview": ("camera", (1, 2)), "xsub": ("subject", (1, 2, 4, 5, 8, 9))}  # column, and its values that train
COMPLETE = dict.fromkeys(PROTOCOLS, TOTAL)
COUNTS = {"xview": (1020, 464), "xsub": (892, 592)}  # train and test of the complete data set
META = Meta(
    joints=kinect.JOINTS,
    bones=kinect.BONES,
    mirror=kinect.MIRROR,
    actions=tuple(ACTIONS.values()),
    bodies=1,
    fps=0.0,  # not published with the skeletons
    unit="metres",
)
WANTED = re.compile(r"a\d\d_s\d\d_e\d\d_v\d\d\.json")
_NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)")
SUFFIX, SAYS = ".json", "a recording of NW-UCLA: JSON with `skeletons`, a list of frames with x, y, z of 20 joints"
_SHAPE = (len(kinect.JOINTS), 3)


def fetch(target: Path, section: SourceDownload) -> None:
    """Write `target/nw_ucla/all_sqe.zip` with the recordings, the same bytes whatever the source; say whether all are there.

    Raises `RawDataMissing` where there are none, `ArchiveMismatch` for a damaged archive.
    """
    tqdm.write(LICENCE, file=sys.stderr)
    files = sources.read(section.source, WANTED, ADVICE)
    sources.write_zip(target / "nw_ucla" / ARCHIVE, {f"all_sqe/{name}": content for name, content in files.items()})
    state = "complete" if len(files) == TOTAL else "a part" if len(files) < TOTAL else "more than the published ones"
    tqdm.write(f"nw_ucla: {state}: {len(files):,} of {TOTAL:,} recordings", file=sys.stderr)


def normalize(raw: Path, target: Path, section: NwUclaNormalize, allow_malformed: int) -> None:
    """Read the recordings in `raw`, apply the steps of `section`, write the store, `repairs.csv` and `set_aside.csv`.

    Raises `TooManyMalformed` where more than `allow_malformed` files cannot be read, `RawDataMissing` where there is none that
    can, `ArchiveMismatch` where the archive is damaged.
    """
    found = list(_recordings(raw / ARCHIVE, section))
    failures = [one for one in found if isinstance(one, MalformedSkeleton)]
    clips = [(sample, *repair(frames, section)) for sample, frames in (one for one in found if isinstance(one, tuple))]
    stores.check_any(clips, failures, allow_malformed, raw)
    meta = META if section.centre != "none" else replace(META, unit="metres from the sensor")
    rules = [("zero_joints", section.zero_joints), ("centre", section.centre)]
    stores.write(target, stores.Content(meta, rules, clips, failures))


def _recordings(path: Path, section: NwUclaNormalize) -> Iterator[tuple[Sample, Coordinates] | MalformedSkeleton]:
    """The recordings of the archive by name, or why one cannot be read."""
    if not path.is_file():
        raise RawDataMissing(f"{path}: no such file; run `dvc repro` to fetch it")
    with sources.open_zip(path) as archive:
        for member in sorted(archive.namelist()):
            text = sources.read_member(archive, member)
            try:
                sample, frames = parse(text, Path(member).name)
                _check(frames, section, Path(member).name)
                yield sample, frames
            except MalformedSkeleton as failure:
                yield failure


def _check(frames: Coordinates, section: NwUclaNormalize, where: str) -> None:
    """Raise `MalformedSkeleton` for a number that no body has; joints at 0, 0, 0 were not seen and are no ends of steps."""
    seen: npt.NDArray[np.bool_] = np.asarray(frames[:, None].any(axis=-1))
    if found := plausible.first(frames[:, None], plausible.limits("nw_ucla", section), seen):
        raise plausible.malformed(found, where, 1, kinect.JOINTS)


def parse(text: bytes, where: str) -> tuple[Sample, Coordinates]:
    """A recording: its sample and float64 `[T, 20, 3]`.

    Raises `MalformedSkeleton` where it is no JSON, says another name or label than its own, or is no list of skeletons with
    finite numbers, and for a skeleton of zeros.
    """
    sample = sample_of(where)
    document = _document(text, where)
    own = {"file_name": sample.name, "label": sample.action}
    for key, value in own.items():
        found = document.get(key) if isinstance(document, dict) else None
        if found != value:
            raise MalformedSkeleton(where, 1, f"expected {key} {value!r}, found {found!r}")
    return sample, _skeletons(document, where)


def read(text: bytes, where: str, section: NwUclaNormalize) -> list[ReadClip]:
    """The recording of one file; its action where the file is named as the data set's are."""
    try:
        action = sample_of(Path(where).name.rpartition(":")[2]).action
    except MalformedSkeleton:
        action = 0
    frames, (zero, _) = repair(_skeletons(_document(text, where), where), section)
    return [ReadClip("", action, frames, {"joint that was not seen: interpolated": zero} if zero else {})]


def _document(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise MalformedSkeleton(where, error.lineno, f"expected JSON, found none: {error.msg}") from error
    except RecursionError as error:
        raise MalformedSkeleton(where, 1, "expected a list of skeletons, found lists nested too deeply") from error
    except UnicodeDecodeError as error:
        raise MalformedSkeleton(where, 1, f"expected JSON, found none: {error.reason}") from error


def sample_of(where: str) -> Sample:
    """What the name of a file says; actions count from 1 without gaps. `MalformedSkeleton` where there is no such recording."""
    match = _NAME.fullmatch(where.removesuffix(".json"))
    action, subject, repetition, view = map(int, match.groups()) if match else (0, 0, 0, 0)
    if action not in ACTIONS or not 1 <= subject <= SUBJECTS or not 1 <= view <= VIEWS:
        expected = f"aAA_sSS_eEE_vVV.json with an action of {', '.join(map(str, ACTIONS))}, subject 1-{SUBJECTS}, view 1-{VIEWS}"
        raise MalformedSkeleton(where, 1, f"expected a name {expected}")
    name = where.removesuffix(".json")
    return Sample(name, subject, 0, view, 0, replication=repetition + 1, action=NUMBERS.index(action) + 1)


def _skeletons(document: Any, where: str) -> Coordinates:
    """`skeletons` of a recording: float64 `[T, 20, 3]`."""
    try:
        frames: Coordinates = np.array(document.get("skeletons") if isinstance(document, dict) else None, np.float64)
    except (TypeError, ValueError):
        frames = np.zeros(0)
    if frames.ndim != 1 + len(_SHAPE) or frames.shape[1:] != _SHAPE or not len(frames):
        raise MalformedSkeleton(where, 1, f"expected skeletons [T][{_SHAPE[0]}][{_SHAPE[1]}] with T at least 1, all numbers")
    for what, wrong in (
        ("finite coordinates", ~(np.abs(frames) < LIMIT).all(axis=(1, 2))),
        ("a skeleton, found zeros alone", ~frames.any(axis=(1, 2))),
    ):
        if wrong.any():
            raise MalformedSkeleton(where, 1, f"frame {int(wrong.argmax()) + 1}: expected {what}")
    return frames


def repair(raw: Coordinates, section: NwUclaNormalize) -> tuple[Frames, list[int]]:
    """Apply the steps to one clip `[T, 20, 3]`: float32 `[T, 1, 20, 3]`, and how many frames each rule touched."""
    zero: npt.NDArray[np.bool_] = (raw == 0).all(axis=2)
    frames = interpolated(raw, zero) if section.zero_joints == "interpolate" else raw
    frames = frames[:, None]
    if section.centre != "none":
        frames = centre(frames, kinect.HIP, per_frame=section.centre == "hip_per_frame")
    touched = [
        int(zero.any(axis=1).sum()) * (section.zero_joints == "interpolate"),
        len(raw) * (section.centre != "none"),
    ]
    return frames.astype(np.float32), touched


def interpolated(raw: Coordinates, zero: npt.NDArray[np.bool_]) -> Coordinates:
    """The clip with the joints of `zero` (bool `[T, 20]`) from the frames beside them, a joint and axis at a time.

    Before the first and after the last frame that has the joint it stays where it was then; a joint that no frame has stays zero.
    """
    frames, at = raw.copy(), np.arange(len(raw))
    for joint in np.flatnonzero(zero.any(axis=0) & ~zero.all(axis=0)):
        seen = ~zero[:, joint]
        for axis in range(3):
            frames[:, joint, axis] = np.interp(at, at[seen], raw[seen, joint, axis])
    return frames


def assign(protocol: str, index: pd.DataFrame) -> pd.DataFrame:
    """One fold. `xview`: views 1 and 2 train, view 3 tests, as published; `xsub`: subjects 1, 2, 4, 5, 8, 9 train [ours].

    Raises `SplitMismatch` for a complete data set with other counts; a part is divided as far as it goes.
    """
    if protocol not in TRAIN:
        raise SplitMismatch(f"NW-UCLA has the protocols {' and '.join(TRAIN)}, not {protocol!r}")
    check_names(index, "NW-UCLA")
    column, values = TRAIN[protocol]
    train = index[column].isin(values)
    counts = (int(train.sum()), int((~train).sum()))
    if len(index) == TOTAL and counts != COUNTS[protocol]:
        raise SplitMismatch(f"NW-UCLA, {protocol}: expected {COUNTS[protocol]} samples to train and test, found {counts}")
    parts = np.where(train, "train", "test")
    return pd.DataFrame({"fold": 1, "name": index["name"].to_numpy(), "part": parts})


def groups(protocol: str, index: pd.DataFrame) -> pd.Series:
    """The subject of each sample."""
    return index["subject"].rename("group")
