"""Earlier methods that were run again, each paired with STA-LSTM over the same sequences and seeds of its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.report import text
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.contents import (
    accuracy_fields,
    adjust,
    difference_columns,
    difference_fields,
    interval_title,
    once,
    ours_columns,
    reported_title,
)
from pipeline.report.results import CellResult, Results
from pipeline.report.tables import Column, Table, field, minor
from pipeline.report.tables import method as method_column
from pipeline.results.statistics import Difference, holm

VERDICTS = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "equivalent to",
    "undecided": "undecided beside",
}
ALL = "yes: better than every method re-run"
SOME = "better than some of the methods re-run"
WORSE = "no: worse than a method re-run"


def differences(analysis: ProtocolAnalysis, recipe: str) -> dict[str, Difference | None]:
    """The cell of each earlier method of a recipe -> accuracy of STA-LSTM minus its own; our readings are not among them.

    None where STA-LSTM was not run under the recipe.
    """
    sta = analysis.groups[recipe].get("sta", "")
    methods = [name for name, cell in analysis.earlier(recipe).items() if not cell.reading]
    found = {name: analysis.differences.get((name, sta)) for name in methods}
    return {name: difference.reversed() if difference else None for name, difference in found.items()}


def adjusted(analysis: ProtocolAnalysis, recipe: str) -> dict[str, Difference | None]:
    """`differences` with p adjusted by Holm's method over the recipe's earlier methods; empty where STA-LSTM was not run."""
    if "sta" not in analysis.groups[recipe]:
        return {}
    found = differences(analysis, recipe)
    ps = iter(holm([difference.p for difference in found.values() if difference]))
    return {name: replace(difference, p=next(ps)) if difference else None for name, difference in found.items()}


def verdict(found: Sequence[Difference | None]) -> str:
    """How STA-LSTM compares with methods that were run again, from its accuracy minus theirs with adjusted p."""
    signs = [difference.points if difference and difference.established else 0 for difference in found]
    if any(points < 0 for points in signs):
        return WORSE
    if all(points > 0 for points in signs):
        return ALL
    return SOME if any(signs) else "undecided"


def sentence(analysis: ProtocolAnalysis, found: dict[str, Difference | None], recipe: str) -> str:
    """The earlier methods of a recipe by their verdict, with STA-LSTM minus each, from `adjusted`."""
    parts = []
    for verdict, words in VERDICTS.items():
        same = {name: difference for name, difference in found.items() if difference and difference.verdict == verdict}
        named = [f"{text.label(analysis.result.cells[name].method)} ({text.difference_cell(d)})" for name, d in same.items()]
        parts += [f"{words} {text.joined(named)}"] * bool(named)
    return (
        f"On {analysis.place(recipe)}, of the methods re-run on the same sequences, it is {'; '.join(parts)}: in points, STA-LSTM"
        f" {text.MINUS} it, over all seeds of both, by p adjusted with Holm's method."
    )


def not_run(results: Results, analysis: ProtocolAnalysis) -> str:
    """The methods of the paper's table without a cell, those with the same reason together; empty where all were run."""
    run = {cell.method for cell in analysis.result.plain.values()}
    paper = results.paper_of(analysis.counterpart)
    missing: dict[str, list[str]] = {}
    for row, method, note in paper[["row", "method", "note"]].itertuples(index=False):
        if method not in run:
            missing.setdefault(_reason(note), []).append(row)
    parts = [f"{text.joined(rows)}{f' ({reason})' if reason else ''}" for reason, rows in missing.items()]
    return f"Not run on {analysis.name}: {'; '.join(parts)}." if parts else ""


def _reason(note: str) -> str:
    """A note without the words that say no more than that the method was not run."""
    parts = [part.strip().removeprefix("not re-run").removeprefix(":").strip() for part in note.split(";")]
    return "; ".join(part for part in parts if part)


def table(results: Results, analysis: ProtocolAnalysis) -> Table | None:
    """A row a recipe and earlier method: reported, ours, STA-LSTM minus it; None where none was run."""
    rows: list[dict[str, Any]] = []
    for recipe in analysis.groups:
        pairs = differences(analysis, recipe)
        family = [_row(results, analysis, recipe, name, pairs.get(name)) for name in analysis.earlier(recipe)]
        adjust(family, "sta_")
        rows += family
    if not rows:
        return None
    votes = any(row["windows"] is not None for row in rows)
    columns = (
        *([field("recipe", "Recipe", whole=True)] if len(analysis.groups) > 1 else []),
        method_column(),
        field("reported", reported_title(results, analysis), 2),
        ours_columns(results)[0],
        *minor(
            *([field("windows", "Single windows (%)", 1)] if votes else []),
            Column(f"Ours {text.MINUS} reported", lambda row: text.signed(row["gap"]), numeric=True),
        ),
        difference_columns("sta_", f"STA-LSTM {text.MINUS} it")[0],
        *minor(difference_columns("sta_", "")[1]),
    )
    title = f"{analysis.name}: earlier methods that were run again"
    readings = any(cell.reading for cell in analysis.result.plain.values())
    note = _note(results) + once(analysis) + (WINDOWS if votes else "") + (READING if readings else "")
    groups = int(len(analysis.groups) > 1)
    return Table(f"earlier-{analysis.name}", title, columns, rows, note, groups=groups)


def _row(results: Results, analysis: ProtocolAnalysis, recipe: str, name: str, found: Difference | None) -> dict[str, Any]:
    """The reported number stands for synthetic data too, as in the comparison, but nothing is subtracted from it."""
    cell, accuracy = analysis.result.cells[name], analysis.accuracy[name]
    paper = results.paper_of(analysis.counterpart)
    known = paper.loc[paper["method"] == cell.method, "reported"]
    reported = None if known.empty else float(known.iloc[0])
    gap = None if reported is None or analysis.reported is None else accuracy.mean - reported
    row: dict[str, Any] = {"recipe": recipe, "method": cell.method, "reported": reported}
    return row | accuracy_fields(accuracy) | {"windows": windows(cell), "gap": gap} | difference_fields(found, "sta_")


def windows(cell: CellResult) -> float | None:
    """The share of its windows that a support vector machine gets right, in per cent, mean over sequences, folds and seeds.

    A sequence's score of a class is the share of its windows that vote for it; None for other methods.
    """
    network = cell.switches.network
    if network is None or network.kind != "window-svm":
        return None
    votes = cell.predictions.filter(regex=r"^logit_\d+$").to_numpy(float)
    return 100 * float(votes[np.arange(len(votes)), cell.predictions["label"]].mean())


WINDOWS = " Single windows: the share of a sequence's windows that are right, before they vote; real-time detection counts these."
READING = (
    " Our reading: no description of the method is public, so ours is one in its spirit; it is shown, and compared with nothing."
)


def _note(results: Results) -> str:
    return (
        "Our own re-implementations on the same skeletons; networks are trained under the recipe of STA-LSTM, which was made for"
        f" it. STA-LSTM {text.MINUS} it: in points, with the {interval_title(results)}, paired by sequence, over all"
        " seeds of both; positive where STA-LSTM is better. p is adjusted by Holm's method over the rows of a recipe. Dash: not"
        " known."
    )
