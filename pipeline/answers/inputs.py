"""When attention pays: its effects on positions alone, with augmented clips, with velocities, and with both.

First trials on SBU had shown gains of the paper's size on augmented positions, and none once velocities were given. This is
the same question with seeds that were named beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.answers.predictions import Study
from pipeline.answers.words import METHODS, SIGNED, verdict
from pipeline.config.params import Config
from pipeline.report import text
from pipeline.report.analysis import role
from pipeline.report.tables import Column, Row, Table, field, minor
from pipeline.results.effects import EFFECTS
from pipeline.results.statistics import Outcomes, Rule, contrast, summarise

Quarters = Mapping[str, Mapping[str, Outcomes]]
NAMES = {
    "plain": "positions",
    "augmented": "positions, augmented",
    "velocity": "with velocities",
    "both": "with velocities, augmented",
}
SHOWN = ("both", "spatial-alone", "temporal-alone", "interaction")
# What a change of the input adds to an effect, the mean of its two places in the design.
CHANGES = {
    "augmentation adds": {"augmented": 0.5, "plain": -0.5, "both": 0.5, "velocity": -0.5},
    "velocities add": {"velocity": 0.5, "plain": -0.5, "both": 0.5, "augmented": -0.5},
}


def section(config: Config, studies: Sequence[Study]) -> Iterator[str | Table]:
    """Tables of accuracies and effects for every group of `answer.inputs` that has been run, or a word that none has."""
    shown = False
    for group in config.answer.inputs:
        for study in studies:
            found = quarters(config, study, group)
            if all(len(found[quarter]) == len(METHODS) for quarter in NAMES):
                shown = True
                yield accuracies(study.protocol, found, config.params.report)
                yield effects(study.protocol, found, config.params.report)
    if not shown:
        groups = text.joined([f"`{group}`" for group in config.answer.inputs])
        yield f"Not run yet: the four methods on augmented clips, with velocities, and with both (group {groups} of params.yaml)."


def quarters(config: Config, study: Study, group: str) -> dict[str, dict[str, Outcomes]]:
    """Quarter of the design -> role -> predictions; the plain quarter is that of the cells with fresh seeds."""
    recipes = config.answer.inputs[group]
    found: dict[str, dict[str, Outcomes]] = {quarter: {} for quarter in NAMES}
    found["plain"] = study.fresh(config).get(recipes.plain, {})
    for quarter in ("augmented", "velocity", "both"):
        for cell, outcome in study.cells.values():
            known = role(config.params.methods[cell.method])
            if cell.group == group and cell.recipe == getattr(recipes, quarter) and known:
                found[quarter][known] = outcome
    return {quarter: {key: group[key] for key in METHODS if key in group} for quarter, group in found.items()}


def accuracies(protocol: str, found: Quarters, rule: Rule) -> Table:
    """A row a quarter, a column a method: accuracy in per cent, mean of the seeds."""
    rows = [
        {"input": NAMES[quarter]} | {key: summarise(group[key], rule).mean for key in METHODS} for quarter, group in found.items()
    ]
    columns = (field("input", "Input", whole=True), *(field(key, f"{title} (%)", 2) for key, title in METHODS.items()))
    return Table(f"inputs-{protocol}", f"{protocol}: accuracy by input", columns, rows)


def effects(protocol: str, found: Quarters, rule: Rule) -> Table:
    """Each effect in each quarter, and what augmentation and velocities add to it."""
    rows = [row for name in SHOWN for row in _of_effect(name, found, rule)]
    columns = (
        field("effect", "Effect"),
        field("input", "Input", whole=True),
        Column("Verdict", _verdict, whole=True),
        Column("Points, interval", text.estimate, numeric=True),
        *minor(Column("p", lambda row: text.p_value(row["p"]), numeric=True)),
    )
    note = (
        "Recipe paper but for the input; seeds named before they were run. Adds: how much more the effect is with the change"
        " than without it, the mean of its two places. p are not adjusted for their number."
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["input"] in CHANGES)
    return Table(f"inputs-effects-{protocol}", f"{protocol}: effects by input", columns, rows, note, strong, groups=1)


def _verdict(row: Row) -> str:
    """Better or worse are methods; an interaction, and what a change adds to an effect, lie above or below 0."""
    found = str(row["verdict"])
    return SIGNED.get(found, found) if row["input"] in CHANGES else verdict(row["effect"], found)


def _of_effect(name: str, found: Quarters, rule: Rule) -> Iterator[Row]:
    weights, title = EFFECTS[name].weights, EFFECTS[name].title.replace(" - ", f" {text.MINUS} ")
    parts = {NAMES[quarter]: {quarter: 1.0} for quarter in NAMES} | CHANGES
    for label, share in parts.items():
        terms = [(part * weight, found[quarter][key]) for quarter, part in share.items() for key, weight in weights.items()]
        one = contrast(terms, rule)
        yield {"effect": title, "input": label} | {key: getattr(one, key) for key in ("points", "low", "high", "p", "verdict")}
