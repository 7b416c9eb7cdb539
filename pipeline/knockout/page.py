"""The page `reports/knockout/<dataset>.md`, made from the table beside it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import pandas as pd

from pipeline.core.files import whole
from pipeline.knockout.measures import TABLES
from pipeline.report import tables, text

HEAD = """# Is the attention used? {title}

Attention of trained networks is replaced when they predict the test sequences; nothing is trained. Made by
`python -m pipeline knockout` from saved weights; all numbers are in [{dataset}.csv]({dataset}.csv).{synthetic}

| replaced by | alpha (joints) | beta (frames) |
|---|---|---|
| mean | its mean by joint over the run's training frames | its mean over them: one number for all frames of all clips |
| mean by time | | its mean course over the relative time of the training clips |
| other clip | alpha of another test clip, of any class, at the same relative time | the same |
| clip of its class | alpha of another test clip with the same label | the same |
| clip of another class | alpha of a test clip with another label | the same |
| uniform | the same weight for all joints of the bodies that are there | the same weight for all frames |

A replacement moves weight and does not change how much there is: alpha keeps in every frame its sum over the bodies that are
there, beta in every clip its sum over the frames. The exception is `mean` of beta, which has the level of the training clips.
Where a recipe averages several views of a clip (`evaluate.views`), attention is replaced in each view by what the network has in
that same view: over mirrored training clips for a mirrored clip.

How to read it

- *Weight moved*: the share of the attention weight that lies elsewhere afterwards. Where it is small, attention was nearly what
  it is replaced by, and little can happen.
- *Flipped*: predictions that change, of all; right to wrong and wrong to right are parts of it. Accuracy can stand still while
  predictions change.
- *To lender's class*: predictions that change to the class of the clip whose attention was lent (the lender is chosen by its
  label, for this table alone). Changes that fell evenly on all wrong classes would give *flipped* divided by their number. Where
  a clip of another class brings many more, and a clip of the own class changes little, the main network takes the class from
  the attention itself: the weights say which action it is, and not only where to look.
- **Unchanged accuracy does not show that attention is not used**, least of all near 100 %, where the main network is sure of its
  answers and has room to spare. The loss shows earlier than accuracy that something is missing.
- **A drop does not show a benefit.** The main network has learned with this attention and meets inputs without it for the first
  time; one that learned without it may be as good. That takes training: `lstm` beside the methods with attention in the
  [report](../{dataset}/report.md), and the methods `static-*` of `params.yaml`, whose weights are learned but the same for every
  clip.
- *Difference*: after minus before, in points, with its {confidence:g} % interval. The unit is the sequence; runs are nested in
  folds. It is one of many in this table and holds for each alone.
"""


def pair(row: Mapping[str, Any], name: str, decimals: int) -> str:
    """Before and after."""
    return f"{text.number(row[f'{name}_before'], decimals)} → {text.number(row[f'{name}_after'], decimals)}"


def difference(row: Mapping[str, Any]) -> str:
    """Points and interval."""
    return f"{text.signed(row['difference'])} {text.interval(row['low'], row['high'])}"


COLUMNS = (
    tables.field("part", "attention", whole=True),
    tables.field("replaced_by", "replaced by", whole=True),
    tables.field("moved", "weight moved, %", 1),
    tables.Column("accuracy, %", lambda row: pair(row, "accuracy", 2), numeric=True),
    tables.Column("difference, points", difference, numeric=True),
    tables.field("flipped", "flipped, %", 2),
    tables.field("right_to_wrong", "right to wrong, %", 2),
    tables.field("wrong_to_right", "wrong to right, %", 2),
    tables.field("to_lender", "to lender's class, %", 2),
    tables.Column("loss, nats", lambda row: pair(row, "loss", 3), numeric=True),
)


def write(dataset: str, table: pd.DataFrame, synthetic: bool, confidence: float, copies: Set[str] = frozenset()) -> None:
    """Write the page of a data set from its table; with `synthetic` every heading says it.

    `copies`: protocols whose table is without test sequences that are copies of training sequences.
    """
    title = f"{dataset}{', SYNTHETIC data' if synthetic else ''}"
    said = " **These data are synthetic: nobody was recorded, and the numbers say nothing about people.**" if synthetic else ""
    parts = [HEAD.format(title=title, dataset=dataset, synthetic=said, confidence=100 * confidence)]
    for name, rows in table.groupby("cell", sort=True):
        parts.append(of_cell(str(name), rows, synthetic, rows["protocol"].iloc[0] in copies))
    with whole(TABLES / f"{dataset}.md") as path:
        path.write_text("\n".join(parts), encoding="utf-8")


def of_cell(name: str, rows: pd.DataFrame, synthetic: bool, copies: bool) -> str:
    """The section of a cell; `copies`: test sequences that are copies of training sequences are left out."""
    first, said = rows.iloc[0], ", synthetic" if synthetic else ""
    made = f"{text.label(str(first['method']))}, protocol {first['protocol']}{said}, recipe {first['recipe']}"
    counts = ", ".join(f"{first[name]} {name if first[name] > 1 else name[:-1]}" for name in ("sequences", "folds", "seeds"))
    counts += ", without test sequences that are copies of training sequences" if copies else ""
    records = [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]
    return f"## {name}\n\n{tables.to_markdown(tables.Table(name, f'{made}; {counts}', COLUMNS, records))}"
