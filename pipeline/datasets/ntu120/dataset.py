"""NTU RGB+D 120: the 60 actions of NTU RGB+D and 60 more, 106 subjects, 32 setups. Facts and protocols; code in `ntu.format`.

Liu, Shahroudy, Perez, Wang, Duan and Kot, NTU RGB+D 120: A Large-Scale Benchmark for 3D Human Activity Understanding, TPAMI 2020.
Names and actions are those of the README of the repository shahroudy/NTURGB-D; the subjects of the protocol are in agreement in
the published preparations, such as that of CTR-GCN.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.ntu.archive import Facts
from pipeline.datasets.ntu.format import STORE, NtuFormat, TrainOn, meta_of
from pipeline.datasets.shared.registry import Format
from pipeline.datasets.shared.settings import SourceDownload

SYNTHETIC = False
LICENCE = (
    "NTU RGB+D 120 is for academic research only, given by the ROSE Lab after a signed agreement; "
    "neither the recordings nor anything they could be rebuilt from may be passed on. Cite Liu et al., TPAMI 2020."
)

FACTS = Facts(
    name="ntu120",
    title="NTU RGB+D 120",
    archives={**ntu.FACTS.archives, "nturgbd_skeletons_s018_to_s032.zip": range(18, 33)},
    samples=114_480,
    cameras=3,
    subjects=106,
    replications=2,
    actions=120,
)
ACTIONS = (
    *ntu.ACTIONS,
    *(
        "put on headphones",
        "take off headphones",
        "shoot at basket",
        "bounce ball",
        "swing tennis bat",
        "juggle table tennis balls",
    ),
    *("hush", "flick hair", "thumb up", "thumb down", "make ok sign", "make victory sign", "staple book", "count money"),
    *("cut nails", "cut paper", "snap fingers", "open bottle", "sniff", "squat down", "toss a coin", "fold paper"),
    *("ball up paper", "play magic cube", "apply cream on face", "apply cream on hand", "put on bag", "take off bag"),
    *("put something into bag", "take something out of bag", "open a box", "move heavy objects", "shake fist"),
    *("throw up cap or hat", "hands up", "cross arms", "arm circles", "arm swings", "run on the spot", "butt kicks"),
    *("cross toe touch", "side kick", "yawn", "stretch oneself", "blow nose", "hit with something", "wield knife"),
    *("knock over", "grab stuff", "shoot with gun", "step on foot", "high-five", "cheers and drink", "carry together"),
    *("take a photo", "follow", "whisper in ear", "exchange things", "support somebody", "rock paper scissors"),
)
TRAIN_SUBJECTS = (
    *ntu.TRAIN_SUBJECTS,
    *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95, 97, 98),
    *(100, 103),
)
TRAIN_SETUPS = tuple(range(2, FACTS.setups + 1, 2))
LISTED = 535

NTU120 = NtuFormat(
    facts=FACTS,
    META=meta_of(ACTIONS),
    protocols={"csub": TrainOn("subject", frozenset(TRAIN_SUBJECTS)), "cset": TrainOn("setup", frozenset(TRAIN_SETUPS))},
    counts={  # without the 535 listed samples
        (FACTS.samples - LISTED, "csub"): (63_026, 50_919),
        (FACTS.samples - LISTED, "cset"): (54_468, 59_477),
    },
    missing="ntu120_missing.txt",
    licence=LICENCE,
)
FORMATS: Mapping[str, Format] = {STORE: NTU120}
PROTOCOLS: Mapping[str, tuple[str, str]] = {"ntu120-csub": (STORE, "csub"), "ntu120-cset": (STORE, "cset")}
COMPLETE = dict.fromkeys(PROTOCOLS, NTU120.complete)
fetch = NTU120.fetch
DOWNLOAD = SourceDownload
