"""NTU RGB+D (60 actions): facts and protocols. What it shares with NTU RGB+D 120 is in `ntu.format`.

Shahroudy, Liu, Ng and Wang, NTU RGB+D: A Large Scale Dataset for 3D Human Activity Analysis, CVPR 2016. Names and actions are
those of the README of the repository shahroudy/NTURGB-D.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.datasets.ntu.archive import Facts
from pipeline.datasets.ntu.format import STORE, NtuFormat, TrainOn, meta_of
from pipeline.datasets.shared.registry import Format
from pipeline.datasets.shared.settings import SourceDownload

SYNTHETIC = False
LICENCE = (
    "NTU RGB+D is for academic research only, given by the ROSE Lab after a signed agreement; "
    "neither the recordings nor anything they could be rebuilt from may be passed on. Cite Shahroudy et al., CVPR 2016."
)

FACTS = Facts(
    name="ntu",
    title="NTU RGB+D",
    archives={"nturgbd_skeletons_s001_to_s017.zip": range(1, 18)},
    samples=56_880,
    cameras=3,
    subjects=40,
    replications=2,
    actions=60,
)
ACTIONS = (
    *("drink water", "eat meal or snack", "brush teeth", "brush hair", "drop", "pick up", "throw", "sit down", "stand up"),
    *("clap", "read", "write", "tear up paper", "put on jacket", "take off jacket", "put on a shoe", "take off a shoe"),
    *("put on glasses", "take off glasses", "put on a hat or cap", "take off a hat or cap", "cheer up", "hand waving"),
    *("kick something", "reach into pocket", "hop on one foot", "jump up", "phone call", "play with phone or tablet"),
    *("type on a keyboard", "point to something", "take a selfie", "check time on watch", "rub two hands", "nod head or bow"),
    *("shake head", "wipe face", "salute", "put palms together", "cross hands in front", "sneeze or cough", "stagger"),
    *("fall down", "headache", "chest pain", "back pain", "neck pain", "nausea or vomiting", "fan self", "punch or slap"),
    *("kick", "push", "pat on back", "point finger", "hug", "give object", "touch pocket", "shake hands", "walk towards"),
    "walk apart",
)
TRAIN_SUBJECTS = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
TRAIN_CAMERAS = (2, 3)
LISTED = 302

NTU = NtuFormat(
    facts=FACTS,
    META=meta_of(ACTIONS),
    protocols={"cs": TrainOn("subject", frozenset(TRAIN_SUBJECTS)), "cv": TrainOn("camera", frozenset(TRAIN_CAMERAS))},
    counts={  # without the 302 listed samples, and with them
        (FACTS.samples - LISTED, "cs"): (40_091, 16_487),
        (FACTS.samples - LISTED, "cv"): (37_646, 18_932),
        (FACTS.samples, "cs"): (40_320, 16_560),
        (FACTS.samples, "cv"): (37_920, 18_960),
    },
    missing="ntu60_missing.txt",
    licence=LICENCE,
)
FORMATS: Mapping[str, Format] = {STORE: NTU}
PROTOCOLS: Mapping[str, tuple[str, str]] = {"ntu-cs": (STORE, "cs"), "ntu-cv": (STORE, "cv")}
COMPLETE = dict.fromkeys(PROTOCOLS, NTU.complete)
fetch = NTU.fetch
DOWNLOAD = SourceDownload
