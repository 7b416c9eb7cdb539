"""What changes where sequences of the same people are not taken for independent.

The part of the variance between sequences is put together from the sums of each cluster's deviations from the means of their
folds, times C / (C - F) for C clusters in F folds (Liang and Zeger 1986); the parts between runs stay. For people each pair of
sequences that share a person counts (Aronow, Samii and Assenova 2015); with few people that sum can come out below 0, and then
says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.answers.predictions import Study
from pipeline.answers.words import points, title
from pipeline.config.params import Config
from pipeline.core.errors import ParamsError
from pipeline.report import text
from pipeline.report.tables import Column, Table, field, minor
from pipeline.results.components import Components, Term, components
from pipeline.results.effects import EFFECTS
from pipeline.results.statistics import Difference, Outcomes, Rule, judge

Floats = npt.NDArray[np.float64]
Cells = Sequence[tuple[float, Outcomes]]


def clustered(cells: Cells, rule: Rule, pattern: str) -> dict[tuple[str, int], Difference | None]:
    """A sum of accuracies judged by sequence, set, pair of people and person: (unit, how many) -> what it is then.

    Sets and pairs only where a sequence shows several people. Raises `ParamsError` for a name that the pattern does not find.

    `pattern` finds the people in the name of a sequence, a group each; with the same people in the same order they
    are a set. None where the people are too few.
    """
    plain, first, deviations = components(cells), cells[0][1], _deviations(cells)
    people = [_people(pattern, name) for name in first.names]
    pairs = [tuple(sorted(group)) for group in people]
    found: dict[tuple[str, int], Components | None] = {("sequence", len(people)): plain}
    units = (("set", people), ("pair of people", pairs)) if len(people[0]) > 1 else ()
    for unit, keys in units:
        sums = np.array([deviations[[key == one for key in keys]].sum() for one in sorted(set(keys))])
        found[unit, len(sums)] = _with(plain, float(sums @ sums), len(sums), first)
    everybody = {person for pair in pairs for person in pair}
    shared = np.array([[bool(set(one) & set(other)) for other in pairs] for one in pairs])
    found["person", len(everybody)] = _with(plain, float(deviations @ shared @ deviations), len(everybody), first)
    runs = tuple(len(cell.seeds) for _, cell in cells)
    return {key: judge(one, rule, runs) if one else None for key, one in found.items()}


def _people(pattern: str, name: str) -> tuple[str, ...]:
    if found := re.match(pattern, name):
        return found.groups()
    raise ParamsError(f"params.yaml: answer.people: {pattern!r} finds nobody in the name {name!r}")


def _deviations(cells: Cells) -> Floats:
    """What each sequence adds to the estimate beside the mean of its fold, in points; they sum up to 0 in every fold."""
    first = cells[0][1]
    values = sum(weight * 100 * cell.correct.mean(axis=0) for weight, cell in cells)
    result, labels = np.zeros(len(first.names)), np.unique(first.folds)
    for fold in labels:
        part = first.folds == fold
        result[part] = (values[part] - values[part].mean()) / part.sum() / len(labels)
    return result


def _with(plain: Components, spread: float, clusters: int, first: Outcomes) -> Components | None:
    free = clusters - len(np.unique(first.folds))
    if spread <= 0 or free < 1:
        return None
    return replace(plain, sequences=Term(spread * clusters / free, free))


def people(config: Config, studies: Sequence[Study]) -> Table:
    """The main effects where the sequences of a set, a pair of people or a person are taken together."""
    rows: list[dict[str, Any]] = []
    for study in [study for study in studies if study.protocol in config.answer.people and study.complete]:
        share = 1 / len(study.complete)
        for name in ("both", "spatial-alone", "temporal-alone", "spatial", "temporal"):
            weights = EFFECTS[name].weights
            parts = [(weight * share, group[role]) for group in study.complete for role, weight in weights.items()]
            found = clustered(parts, config.params.report, config.answer.people[study.protocol])
            rows += [_cluster(study.protocol, name, unit, count, one) for (unit, count), one in found.items()]
    columns = (
        field("protocol", "Protocol", whole=True),
        field("effect", "Effect"),
        field("unit", "Taken together by", whole=True),
        *minor(field("units", "Units", 0)),
        field("verdict", "Verdict", whole=True),
        *minor(field("standard_error", "Standard error", 2)),
        Column("Points, interval", points, numeric=True),
        Column("p", lambda row: text.MISSING if row["p"] is None else text.p_value(row["p"]), numeric=True),
    )
    note = (
        "Means of the recipes. A person stands in several sets, in folds of training and of test: these rows say what that hides."
        " Dash: with so few people the sum over pairs of sequences with a person in common comes out below 0 and says nothing."
    )
    empty = ("protocol", "effect", "verdict", "unit", "units", "points", "low", "high", "p", "standard_error")
    head = "The same effects by sequence, set, pair of people and person"
    return Table("people", head, columns, rows, note, fields=empty, groups=2)


def _cluster(protocol: str, name: str, unit: str, count: int, found: Difference | None) -> dict[str, Any]:
    numbers = {key: getattr(found, key, None) for key in ("points", "low", "high", "p", "standard_error")}
    verdict = found.verdict if found else None
    return {"protocol": protocol, "effect": title(name), "verdict": verdict, "unit": unit, "units": float(count), **numbers}
