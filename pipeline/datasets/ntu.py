"""NTU RGB+D (60 actions): facts, protocols, the raw archive, and the way to the store.

Shahroudy, Liu, Ng and Wang, NTU RGB+D: A Large Scale Dataset for 3D Human Activity Analysis, CVPR 2016. Names, joints and actions
are those of the README of the repository shahroudy/NTURGB-D.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import cast

import pandas as pd
from tqdm import tqdm

from pipeline import params
from pipeline.datasets import Format, ntu_archive, ranges
from pipeline.datasets.clips import check_allowed, write_set_aside, write_table
from pipeline.datasets.ntu_archive import Facts, Member, sample_of
from pipeline.errors import ArchiveMismatch, SplitMismatch
from pipeline.sections import NtuDownload, NtuNormalize
from pipeline.skeletons import Meta, Sample

FORMATS: Mapping[str, Format] = {"ntu": cast(Format, sys.modules[__name__])}
PROTOCOLS: Mapping[str, tuple[str, str]] = {"ntu-cs": ("ntu", "cs"), "ntu-cv": ("ntu", "cv")}
SYNTHETIC = False
LICENCE = (
    "NTU RGB+D is for academic research only, given by the ROSE Lab after a signed agreement; "
    "neither the recordings nor anything they could be rebuilt from may be passed on. Cite Shahroudy et al., CVPR 2016."
)

FACTS = Facts("nturgbd_skeletons_s001_to_s017.zip", 56_880, setups=17, cameras=3, subjects=40, replications=2, actions=60)
RECORD = "members.csv"

_ARM = ("shoulder", "elbow", "wrist", "hand")
_LEG = ("hip", "knee", "ankle", "foot")
JOINTS = (
    *("base of spine", "middle of spine", "neck", "head"),
    *(f"{side} {part}" for limb in (_ARM, _LEG) for side in ("left", "right") for part in limb),
    *("spine at shoulders", "tip of left hand", "left thumb", "tip of right hand", "right thumb"),
)
_PARENTS = (
    -1,
    0,
    20,
    2,
    20,
    4,
    5,
    6,
    20,
    8,
    9,
    10,
    0,
    12,
    13,
    14,
    0,
    16,
    17,
    18,
    1,
    22,
    7,
    24,
    11,
)  # of each joint; -1: the root
ACTIONS = (
    *("drink water", "eat meal or snack", "brush teeth", "brush hair", "drop", "pick up", "throw", "sit down", "stand up"),
    *("clap", "read", "write", "tear up paper", "put on jacket", "take off jacket", "put on a shoe", "take off a shoe"),
    *("put on glasses", "take off glasses", "put on a hat or cap", "take off a hat or cap", "cheer up", "hand waving"),
    *("kick something", "reach into pocket", "hop on one foot", "jump up", "phone call", "play with phone or tablet"),
    *("type on a keyboard", "point to something", "take a selfie", "check time on watch", "rub two hands", "nod head or bow"),
    *(
        "shake head",
        "wipe face",
        "salute",
        "put palms together",
        "cross hands in front",
        "sneeze or cough",
        "stagger",
        "fall down",
    ),
    *("headache", "chest pain", "back pain", "neck pain", "nausea or vomiting", "fan self", "punch or slap", "kick", "push"),
    *("pat on back", "point finger", "hug", "give object", "touch pocket", "shake hands", "walk towards", "walk apart"),
)
META = Meta(
    joints=JOINTS,
    bones=tuple((child, parent) for child, parent in enumerate(_PARENTS) if parent >= 0),
    mirror=(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 20, 23, 24, 21, 22),
    actions=ACTIONS,
    bodies=2,
    fps=30.0,
    unit="metres",
)

TRAIN_SUBJECTS = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
TRAIN_CAMERAS = (2, 3)
LISTED = 302
# (samples, protocol) -> (train, test), for the archive without the 302 listed samples and for the whole of it.
COUNTS = {
    (FACTS.samples - LISTED, "cs"): (40_091, 16_487),
    (FACTS.samples - LISTED, "cv"): (37_646, 18_932),
    (FACTS.samples, "cs"): (40_320, 16_560),
    (FACTS.samples, "cv"): (37_920, 18_960),
}


def listed_missing() -> frozenset[str]:
    """Names of the 302 samples that the authors ask to leave out: their skeletons are missing or incomplete."""
    return frozenset(Path(__file__).with_name("ntu60_missing.txt").read_text(encoding="ascii").split())


# --- download ---------------------------------------------------------------------------------------------------------------


def fetch(target: Path, section: NtuDownload) -> None:
    """Check the user's archive, or their folder of files, and write its record, `target/ntu/members.csv`; nothing is copied.

    Says whether it is complete, and what a part lacks. Raises `RawDataMissing`, or `ArchiveMismatch` where the archive is
    damaged, holds other files or no skeletons.
    """
    source = ntu_archive.find(section.source, FACTS.archive)
    members = checked(ntu_archive.open_source(source).members(), source)
    record = target / "ntu" / RECORD
    record.parent.mkdir(parents=True, exist_ok=True)
    partial = record.with_suffix(".partial")
    ntu_archive.write_record(partial, members)
    partial.replace(record)
    tqdm.write(LICENCE, file=sys.stderr)
    tqdm.write(f"ntu: {describe(sample_of(member.name, FACTS) for member in members)}", file=sys.stderr)


def checked(members: Sequence[Member], source: Path) -> Sequence[Member]:
    """The members, all with names of this data set; `ArchiveMismatch` where there are none, or others."""
    if not members:
        raise ArchiveMismatch(f"{source}: no {ntu_archive.SUFFIX} file in it; expected {FACTS.archive}, or files of it")
    wrong = []
    for member in members:
        try:
            sample_of(member.name, FACTS)
        except ArchiveMismatch as error:
            wrong.append(str(error))
    if wrong:
        raise ArchiveMismatch(f"{source}: {len(wrong)} of {len(members)} files have other names, such as {wrong[0]}")
    return members


def describe(samples: Iterable[Sample]) -> str:
    """Whether these samples are the complete data set, or which subjects, cameras and classes a part of it lacks."""
    known = list(samples)
    if len(known) == FACTS.samples:
        return f"complete: {FACTS.samples:,} samples"
    absent = [
        f"{what} absent: {ranges(set(range(1, most + 1)) - present)}"
        for what, most, present in (
            ("subjects", FACTS.subjects, {sample.subject for sample in known}),
            ("cameras", FACTS.cameras, {sample.camera for sample in known}),
            ("classes", FACTS.actions, {sample.action for sample in known}),
        )
    ]
    return "; ".join([f"a part: {len(known):,} of {FACTS.samples:,} samples", *absent])


# --- normalize --------------------------------------------------------------------------------------------------------------


def locate(raw: Path) -> Path:
    """Where the text is: a zip in `raw` itself (synthetic data), else the user's archive or folder, as at download."""
    inside = sorted(raw.glob("*.zip"))
    return inside[0] if inside else ntu_archive.find(params.load().download.ntu.source, FACTS.archive)


