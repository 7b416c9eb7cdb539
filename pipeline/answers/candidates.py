"""The candidates of the searches by validation accuracy: where attention leads over the plain LSTM, and where that ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.core.errors import ResultsMissing
from pipeline.report import search, text
from pipeline.report.figures import FAINT, INK, PHONE, Figure, canvas, colour, style, to_svg
from pipeline.report.tables import Column, Row, Table, field

LSTM = "lstm"
Records = Mapping[str, search.Search]
Leads = dict[str, list[tuple[float, float]]]
CAPTION = (
    "{dataset}: lead over LSTM of the methods with attention, a point a candidate, by the accuracy that LSTM has with the same"
    " candidate. Accuracies of validation, one seed: a description, no test."
)


def blocks(dataset: str, paths: Mapping[str, Path]) -> Iterator[Table | Figure]:
    """The table of the methods' records, and the figure where one of them is the LSTM's; `ResultsMissing` where one is amiss."""
    records = {method: search.read(path) for method, path in paths.items()}
    for method, record in records.items():
        _check(paths[method], method, record, next(iter(records.values())))
    yield table(dataset, records)
    if LSTM in records and len(records) > 1:
        yield figure(dataset, leads(records))


def _check(path: Path, method: str, record: search.Search, first: search.Search) -> None:
    names, wanted = ([one.name for one in each.candidates] for each in (record, first))
    if record.method != method:
        raise ResultsMissing(f"{path}: method: expected {method}, found {record.method!r}; {search.NEXT}")
    if names != wanted:
        raise ResultsMissing(f"{path}: candidates: expected those of the other searches, found others; {search.NEXT}")
    if unknown := sorted(set(record.chosen.values()) - set(names)):
        raise ResultsMissing(f"{path}: chosen: {unknown[0]!r} is no candidate of the record; {search.NEXT}")


def table(dataset: str, records: Records) -> Table:
    """A row a candidate, a column a method, with the outer folds that chose it."""
    rows: dict[str, dict[str, Any]] = {}
    for method, record in records.items():
        for one in record.candidates:
            folds = [fold for fold, name in record.chosen.items() if name == one.name]
            row = rows.setdefault(one.name, {"round": one.round, "candidate": one.name})
            row |= {method: one.mean, f"{method}_folds": " ".join(folds)}
    columns = (field("round", "Round", 0), field("candidate", "Candidate", whole=True), *map(_inner, records))
    note = (
        "Accuracy of validation in per cent, mean over the outer folds, whose test parts are not looked at, with one seed; in"
        " brackets the outer folds that chose it. Rounds are in the order in which they were named (params.yaml, section search)."
    )
    return Table(f"candidates-{dataset}", f"{dataset}: candidates of the searches", columns, list(rows.values()), note)


def _inner(method: str) -> Column:
    def show(row: Row) -> str:
        folds = row[f"{method}_folds"]
        return f"{text.number(row[method])}{f' ({folds})' if folds else ''}"

    return Column(f"{text.label(method)} (%)", show, numeric=True)


def leads(records: Records) -> Leads:
    """Method -> (accuracy of LSTM, accuracy of the method minus it) of each candidate, by the first; without LSTM itself."""
    means = {method: {one.name: one.mean for one in record.candidates} for method, record in records.items()}
    base = means.pop(LSTM)
    return {
        method: sorted((base[name], round(own[name] - base[name], 2)) for name in own if name in base)
        for method, own in means.items()
    }


def figure(dataset: str, found: Leads) -> Figure:
    """A scatter, a colour a method."""
    with style():
        drawn = canvas(PHONE, 3.4)
        axes = drawn.subplots()
        axes.axhline(0, color=INK, linewidth=0.8)
        for method, points in found.items():
            hue = colour(method, list(found))
            axes.plot(*zip(*points, strict=True), "o", color=hue, markersize=5, alpha=0.8, label=text.label(method))
        axes.set_xlabel("Accuracy of LSTM (%)")
        axes.set_ylabel("Lead over LSTM (points)")
        axes.grid(color=FAINT, alpha=0.3, linewidth=0.6)
        drawn.legend(loc="outside upper right", ncols=3)
        svg = to_svg(drawn)
    caption = CAPTION.format(dataset=dataset)
    listed = "; ".join(f"{text.label(method)}: {_ends(points)}" for method, points in found.items())
    return Figure(f"leads-{dataset}", caption, f"{caption} {listed}.", svg)


def _ends(points: list[tuple[float, float]]) -> str:
    """The candidates with which LSTM does worst and best."""
    return ", ".join(f"{text.signed(lead)} at {text.number(base)} %" for base, lead in (points[0], points[-1]))
