"""RQ4: the methods before STA-LSTM, run here on the same sequences, beside what was reported of them, with rank and verdict.

A method that no gradient trains is run under one recipe and stands beside STA-LSTM of every one; another beside that of its own.
A reading of ours, of a method that nobody described in public, has neither rank nor verdict; later methods are not among these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from pipeline.answers.cells import FIELDS, NOTE, adjusted, difference_columns
from pipeline.answers.predictions import Study
from pipeline.config.params import Config
from pipeline.config.sections import GridCell, Method
from pipeline.report import text
from pipeline.report.answers import QUESTIONS
from pipeline.report.contents import ONCE
from pipeline.report.earlier import VERDICTS
from pipeline.report.panels import ranks
from pipeline.report.results import PAPER
from pipeline.report.tables import Column, Row, Table, field, minor
from pipeline.report.tables import method as method_column
from pipeline.results.statistics import Outcomes, compare, summarise

STA = "sta-lstm"
Cells = dict[str, tuple[GridCell, Outcomes]]


def paragraph(rows: Sequence[Row]) -> str:
    """The answer in words, from the rows of `table`."""
    parts = [_sentence(place, [row for row in rows if (row["protocol"], row["recipe"]) == place]) for place in _places(rows)]
    return f"**RQ4. {QUESTIONS['RQ4']}** {' '.join(parts)}" if parts else "**RQ4.** Not run."


def _places(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    yield from dict.fromkeys((row["protocol"], row["recipe"]) for row in rows)


def _sentence(place: tuple[str, str], rows: Sequence[Row]) -> str:
    ranked = [row for row in rows if row["rank"] is not None]
    own = next(row for row in rows if row["method"] == STA)
    told = []
    for verdict, words in VERDICTS.items():
        names = [f"{text.label(row['method'])} ({text.estimate(row)})" for row in ranked if row["verdict"] == verdict]
        if names:
            told.append(f"{words} {text.joined(names)}")
    head = f"On {place[0]}, recipe {place[1]}, STA-LSTM ({text.number(own['mean'])} %) is number {own['rank']} of {len(ranked)}"
    return f"{head}; {'; '.join(told)}, in points, STA-LSTM {text.MINUS} it."


def table(config: Config, studies: Sequence[Study]) -> Table:
    """A row a protocol, recipe and method; p adjusted over those of a protocol and recipe that count."""
    rows = [row for study in studies for recipe, group in study.recipes.items() for row in _family(config, study, recipe, group)]
    columns = (
        field("protocol", "Protocol", whole=True),
        field("recipe", "Recipe", whole=True),
        method_column(),
        *minor(field("rank", "Rank", 0)),
        field("mean", "Here (%)", 2),
        *minor(
            Column("Interval", lambda row: text.interval(row["low_of_mean"], row["high_of_mean"]), numeric=True),
            field("reported", "Reported (%)", 2),
        ),
        *difference_columns(f"STA-LSTM {text.MINUS} it"),
    )
    note = (
        f"{NOTE.format(family='methods with a rank of a protocol and recipe')}{ONCE} Without a rank: our reading of a method that"
        " nobody described in public. Reported: on SBU, by the papers; what is known of each stands in reports/paper.csv."
    )
    head = ("protocol", "recipe", "method", "cell", "rank", "mean", "low_of_mean", "high_of_mean", "reported")
    strong = frozenset(i for i, row in enumerate(rows) if row["method"] == STA)
    title = "STA-LSTM among the methods before it, run here"
    return Table("earlier", title, columns, rows, note, strong, fields=(*head, *FIELDS), groups=2)


def _family(config: Config, study: Study, recipe: str, group: dict[str, Outcomes]) -> list[dict[str, Any]]:
    """The rows of a protocol and recipe, most accurate first; none where STA-LSTM or all others are missing."""
    methods = config.params.methods
    cells = {
        name: pair for name, pair in study.cells.items() if methods[pair[0].method].earlier and _beside(pair[0], recipe, methods)
    }
    if not cells or "sta" not in group:
        return []
    rule = config.params.report
    own = next(name for name, (cell, found) in study.cells.items() if found is group["sta"])
    counted = {name: pair for name, pair in cells.items() if not methods[pair[0].method].reading}
    fields = adjusted({name: compare(group["sta"], found, rule) for name, (_, found) in counted.items()})
    rows = []
    for name, (cell, found) in (*cells.items(), (own, study.cells[own])):
        known = summarise(found, rule)
        row = {
            "protocol": study.protocol,
            "recipe": recipe,
            "method": cell.method,
            "cell": name,
            "rank": None,
            "mean": known.mean,
        }
        row |= {"low_of_mean": known.low, "high_of_mean": known.high, "reported": _reported(study.protocol, cell.method)}
        rows.append(row | fields.get(name, dict.fromkeys(FIELDS) | {"verdict": text.MISSING}))
    return _ranked(rows, {*counted, own})


def _ranked(rows: list[dict[str, Any]], counted: set[str]) -> list[dict[str, Any]]:
    found = ranks([row["mean"] if row["cell"] in counted else None for row in rows])
    return sorted((row | {"rank": rank} for row, rank in zip(rows, found, strict=True)), key=lambda row: -float(row["mean"]))


def _beside(cell: GridCell, recipe: str, methods: dict[str, Method]) -> bool:
    return not cell.switch_of and (cell.recipe == recipe or not methods[cell.method].by_gradient)


def _reported(protocol: str, method: str) -> float | None:
    paper = (
        pd.read_csv(PAPER, dtype={"note": str}, keep_default_na=False) if PAPER.exists() else pd.DataFrame(columns=["protocol"])
    )
    found = paper[(paper["protocol"] == protocol) & (paper["method"] == method)] if len(paper) else paper
    return None if found.empty else float(found["reported"].iloc[0])