def normalize(raw: Path, target: Path, section: NtuNormalize, allow_malformed: int) -> None:
    """Read and repair all recorded files and write the store, `repairs.csv` and `set_aside.csv` into `target`.

    Straight from the archive, on all cores, with constant memory; after an interruption it goes on where it was. A file that
    cannot be read is set aside; so is a clip where no body is left, which does not count against `allow_malformed`. Raises
    `TooManyMalformed`, `RawDataMissing`, and `ArchiveMismatch` where a file is not what the record made at download says.
    """
    from pipeline.datasets import ntu_clips, progress  # noqa: PLC0415  (compiles the reader)

    source, members = _recorded(raw)
    left_out = listed_missing() if section.drop_listed_missing else frozenset()
    wanted = [member for member in members if member.name not in left_out]
    kept = progress.folder(raw, target, [section.model_dump(), [astuple(member) for member in wanted]])
    with progress.Progress(kept, target, _meta(section)) as done:
        clips, tally = ntu_clips.clips(source, wanted[done.files :], section), done.tally
        for clip in tqdm(clips, "normalize ntu", len(wanted), initial=done.files, unit="file", disable=None):
            done.take(clip, sample_of(clip.name, FACTS))
        check_allowed(tally.malformed, allow_malformed)
        if len(tally.set_aside) == len(wanted):
            raise ArchiveMismatch(f"{source}: no clip is left after the listed, unreadable and empty ones are set aside")
    for _ in range(len(members) - len(wanted)):
        tally.add(ntu_clips.LISTED, 0)
    rows = tally.rows({**section.model_dump(), "allow_malformed": allow_malformed})
    write_table(target / "repairs.csv", ("repair", "rule", "samples", "frames"), rows)
    write_set_aside(target / "set_aside.csv", tally.set_aside)


def _recorded(raw: Path) -> tuple[Path, Sequence[Member]]:
    """The source and its members as recorded at download; of a zip in `raw` itself, which DVC versions, without a record too."""
    source, record = locate(raw), raw / RECORD
    if source.parent == raw and not record.exists():
        return source, checked(ntu_archive.open_source(source).members(), source)
    return source, checked(ntu_archive.read_record(record), record)


def _meta(section: NtuNormalize) -> Meta:
    return replace(META, unit="lengths of the spine") if section.centre == "body_per_frame" else META


# --- protocols --------------------------------------------------------------------------------------------------------------


def assign(protocol: str, index: pd.DataFrame) -> pd.DataFrame:
    """Columns `fold` (1), `name`, `part`: `cs` trains on 20 of 40 subjects, `cv` on cameras 2 and 3.

    Raises `SplitMismatch` where the data set is complete, with or without the 302 listed samples, and the counts are others.
    """
    key, train = ("subject", TRAIN_SUBJECTS) if protocol == "cs" else ("camera", TRAIN_CAMERAS)
    chosen = index[key].isin(train)
    counts = (int(chosen.sum()), int((~chosen).sum()))
    expected = COUNTS.get((len(index), protocol), counts)
    if counts != expected:
        raise SplitMismatch(
            f"ntu-{protocol}: {counts[0]:,} train and {counts[1]:,} test samples of {len(index):,}; the protocol has "
            f"{expected[0]:,} and {expected[1]:,}. Check the names in data/raw/ntu/ntu/{RECORD}"
        )
    part = chosen.map({True: "train", False: "test"})
    return pd.DataFrame({"fold": 1, "name": index["name"], "part": part}, index=index.index)


def groups(protocol: str, index: pd.DataFrame) -> pd.Series:
    """The subject of each sample, for both protocols.

    In `cv` every subject is in training and test alike, by design of the protocol: the same performance is seen by all three
    cameras. Validation by subject is then a harder question than the test asks, but by clip it would be no question at all:
    the clip that camera 2 saw would be validated with that of camera 3 in training.
    """
    return index["subject"].rename("group")
