"""The synthetic data of the demo: recordings that never were, in the exact raw formats of SBU and NTU RGB+D.

They exercise every reader, repair and protocol without a licence, and check what no real data can: known joints in known frames
carry the class (`EVIDENCE`), so that a report can say whether attention found them. How the motions are made: `demo.motion`.

| path                       | content                                                                                        |
|----------------------------|------------------------------------------------------------------------------------------------|
| `sbu/<set>.zip`            | the 21 sets of SBU, 8 actions, `sbu_repeats` sequences each                                      |
| `ntu/demo_skeletons.zip`   | `.skeleton` files: 5 actions, 3 cameras, `ntu_repeats` repetitions of each subject               |
| `ntu/members.csv`          | the record of its files, as for the real data                                                     |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np

from pipeline.datasets.demo import files, motion
from pipeline.datasets.demo.files import ONE_BODY, TWO_BODIES, Quirk
from pipeline.datasets.demo.motion import Evidence, Stream
from pipeline.datasets.demo.settings import DemoDownload
from pipeline.datasets.ntu import archive as ntu_archive
from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.ntu.format import RECORD
from pipeline.datasets.sbu import dataset as sbu
from pipeline.datasets.shared.registry import Format
from pipeline.datasets.shared.sources import write_zip

__all__ = ["EVIDENCE", "FORMATS", "LICENCE", "NOTES", "PROTOCOLS", "SYNTHETIC", "Evidence", "fetch", "ntu_quirks"]

SYNTHETIC = True
DOWNLOAD = DemoDownload
LICENCE = "Synthetic data, made from a seed by this project; free to use. No person was recorded."
NOTES = (
    "All data here are synthetic: numbers from them say whether the pipeline works, not how a method does on people.",
    "The names of sets, actions and joints are those of SBU and NTU RGB+D because the files have their formats; "
    "the motions are not those actions.",
)
FORMATS: Mapping[str, Format] = {"sbu": cast(Format, sbu), "ntu": ntu.NTU}
PROTOCOLS: Mapping[str, tuple[str, str]] = {
    "demo-sbu": ("sbu", "sbu"),
    "demo-ntu-cs": ("ntu", "cs"),
    "demo-ntu-cv": ("ntu", "cv"),
}
EVIDENCE: Mapping[str, Evidence] = {"sbu": motion.SBU.evidence, "ntu": motion.NTU.evidence}

# Person A stands on the right in these, as in the real data.
A_RIGHT = frozenset({"s01s03", "s02s01", "s02s07", "s03s02", "s03s04", "s03s05", "s03s06", "s06s04", "s07s01"})
SBU_ACTIONS = range(1, 9)
SBU_APART = 1.0  # metres between the two people
SBU_SIZE = 0.9  # people are this much smaller in the units of SBU, as measured on the real files
NTU_ARCHIVE, NTU_FOLDER = "demo_skeletons.zip", "nturgb+d_skeletons"
NTU_SETUP = 2  # one in which none of our samples is among the 302 that the real data set leaves out
NTU_ONE_BODY, NTU_TWO_BODIES = (8, 9, 23, 24), (51,)
NTU_ACTIONS = (*NTU_ONE_BODY, *NTU_TWO_BODIES)
# Yaw of the scene in each camera; as in the real data camera 1 stands between the other two.
NTU_YAW = {1: 0.0, 2: -np.pi / 4, 3: np.pi / 4}
NTU_TEST_CAMERA = 1  # of the cross-view protocol
# The partner is smaller, so that the person with the evidence has the larger variance, which makes the first body.
PARTNER_SIZE, PARTNER_PLACE = 0.8, 0.8
SENSOR_M = 0.003  # what differs between the cameras
QUIRK_SHARE = 1 / 50  # of the files, for each quirk


def fetch(target: Path, section: DemoDownload) -> None:
    """Write the synthetic raw files: for one `section` the same bytes on every machine."""
    for name in sbu.SETS:
        write_zip(target / "sbu" / f"{name}.zip", dict(_sbu_members(name, section)))
    archive = target / "ntu" / NTU_ARCHIVE
    write_zip(archive, dict(_ntu_members(section)))
    ntu_archive.write_record(archive.with_name(RECORD), ntu_archive.open_source(archive).members())


def _sbu_members(name: str, section: DemoDownload) -> Iterator[tuple[str, bytes]]:
    """Member names and texts of one set; frame numbers run on through it."""
    first_frame = 1
    for action in SBU_ACTIONS:
        for replication in range(1, section.sbu_repeats + 1):
            scene = _sbu_scene(name, action, replication, section)
            yield f"{name}/{action:02}/{replication:03}/skeleton_pos.txt", files.sbu_text(scene, first_frame, name in A_RIGHT)
            first_frame += len(scene)


def _sbu_scene(name: str, action: int, replication: int, section: DemoDownload) -> files.Coordinates:
    """One sequence, `[T, 2, 15, 3]`: two people who look at each other, the left one first."""
    a, b = int(name[1:3]), int(name[4:6])
    rng = motion.generator(section, Stream.SBU, a, b, action, replication)
    left, right = (b, a) if name in A_RIGHT else (a, b)
    people = [
        (SBU_SIZE * motion.size_of(left, section), -SBU_APART / 2, -np.pi / 2),
        (SBU_SIZE * motion.size_of(right, section), SBU_APART / 2, np.pi / 2),
    ]
    return motion.clip(rng, motion.SBU, action - 1, people, section)


def ntu_subjects(section: DemoDownload, camera: int) -> list[int]:
    """Whom a camera sees, sorted: the lowest numbers of training and of test subjects; the test camera sees visitors, too."""
    training, test = sorted(ntu.TRAIN_SUBJECTS), [s for s in range(1, 41) if s not in ntu.TRAIN_SUBJECTS]
    more = section.ntu_visitors if camera == NTU_TEST_CAMERA else 0
    return sorted(training[: section.ntu_training] + test[: section.ntu_test + more])


def ntu_names(section: DemoDownload) -> list[str]:
    """Names of all NTU samples, such as S002C001P001R001A008, sorted."""
    return [
        f"S{NTU_SETUP:03}C{camera:03}P{subject:03}R{replication:03}A{action:03}"
        for camera in NTU_YAW
        for subject in ntu_subjects(section, camera)
        for replication in range(1, section.ntu_repeats + 1)
        for action in NTU_ACTIONS
    ]


def ntu_quirks(section: DemoDownload) -> dict[str, Quirk]:
    """Sample name -> what is odd about its file: a few files, drawn from the seed, for each quirk, no file twice."""
    names = ntu_names(section)
    each = max(1, round(QUIRK_SHARE * len(names)))
    free = [names[i] for i in motion.generator(section, Stream.QUIRKS).permutation(len(names))]
    chosen: dict[str, Quirk] = {}
    for quirk in Quirk:
        fitting = [name for name in free if name not in chosen and _fits(quirk, name, section)]
        chosen |= dict.fromkeys(fitting[:each], quirk)
    return chosen


def _fits(quirk: Quirk, name: str, section: DemoDownload) -> bool:
    """Whether a recording has the bodies, and the frames, that a quirk needs."""
    _, subject, replication, action = _numbers(name)
    if quirk == Quirk.CHANGED_ID:
        rng = motion.generator(section, Stream.NTU, subject, replication, action)
        return motion.length_of(rng, motion.NTU) >= files.CHANGED_ID_FRAMES
    return action in (NTU_TWO_BODIES if quirk in TWO_BODIES else NTU_ONE_BODY if quirk in ONE_BODY else NTU_ACTIONS)


def _numbers(name: str) -> tuple[int, int, int, int]:
    """Camera, subject, replication and action in a sample name."""
    camera, subject, replication, action = (int(name[i : i + 3]) for i in (5, 9, 13, 17))
    return camera, subject, replication, action


def _ntu_members(section: DemoDownload) -> Iterator[tuple[str, bytes]]:
    """Member names and texts of all NTU files."""
    quirks = ntu_quirks(section)
    for name in ntu_names(section):
        camera, subject, replication, action = _numbers(name)
        scene = _ntu_scene(subject, replication, action, section)
        sensor = motion.generator(section, Stream.SENSOR, camera, subject, replication, action)
        yaw = NTU_YAW[camera]
        seen = motion.turned(scene, yaw) + np.array((0, 0, files.NTU_DISTANCE_M)) + sensor.normal(0, SENSOR_M, scene.shape)
        quirk = quirks.get(name)
        text = files.ntu_text(files.spoil(files.tracks(seen), quirk), yaw)
        yield f"{NTU_FOLDER}/{name}.skeleton", files.spoil_text(text, quirk)


def _ntu_scene(subject: int, replication: int, action: int, section: DemoDownload) -> files.Coordinates:
    """One recording, `[T, M, 25, 3]`: the same motion for all cameras."""
    rng = motion.generator(section, Stream.NTU, subject, replication, action)
    size = motion.size_of(subject, section)
    people = [(size, 0.0, 0.0)]
    if action in NTU_TWO_BODIES:
        people = [(size, -PARTNER_PLACE / 2, 0.0), (size * PARTNER_SIZE, PARTNER_PLACE / 2, 0.0)]
    return motion.clip(rng, motion.NTU, NTU_ACTIONS.index(action), people, section)
