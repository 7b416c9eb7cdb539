"""Stage `split`: train, validation and test parts of every protocol of a data set, and which clips in them are equal.

The protocol says what is test. Validation is held out of what it leaves for training, in whole groups of subjects, so that no
person (SBU: no pair of people) is on both sides. Test data decide nothing.

| file, under `data/splits/<dataset>/` | content                                                                              |
|--------------------------------------|--------------------------------------------------------------------------------------|
| `<protocol>.csv`                     | `fold,name,part`                                                                     |
| `<protocol>/equal.csv`               | a row a fold and group of equal clips: how many, their actions, names in each part   |

A test clip has a copy among the clips that are learned from where its row has names under `train` or `validation`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.files import whole
from pipeline.core.skeletons import Meta, Store
from pipeline.datasets.shared import registry as datasets
from pipeline.datasets.shared.errors import SplitMismatch
from pipeline.datasets.shared.registry import ranges

SKELETONS, SPLITS = Path("data/skeletons"), Path("data/splits")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Section `split`: the share of training that is held out at least, and which groups are drawn for it."""

    validation_share: float
    seed: int


def main(dataset: str) -> None:
    """Write the tables of all protocols; say what a part of a data set lacks, and how many clips are equal."""
    module = datasets.load(dataset)
    section = Split(**datasets.params_of(dataset, "split"))
    for protocol, (store_name, official) in module.PROTOCOLS.items():
        store = Store(SKELETONS / dataset / store_name)
        reader = module.FORMATS[store_name]
        assigned = reader.assign(official, store.index)
        table = hold_out(assigned, reader.groups(official, store.index), store.index, section)
        check(table)
        print(f"{protocol}: {summary(table, store.index, store.meta)}")
        found = equal(table, store.index, digests(store))
        print(f"  {equal_summary(found)}")
        write(table, SPLITS / dataset / f"{protocol}.csv")
        write(found, SPLITS / dataset / protocol / "equal.csv")


def hold_out(assigned: pd.DataFrame, groups: pd.Series, index: pd.DataFrame, section: Split) -> pd.DataFrame:
    """Turn part of `train` into `validation`, fold by fold: `fold,name,part`, sorted by fold and name.

    Groups are drawn in random order until at least `section.validation_share` of the fold's training samples is held out;
    a group whose loss would leave an action without training samples is passed over.
    """
    known = pd.DataFrame({"name": index["name"], "group": groups.to_numpy(), "action": index["action"]})
    table = assigned.merge(known, on="name", how="left", validate="many_to_one")
    for fold, rows in table[table["part"] == "train"].groupby("fold"):
        rng = np.random.default_rng([section.seed, int(str(fold))])
        chosen = choose(rows, section.validation_share, rng)
        table.loc[rows.index[rows["group"].isin(chosen)], "part"] = "validation"
    return table[["fold", "name", "part"]].sort_values(["fold", "name"], ignore_index=True)


def choose(rows: pd.DataFrame, share: float, rng: np.random.Generator) -> set[str]:
    """Groups of one fold's training samples (columns `group`, `action`) that become validation."""
    chosen: set[str] = set()
    for group in rng.permutation(sorted(rows["group"].unique())):
        if rows["group"].isin(chosen).sum() >= share * len(rows):
            break
        left = rows[~rows["group"].isin(chosen | {group})]
        if left["action"].nunique() == rows["action"].nunique():
            chosen.add(group)
    return chosen


def check(table: pd.DataFrame) -> None:
    """Raise `SplitMismatch` where a sample is in two parts of a fold, or a part is none of the three."""
    twice = table[table.duplicated(["fold", "name"])]
    if len(twice):
        row = twice.iloc[0]
        raise SplitMismatch(f"fold {row['fold']}: {row['name']} is in more than one part; every sample belongs to exactly one")
    if unknown := set(table["part"]) - set(PARTS):
        raise SplitMismatch(f"parts {', '.join(sorted(unknown))}: expected train, validation and test only")


def summary(table: pd.DataFrame, index: pd.DataFrame, meta: Meta) -> str:
    """Samples in the parts of each fold; which subjects and cameras there are; which actions are absent, or only in training."""
    parts = pd.crosstab(table["fold"], table["part"]).reindex(columns=list(PARTS), fill_value=0)
    lines = [f"{len(index)} samples, subjects {ranges(index['subject'])}"]
    if index["camera"].any():
        lines[0] += f", cameras {ranges(index['camera'])}"
    if absent := set(range(1, len(meta.actions) + 1)) - set(index["action"]):
        lines.append(f"  no samples of actions {ranges(absent)}")
    actions = table.merge(index[["name", "action"]], on="name")
    for fold, counts in parts.iterrows():
        rows = actions[actions["fold"] == fold]
        lines.append(f"  fold {fold}: " + ", ".join(f"{part} {count}" for part, count in counts.items()))
        if unseen := set(rows["action"][rows["part"] == "test"]) - set(rows["action"][rows["part"] == "train"]):
            lines[-1] += f"; in test but not in training: actions {ranges(unseen)}"
    return "\n".join(lines)


def digests(store: Store) -> list[str]:
    """What the frames of each sample are, whatever its name: equal for equal numbers in equal shapes."""
    clips = (store.clip(i) for i in range(len(store)))
    return [hashlib.sha256(f"{clip.shape}".encode() + clip.tobytes()).hexdigest() for clip in clips]


def equal(table: pd.DataFrame, index: pd.DataFrame, digests: Sequence[str]) -> pd.DataFrame:
    """Groups of samples of a fold with the same digest: `fold,clips,actions,train,validation,test`, sorted by fold and name."""
    known = pd.DataFrame({"name": index["name"], "action": index["action"], "digest": list(digests)})
    rows = table.merge(known, on="name").sort_values(["fold", "name"])
    rows = rows[rows.duplicated(["fold", "digest"], keep=False)]
    found = []
    for (fold, _), group in rows.groupby(["fold", "digest"], sort=False):
        names = [" ".join(group["name"][group["part"] == part]) for part in PARTS]
        found.append((fold, len(group), " ".join(map(str, sorted(set(group["action"])))), *names))
    return pd.DataFrame(found, columns=["fold", "clips", "actions", *PARTS])


def equal_summary(found: pd.DataFrame) -> str:
    """How many samples of a part have a copy in another part, in one line, summed over folds."""
    if found.empty:
        return "equal clips: none"
    count = {part: found[part].map(lambda names: len(names.split())) for part in PARTS}
    has = pd.DataFrame(count) > 0
    across = {
        "test clips with a copy in train or validation": count["test"][has["train"] | has["validation"]].sum(),
        "validation clips with a copy in train": count["validation"][has["train"]].sum(),
        "groups within one part": (has.sum(axis=1) == 1).sum(),
    }
    return f"equal clips: {len(found)} groups; " + ", ".join(f"{what} {number}" for what, number in across.items())


def write(table: pd.DataFrame, path: Path) -> None:
    """Write the table at once, never half of it."""
    with whole(path) as unfinished:
        table.to_csv(unfinished, index=False, lineterminator="\n")
