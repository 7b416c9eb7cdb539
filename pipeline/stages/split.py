"""Stage `split`: train, validation and test parts of every protocol of a data set.

The protocol says what is test. Validation is held out of what it leaves for training, in whole groups of subjects, so that no
person (SBU: no pair of people) is on both sides. Test data decide nothing.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Split:
    """Section `split`: the share of training that is held out at least, and which groups are drawn for it."""

    validation_share: float
    seed: int


def main(dataset: str) -> None:
    """Write `data/splits/<dataset>/<protocol>.csv` (`fold,name,part`) and say what a part of a data set lacks."""
    module = datasets.load(dataset)
    section = Split(**datasets.params_of(dataset, "split"))
    for protocol, (store_name, official) in module.PROTOCOLS.items():
        store = Store(SKELETONS / dataset / store_name)
        reader = module.FORMATS[store_name]
        assigned = reader.assign(official, store.index)
        table = hold_out(assigned, reader.groups(official, store.index), store.index, section)
        check(table)
        print(f"{protocol}: {summary(table, store.index, store.meta)}")
        write(table, SPLITS / dataset / f"{protocol}.csv")


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
    if unknown := set(table["part"]) - {"train", "validation", "test"}:
        raise SplitMismatch(f"parts {', '.join(sorted(unknown))}: expected train, validation and test only")


def summary(table: pd.DataFrame, index: pd.DataFrame, meta: Meta) -> str:
    """Samples in the parts of each fold; which subjects and cameras there are; which actions are absent, or only in training."""
    parts = pd.crosstab(table["fold"], table["part"]).reindex(columns=["train", "validation", "test"], fill_value=0)
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


def write(table: pd.DataFrame, path: Path) -> None:
    """Write the table at once, never half of it."""
    with whole(path) as unfinished:
        table.to_csv(unfinished, index=False, lineterminator="\n")
