"""What a knock-out does to a cell, as the rows of `reports/knockout/<dataset>.csv`.

| column                                 | content                                                            |
|----------------------------------------|--------------------------------------------------------------------|
| `cell`, `protocol`, `recipe`, `method` | the cell                                                           |
| `part`, `replaced_by`                  | the knock-out, see `kinds`                                         |
| `folds`, `seeds`, `sequences`          | how many; every seed answers every sequence once, in its test fold |
| `moved`                                | share of the attention weight that then lies elsewhere, per cent   |
| `accuracy_before`, `accuracy_after`    | per cent                                                           |
| `difference`, `low`, `high`            | after minus before, points, and its interval                       |
| `flipped`                              | predictions that change, of all, per cent                          |
| `right_to_wrong`, `wrong_to_right`     | parts of it; the rest go from one wrong class to another           |
| `to_lender`                            | part of it: to the class of the clip that lends its attention      |
| `loss_before`, `loss_after`            | cross-entropy, nats                                                |

All are means over the folds of means over the fold's sequences and seeds. `moved` is empty where both attentions are replaced,
`to_lender` where none lends.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from pipeline.core.files import whole
from pipeline.knockout import kinds

TABLES = Path("reports/knockout")
HEAD = ["cell", "protocol", "recipe", "method", "part", "replaced_by", "folds", "seeds", "sequences"]
NUMBERS = ["moved", "accuracy_before", "accuracy_after", "difference", "low", "high"]
NUMBERS += ["flipped", "right_to_wrong", "wrong_to_right", "to_lender", "loss_before", "loss_after"]
COLUMNS = [*HEAD, *NUMBERS]
Floats = npt.NDArray[np.float64]


def rows(cell: Mapping[str, str], table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """A row a knock-out of a cell; `table` has a row a knock-out, `fold`, `seed` and clip, as `predictions.table`."""
    found = []
    for (part, by), answers in table.groupby(["part", "by"], sort=False):
        folds, seeds = answers["fold"].nunique(), answers["seed"].nunique()
        head = {"part": part, "replaced_by": by, "folds": folds, "seeds": seeds, "sequences": len(answers) // seeds}
        found.append({**cell, **head, **numbers(answers, confidence)})
    return pd.DataFrame(found)[COLUMNS]


def numbers(answers: pd.DataFrame, confidence: float) -> dict[str, float]:
    """The numbers of one knock-out."""
    before, after = (answers[name] == answers["label"] for name in ("before", "after"))
    flipped = answers["before"] != answers["after"]
    shares = pd.DataFrame(
        {
            "moved": answers["moved"],
            "accuracy_before": before,
            "accuracy_after": after,
            "flipped": flipped,
            "right_to_wrong": before & ~after,
            "wrong_to_right": ~before & after,
            "to_lender": (flipped & (answers["after"] == answers["lender"])).where(answers["lender"] >= 0),
        }
    ).astype(float)
    losses = answers[["loss_before", "loss_after"]]
    means = pd.concat([100 * shares, losses], axis=1).groupby(answers["fold"]).mean().mean()
    points, low, high = interval(answers.assign(change=after.astype(float) - before), confidence)
    return {**{str(name): float(value) for name, value in means.items()}, "difference": points, "low": low, "high": high}


def interval(answers: pd.DataFrame, confidence: float) -> tuple[float, float, float]:
    """The mean of `change` in points, and its interval.

    The unit is the sequence, its `change` averaged over seeds; runs are nested in folds. Within a fold the squared standard error
    is that of the mean over sequences plus that of the mean over runs (which counts what is left over twice: rather too wide).
    Two imagined sequences, one won and one lost, are added, since no change in n sequences does not show that there is none.
    """
    parts, error = [], 2 / (answers.groupby("fold")["name"].nunique().sum() + 2) ** 2
    tables = [answers[answers["fold"] == fold].pivot(index="seed", columns="name", values="change") for fold in folds(answers)]
    for change in tables:
        by_sequence, by_run = change.mean(axis=0), change.mean(axis=1)
        parts.append(float(by_sequence.mean()))
        error += sum(float(m.var(ddof=1)) / len(m) for m in (by_sequence, by_run) if len(m) > 1) / len(tables) ** 2
    middle, half = float(np.mean(parts)), float(stats.norm.ppf((1 + confidence) / 2) * np.sqrt(error))
    return 100 * middle, 100 * max(-1.0, middle - half), 100 * min(1.0, middle + half)


def folds(answers: pd.DataFrame) -> list[int]:
    """The folds of a table."""
    return sorted(answers["fold"].unique().tolist())


def read(dataset: str) -> pd.DataFrame:
    """The table of a data set; one without rows where there is none."""
    path = TABLES / f"{dataset}.csv"
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    return pd.read_csv(path, dtype=dict.fromkeys(HEAD[:6], str), keep_default_na=False, na_values=dict.fromkeys(NUMBERS, ""))


def write(dataset: str, new: pd.DataFrame) -> pd.DataFrame:
    """Put rows in place of those that the table has of their cells; returns the table as it is then on disk."""
    kept = read(dataset)
    kept = kept[~kept["cell"].isin(new["cell"])]
    table = pd.concat([kept, new]) if len(kept) else new
    order = {(k.part, k.by): place for place, k in enumerate(kinds.ALL)}
    place = [order[part, by] for part, by in zip(table["part"], table["replaced_by"], strict=True)]
    table = table.assign(place=place).sort_values(["cell", "place"], kind="stable")[COLUMNS]
    with whole(TABLES / f"{dataset}.csv") as path:
        table.to_csv(path, index=False, lineterminator="\n", float_format="%.4f")
    return read(dataset)
