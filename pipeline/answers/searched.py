"""Effects where every method has the recipe of its own search: what it changes that `tuned` was searched for with STA-LSTM alone.

`python -m pipeline search --method <method>` gives each method the same candidates and budget inside the training folds, and
leaves the predictions for the outer folds in `reports/searched`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.answers import candidates, predictions
from pipeline.config.params import Config
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
        yield (
            f"Not run yet: the same search for {text.joined(missing)} (`python -m pipeline search --method {missing[0]}`). Until"
            " then comparisons under `tuned` are by a recipe that was searched for with STA-LSTM."
        )


def of_dataset(dataset: str) -> dict[str, Outcomes]:
    """Method -> nested predictions, of the methods whose search stands in `reports/searched`."""
    paths = {name: FOLDER / f"{dataset}-{name}.csv.gz" for name in METHODS}
    return {name: outcomes(predictions.read(path)) for name, path in paths.items() if path.exists()}


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
    note = "Every outer fold by the recipe that its training folds chose for the method; no fold chose for itself."
    return Table(f"searched-{dataset}", f"{dataset}: each method with the recipe of its own search", columns, rows, note)


def effects(dataset: str, group: dict[str, Outcomes], rule: Rule) -> Table:
    """The effects between these methods."""
    keys = ("points", "low", "high", "p", "verdict")
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
        *minor(Column("p", lambda row: text.p_value(row["p"]), numeric=True)),
    )
    note = "A sensitivity beside the effects further up, which take the recipes as they were frozen."
    return Table(
        f"searched-effects-{dataset}", f"{dataset}: effects with the recipes of their own searches", columns, rows, note, groups=1
    )
