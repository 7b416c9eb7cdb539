"""Tables of single cells: accuracy of every method, and switches beside what they are one of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pipeline.answers.predictions import Study, is_fresh
from pipeline.config.grid import chosen_by_test
from pipeline.config.params import Config
from pipeline.report import text
from pipeline.report.switches import Switch, changes
from pipeline.report.tables import Column, Table, field, minor
from pipeline.report.tables import method as method_column
from pipeline.results.statistics import Difference, Outcomes, Rule, compare, holm, summarise

NOTE = (
    "All seeds of both, paired by sequence. p by Holm's method over the {family}; the verdict takes that p, while an interval is"
    " that of its row alone, and may leave out 0 where the verdict is undecided."
)
ENDS = ("points", "low", "high")
FIELDS = (*ENDS, "p", "p_holm", "verdict")


def accuracies(studies: Sequence[Study], rule: Rule) -> Table:
    """A row a protocol, recipe and method, without switches."""
    rows: list[dict[str, Any]] = []
    for study in studies:
        for name, (cell, found) in study.cells.items():
            if not cell.switch_of:
                known = summarise(found, rule)
                head = {"protocol": study.protocol, "recipe": cell.recipe, "method": cell.method, "cell": name}
                rows.append(head | {key: getattr(known, key) for key in ("mean", "sd", "low", "high", "runs", "samples")})
    columns = (
        field("protocol", "Protocol", whole=True),
        field("recipe", "Recipe", whole=True),
        method_column(),
        field("mean", "Accuracy (%)", 2),
        field("sd", "s.d. over seeds", 2),
        Column("Interval", lambda row: text.interval(row["low"], row["high"]), numeric=True),
        *minor(field("runs", "Seeds", 0)),
    )
    return Table("accuracies", "Accuracy of every method", columns, rows, groups=2)


def switches(config: Config, studies: Sequence[Study]) -> Table:
    """Each switch minus the cell that it is one of; p adjusted over the switches of a protocol."""
    rows: list[dict[str, Any]] = []
    for study in studies:
        later = repeated(config, study)
        found = {
            name: (cell.switch_of, compare(own, study.cells[cell.switch_of][1], config.params.report))
            for name, (cell, own) in study.cells.items()
            if _is_switch(config, study, name) and name not in later
        }
        fields = adjusted({name: difference for name, (_, difference) in found.items()})
        for name, (reference, difference) in found.items():
            by_test = chosen_by_test(config.params, study.cells[name][0].recipe)
            switch = Switch(name, reference, changes(config, name, reference), difference, fields[name]["p_holm"], by_test)
            verdict = {"verdict": "not comparable"} if by_test else {}
            seeds = text.seeds(difference)
            rows.append({"protocol": study.protocol, "what": switch.what("`"), "seeds": seeds} | fields[name] | verdict)
    columns = (
        field("protocol", "Protocol", whole=True),
        field("what", "What was switched"),
        *difference_columns("Brings"),
        *minor(field("seeds", "Seeds")),
    )
    note = NOTE.format(family="switches of a protocol")
    head = ("protocol", "what", "seeds")
    return Table("switches", "One thing switched at a time", columns, rows, note, fields=(*head, *FIELDS), groups=1)


def again(config: Config, studies: Sequence[Study]) -> Iterator[Table]:
    """Switches that were run once more with seeds named beforehand, beside what the first seeds had shown.

    Only where the cell that they are one of has been run with such seeds too.
    """
    rows = [row for study in studies for row in _again(config, study)]
    columns = (
        field("protocol", "Protocol", whole=True),
        field("what", "What was switched"),
        *difference_columns("Fresh seeds"),
        Column("First seeds, points", lambda row: text.estimate({key: row[f"first_{key}"] for key in ENDS}), numeric=True),
        *minor(field("seeds", "Fresh seeds")),
    )
    note = (
        "Fresh: named before they were run, of both cells. p by Holm's method over the rows of a protocol, those that were run."
    )
    if rows:
        yield Table("switches-again", "Switches again, with fresh seeds", columns, rows, note, groups=1)


def _again(config: Config, study: Study) -> Iterator[dict[str, Any]]:
    rule, of = config.params.report, _with_fresh_seeds(config, study)
    pairs = {name: first for name, first in repeated(config, study).items() if study.cells[name][0].switch_of in of}
    fresh = {name: compare(study.cells[name][1], of[study.cells[name][0].switch_of], rule) for name in pairs}
    fields = adjusted(fresh)
    for name, first in pairs.items():
        cell = study.cells[name][0]
        before = compare(study.cells[first][1], study.cells[cell.switch_of][1], rule)
        by_test = chosen_by_test(config.params, cell.recipe)
        known = changes(config, name, cell.switch_of)
        switch = Switch(name, cell.switch_of, known, fresh[name], fields[name]["p_holm"], by_test)
        head = {"protocol": study.protocol, "what": switch.what("`"), "seeds": text.seeds(fresh[name])}
        verdict = {"verdict": "not comparable"} if by_test else {}
        yield head | {f"first_{key}": getattr(before, key) for key in ENDS} | fields[name] | verdict


def repeated(config: Config, study: Study) -> dict[str, str]:
    """The cells that switch what an earlier one switches, with none of its seeds -> that earlier one."""
    found: dict[str, str] = {}
    known: dict[tuple[str, str], str] = {}
    for name, (cell, own) in study.cells.items():
        if cell.switch_of not in study.cells or is_fresh(config, name):
            continue
        key = cell.switch_of, str(changes(config, name, cell.switch_of))
        first = known.setdefault(key, name) if _is_switch(config, study, name) else known.get(key, name)
        if first != name and not set(own.seeds) & set(study.cells[first][1].seeds):
            found[name] = first
    return found


def _is_switch(config: Config, study: Study, name: str) -> bool:
    cell = study.cells[name][0]
    return cell.switch_of in study.cells and not is_fresh(config, name) and cell.group not in config.answer.inputs


def _with_fresh_seeds(config: Config, study: Study) -> dict[str, Outcomes]:
    """Cell -> the predictions of the one that is it but for fresh seeds."""
    return {cell.switch_of: own for name, (cell, own) in study.cells.items() if is_fresh(config, name)}


def adjusted(family: dict[str, Difference]) -> dict[str, dict[str, Any]]:
    """Each difference as values of a row, with p adjusted over all of them, and the verdict that takes this p."""
    adjusted = holm([found.p for found in family.values()])
    return {
        name: {key: getattr(found, key) for key in ("points", "low", "high", "p")}
        | {"p_holm": p, "verdict": replace(found, p=p).verdict}
        for (name, found), p in zip(family.items(), adjusted, strict=True)
    }


def difference_columns(title: str) -> tuple[Column, ...]:
    """Verdict, difference with its interval, adjusted p."""
    return (
        field("verdict", "Verdict", whole=True),
        Column(f"{title}, points", text.estimate, numeric=True),
        *minor(Column("p", lambda row: text.p_value(row["p_holm"]), numeric=True)),
    )
