"""Effects where every method has a search of its own: what it changes that `tuned` was searched for with STA-LSTM alone.

`python -m pipeline search --method <method>` gives each method the same candidates and budget inside the training folds, and
leaves the predictions for the outer folds in `reports/searched`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pipeline.answers import candidates, predictions
from pipeline.config.params import Config
from pipeline.core.errors import ResultsMissing
from pipeline.report import text
from pipeline.report.analysis import role
from pipeline.report.page import Block
from pipeline.report.tables import Column, Table, field, minor
from pipeline.report.tables import method as method_column
from pipeline.results.effects import EFFECTS, effect
from pipeline.results.statistics import Outcomes, Rule, outcomes, summarise

FOLDER = Path("reports/searched")
METHODS = ("lstm", "sa-lstm", "ta-lstm", "sta-lstm")


def section(config: Config) -> Iterator[Block]:
    """Accuracies of the methods that were searched for, by data set, and effects between them; or which search is missing."""
    rule, every = config.params.report, dict.fromkeys(protocol.dataset for protocol in config.params.protocols.values())
    searched = {dataset: found for dataset in every if (found := of_dataset(dataset))}
    for dataset, found in searched.items():
        yield accuracies(dataset, found, rule)
        if len(found) > 1:
            yield effects(dataset, {role(config.params.methods[name]) or name: one for name, one in found.items()}, rule)
        yield from candidates.blocks(dataset, {name: FOLDER / f"{dataset}-{name}.json" for name in found})
    missing = [name for name in METHODS if not any(name in found for found in searched.values())]
    if missing:
        yield f"Not run yet: the same search for {text.joined(missing)} (`python -m pipeline search --method {missing[0]}`)."


def of_dataset(dataset: str) -> dict[str, Outcomes]:
    """Method -> nested predictions, of the methods whose search stands in `reports/searched`.

    `ResultsMissing` where one is not what it should be.
    """
    paths = {name: FOLDER / f"{dataset}-{name}.csv.gz" for name in METHODS}
    there = {name: path for name, path in paths.items() if path.exists() or path.with_name(f"{dataset}-{name}.json").exists()}
    found = {name: _read(name, path) for name, path in there.items()}
    for name, one in found.items():
        first = next(iter(found.values()))
        if not (np.array_equal(one.names, first.names) and np.array_equal(one.labels, first.labels)):
            raise ResultsMissing(f"{paths[name]}: expected the sequences and labels of the other searches, found others; {NEXT}")
    return found


NEXT = "take it from git again, or search again (`python -m pipeline search --method <method>`)"


def _read(method: str, path: Path) -> Outcomes:
    table = predictions.read(path)
    if others := sorted(set(table["cell"]) - {method}):
        raise ResultsMissing(f"{path}: expected predictions of {method} (column cell), found those of {others[0]}; {NEXT}")
    if strange := sorted(set(table["predicted"]) - set(table["label"])):
        raise ResultsMissing(f"{path}: predicted: {strange[0]} is no class of the labels; {NEXT}")
    if table.empty:
        raise ResultsMissing(f"{path}: expected every sequence once a seed, found none; {NEXT}")
    try:
        return outcomes(table)
    except ValueError as error:
        raise ResultsMissing(f"{path}: expected every sequence once a seed ({error}); {NEXT}") from error


def accuracies(dataset: str, found: Mapping[str, Outcomes], rule: Rule) -> Table:
    """A row a method: the nested estimate, choosing included."""
    rows = []
    for name, one in found.items():
        known = summarise(one, rule)
        rows.append({"method": name} | {key: getattr(known, key) for key in ("mean", "sd", "low", "high", "runs", "samples")})
    columns = (
        method_column(),
        field("mean", "Accuracy (%)", 2),
        field("sd", "s.d. over seeds", 2),
        Column("Interval", lambda row: text.interval(row["low"], row["high"]), numeric=True),
        field("runs", "Seeds", 0),
    )
    note = (
        "Every outer fold by the candidate that its training folds chose for the method; no fold chose for itself. The choices"
        " were made once, with the seed of the search: intervals leave out how else they might have come out."
    )
    return Table(f"searched-{dataset}", f"{dataset}: each method by its own search", columns, rows, note)


def effects(dataset: str, group: dict[str, Outcomes], rule: Rule) -> Table:
    """The effects between these methods."""
    keys = ("points", "low", "high", "p", "p_equivalent", "verdict")
    found = {name: effect(name, [group], rule) for name in EFFECTS}
    rows = [
        {"question": EFFECTS[name].question, "effect": EFFECTS[name].title.replace(" - ", f" {text.MINUS} ")}
        | {key: getattr(one, key) for key in keys}
        for name, one in found.items()
        if one
    ]
    columns = (
        field("question", "", whole=True),
        field("effect", "Effect"),
        field("verdict", "Verdict", whole=True),
        Column("Points, interval", text.estimate, numeric=True),
        *minor(
            Column("p", lambda row: text.p_value(row["p"]), numeric=True),
            Column("p not equivalent", lambda row: text.p_value(row["p_equivalent"]), numeric=True),
        ),
    )
    note = "A sensitivity beside the effects further up, which take the recipes as they were frozen."
    return Table(
        f"searched-effects-{dataset}", f"{dataset}: effects where each method has its own search", columns, rows, note, groups=1
    )
