"""The rows of the paper's tables on synthetic data: that each of them runs, and nothing that compares.

The raw files have the formats of SBU and NTU RGB+D, are read by the readers of the real ones, and the protocols are theirs. Of
people these accuracies say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.answers.predictions import Study
from pipeline.config.params import Config
from pipeline.report import text
from pipeline.report.tables import Column, Table, field, minor
from pipeline.report.tables import method as method_column
from pipeline.results.statistics import summarise

BESIDE = ("lstm", "sta-lstm")
TITLE = "SYNTHETIC data: the rows of the paper's tables on generated movements with planted evidence"
NOTE = (
    "It shows that every row runs on both raw formats and all three protocols; it says nothing of people, and ranks no method:"
    " these data and recipe `demo`, small networks that are trained shortly, were made for the gate (docs/gate.md)."
)
KEYS = ("mean", "low", "high", "runs", "samples")


def section(config: Config, studies: Sequence[Study]) -> Iterator[str | Table]:
    """Accuracies of the methods of the paper's tables in the order of the grid, or a word that none has been run.

    `studies` are those of synthetic data sets.
    """
    methods, rows = config.params.methods, []
    for study in studies:
        for name, (cell, found) in study.cells.items():
            if methods[cell.method].earlier or cell.method in BESIDE:
                known = summarise(found, config.params.report)
                head = {"protocol": study.protocol, "recipe": cell.recipe, "method": cell.method, "cell": name}
                rows.append(head | {key: getattr(known, key) for key in KEYS})
    if not any(methods[row["method"]].earlier for row in rows):
        yield "Not run yet: the other rows of the paper's tables on synthetic data (group `demo-earlier` of params.yaml)."
        return
    columns = (
        field("protocol", "Protocol", whole=True),
        method_column(),
        field("mean", "Accuracy, SYNTHETIC (%)", 2),
        Column("Interval", lambda row: text.interval(row["low"], row["high"]), numeric=True),
        *minor(field("recipe", "Recipe", whole=True), field("runs", "Seeds", 0)),
    )
    fields = ("protocol", "recipe", "method", "cell", *KEYS)
    yield Table("earlier-synthetic", TITLE, columns, rows, NOTE, frozenset(), fields, "Synthetic data.", 1)
