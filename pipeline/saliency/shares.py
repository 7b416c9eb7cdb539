"""How much of a weight lies on the planted joints and frames: `reports/saliency/<dataset>.csv` and the page from it. No torch.

| column                                 | content                                                                       |
|----------------------------------------|-------------------------------------------------------------------------------|
| `cell`, `protocol`, `recipe`, `method` | the cell                                                                      |
| `weights`                              | whose share: see `KINDS`                                                      |
| `folds`, `seeds`, `sequences`          | how many                                                                      |
| `joints`                               | share on the planted joints, all frames, per cent; empty for beta             |
| `frames`                               | share in the planted part of the clip, all joints, per cent; empty for alpha  |
| `joints_and_frames`                    | share on the planted joints in that part, per cent                            |

Means over folds of means over sequences and seeds. A frame at the edge of the planted part counts with the piece inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.core.files import whole
from pipeline.report import tables, text

TABLES = Path("reports/saliency")
UNIFORM, MOVEMENT = "uniform", "movement"
ALPHA, BETA, BOTH, SALIENCY = "alpha", "beta", "alpha times beta", "integrated gradients"
KINDS = (UNIFORM, MOVEMENT, ALPHA, BETA, BOTH, SALIENCY)
SHARES = ["joints", "frames", "joints_and_frames"]
COLUMNS = ["cell", "protocol", "recipe", "method", "weights", "folds", "seeds", "sequences", *SHARES]
Map = npt.NDArray[np.float64]

HEAD = """# Attention beside planted evidence: {dataset}, SYNTHETIC data

Of trained networks, on their test clips as they are (one view): how much of each weight lies where the generator planted the
class. Made by `python -m pipeline saliency` from saved weights; nothing is trained. **Nobody was recorded, and the numbers say
nothing about people.** All are in [{dataset}.csv]({dataset}.csv).

- *uniform*: all joints of the bodies that are there, all frames alike. *movement*: the distance of each joint from its mean
  position in the clip. Neither knows a network: what these two have, a network need not have learned.
- *integrated gradients*: of the predicted class's logit, by captum, from the clip standing still in its mean pose to the clip
  itself; absolute values. It is a description of the network too, no truth, and is drawn to joints that move.
- Attention is the network's own weight, before the main LSTM has done anything with it; the LSTM can ignore it, or read from it
  what it does not say: see [knock-outs](../knockout/{dataset}.md).
"""


def shares(weights: Map, gates: Sequence[int], window: tuple[float, float]) -> dict[str, float]:
    """The three shares of one clip's weights `[T, K']`, per cent; NaN where all weights are 0."""
    edges = np.arange(len(weights) + 1) / len(weights)
    inside = np.clip(np.minimum(edges[1:], window[1]) - np.maximum(edges[:-1], window[0]), 0, None) * len(weights)  # [T]
    planted = weights[:, list(gates)].sum(1)
    frames, total = weights.sum(1), weights.sum()
    parts = (planted.sum(), frames @ inside, planted @ inside)
    return dict(zip(SHARES, (100 * float(part / total) if total > 0 else float("nan") for part in parts), strict=True))


def rows(cell: Mapping[str, str], table: pd.DataFrame) -> pd.DataFrame:
    """A row a kind of weight of a cell; `table` has a row a kind, `fold`, `seed` and clip, with the three shares."""
    found = []
    for kind in (kind for kind in KINDS if (table["weights"] == kind).any()):
        own = table[table["weights"] == kind]
        seeds = own["seed"].nunique()
        head = {"weights": kind, "folds": own["fold"].nunique(), "seeds": seeds, "sequences": len(own) // seeds}
        means = own.groupby("fold")[SHARES].mean().mean()
        found.append({**cell, **head, **means, **{name: float("nan") for name in undefined(kind)}})
    return pd.DataFrame(found)[COLUMNS]


def undefined(kind: str) -> tuple[str, ...]:
    """The shares of which a kind of weight says nothing."""
    return {ALPHA: ("frames",), BETA: ("joints",)}.get(kind, ())


def read(dataset: str) -> pd.DataFrame:
    """The table of a data set; one without rows where there is none."""
    path = TABLES / f"{dataset}.csv"
    return pd.read_csv(path, dtype=dict.fromkeys(COLUMNS[:5], str)) if path.exists() else pd.DataFrame(columns=COLUMNS)


def write(dataset: str, new: pd.DataFrame) -> None:
    """Put rows in place of those that the table has of their cells, and make the page from it."""
    kept = read(dataset)
    kept = kept[~kept["cell"].isin(new["cell"])]
    table = pd.concat([kept, new]) if len(kept) else new
    table = table.assign(place=table["weights"].map(KINDS.index)).sort_values(["cell", "place"], kind="stable")[COLUMNS]
    with whole(TABLES / f"{dataset}.csv") as path:
        table.to_csv(path, index=False, lineterminator="\n", float_format="%.4f")
    with whole(TABLES / f"{dataset}.md") as path:
        path.write_text(page(dataset, read(dataset)), encoding="utf-8")


def page(dataset: str, table: pd.DataFrame) -> str:
    """The page, a table a protocol and recipe."""
    columns = (
        tables.field("method", "method", whole=True),
        tables.field("weights", "weights", whole=True),
        tables.field("joints", "on planted joints, %", 1),
        tables.field("frames", "in planted frames, %", 1),
        tables.field("joints_and_frames", "on both, %", 1),
    )
    parts = [HEAD.format(dataset=dataset)]
    for (protocol, recipe), own in table.groupby(["protocol", "recipe"], sort=True):
        records = [{str(k): v for k, v in row.items()} | {"method": text.label(row["method"])} for row in own.to_dict("records")]
        caption = f"Protocol {protocol}, synthetic, recipe {recipe}: share of the weights on the planted evidence"
        parts.append(tables.to_markdown(tables.Table(str(protocol), caption, columns, records)))
    return "\n".join(parts)
