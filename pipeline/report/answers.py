"""The research questions, answered from the statistics: verdicts of planned effects, and a paragraph that says no more than they.

What each effect is stands in `pipeline.results.effects`, how a verdict is made in `pipeline.results.statistics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pipeline.config import params as parameters
from pipeline.report import earlier, text
from pipeline.report.analysis import ALL, ProtocolAnalysis
from pipeline.report.results import Results
from pipeline.report.tables import Column, Table, field, minor
from pipeline.results.effects import EFFECTS
from pipeline.results.statistics import Accuracy, Difference, can_show_equivalence

NO_NUMBERS = "the paper has no numbers"
# Points over LSTM for each attention alone: [paper], by a summary of it, which names neither data set nor protocol.
GAINS = {"spatial-alone": 5.1, "temporal-alone": 6.4}
QUESTIONS = {
    "RQ1": "Does end-to-end spatio-temporal attention beat the same LSTM without attention?",
    "RQ2": "Are the two attentions complementary?",
    "RQ3": "How do the regularisers and the staged joint training affect stability and accuracy?",
    "RQ4": "How does STA-LSTM compare with prior methods?",
}
LEADS = {"RQ1": ("both",), "RQ2": ("spatial-beside", "temporal-beside"), "RQ3": ("regularisers", "stages")}
FIELDS = ("points", "low", "high", "p", "p_equivalent", "standard_error", "floor", "smallest")


@dataclass(frozen=True)
class Answer:
    """An answer: `key` of the question, a row for each (effect, place) with numbers and verdict, and the paragraph."""

    key: str
    rows: list[dict[str, Any]]
    paragraph: str

    @property
    def question(self) -> str:
        """The question."""
        return QUESTIONS[self.key]

    @property
    def verdicts(self) -> dict[tuple[str, str], str]:
        """(effect, place) -> verdict; the effect is empty where a question is answered as a whole."""
        return {(row["effect"], row["place"]): row["verdict"] for row in self.rows}


def answers(results: Results, analyses: list[ProtocolAnalysis]) -> list[Answer]:
    """The four answers, in order."""
    found = [*(_planned(results, analyses, key) for key in LEADS), _fourth(results, analyses)]
    return [replace(answer, paragraph=answer.paragraph.replace(" %", "\N{NO-BREAK SPACE}%")) for answer in found]


def _planned(results: Results, analyses: list[ProtocolAnalysis], key: str) -> Answer:
    """An answer from the effects that were planned for it; the leading ones have a row where they were not run, too."""
    rows, sentences = [], []
    for name in [name for name, effect in EFFECTS.items() if effect.question == key]:
        found = [(a.place(recipe), recipe, effects.get(name)) for a in analyses for recipe, effects in a.effects.items()]
        named = [(place, d) for place, recipe, d in found if d or (name in LEADS[key] and recipe != ALL)]
        rows += [_row(results, key, name, *pair) for pair in named]
        if name in LEADS[key] and any(difference for _, difference in named):
            sentences.append(_sentence(name, named))
    if not any(row["points"] is not None for row in rows):
        return Answer(key, rows, "Not run.")
    extra = _paper_gains(analyses) if key == "RQ1" else _stabilities(results, analyses) if key == "RQ3" else ()
    return Answer(key, rows, " ".join([*sentences, *extra]))


def _row(results: Results, key: str, name: str, place: str, found: Difference | None) -> dict[str, Any]:
    row = _blank(key, _title(name), place, found.verdict if found else text.NOT_RUN)
    if found is None:
        return row
    return row | {field: getattr(found, field) for field in FIELDS} | {"reach": reach(results, found)}


def _title(name: str) -> str:
    return EFFECTS[name].title.replace(" - ", f" {text.MINUS} ")


def _blank(key: str, effect: str, place: str, verdict: str) -> dict[str, Any]:
    """A row without numbers."""
    numbers = dict.fromkeys(FIELDS)
    return {
        "question": key,
        "asked": QUESTIONS[key],
        "effect": effect,
        "place": place,
        **numbers,
        "reach": "",
        "verdict": verdict,
    }


def reach(results: Results, found: Difference) -> str:
    """Whether methods that do not differ could be called equivalent with these sequences."""
    if can_show_equivalence(found.standard_error, results.params.report):
        return "yes"
    if max(found.runs) < 2:
        return "not known from one seed"
    return "with more seeds" if can_show_equivalence(found.floor, results.params.report) else "with more test data"


def _sentence(name: str, found: list[tuple[str, Difference | None]]) -> str:
    """An effect with its verdicts, places with the same verdict together."""
    same: dict[str, list[str]] = {}
    for place, difference in found:
        numbers = f": {text.difference(difference)}" if difference else ""
        same.setdefault(difference.verdict if difference else text.NOT_RUN, []).append(place + numbers)
    parts = [f"{verdict} ({'; '.join(places)})" for verdict, places in same.items()]
    title = _title(name)
    return f"{title[0].upper()}{title[1:]}: {'; '.join(parts)}."


def _paper_gains(analyses: list[ProtocolAnalysis]) -> Iterator[str]:
    """Where the paper's gains of each attention lie against our intervals: its only known ablation numbers."""
    same: dict[str, list[str]] = {}
    for analysis in analyses:
        for recipe, effects in analysis.effects.items():
            known = {name: effects[name] for name in GAINS if name in effects}
            if recipe != ALL and known and analysis.reported:
                parts = [f"{GAINS[n]} ({n.split('-')[0]}, {_side(GAINS[n], found)} the interval)" for n, found in known.items()]
                same.setdefault(text.joined(parts), []).append(analysis.place(recipe))
    for gains, places in same.items():
        yield (
            f"The paper says about {gains} for each attention alone, without naming data set or protocol (beside"
            f" {'; '.join(places)})."
        )


def _side(number: float, found: Accuracy | Difference) -> str:
    """Where a number lies against an interval: `below`, `within` or `above`."""
    return "below" if number < found.low else "above" if number > found.high else "within"


def _stabilities(results: Results, analyses: list[ProtocolAnalysis]) -> Iterator[str]:
    """How STA-LSTM and its twins trained, and which of the regularisers a recipe has at all."""
    for analysis in analyses:
        for recipe, group in analysis.groups.items():
            if {"sta-noreg", "sta-scratch"} & set(group):
                yield f"On {analysis.place(recipe)}: {_stability(analysis, recipe)}{_regularisers(results, group['sta'])}"


def _regularisers(results: Results, cell: str) -> str:
    """Which penalties a recipe has at all: one with weight 0 is not what its twin lacks."""
    _, params = parameters.for_cell(results.config, cell)
    weights = {name: getattr(params.objective, name) for name in ("lambda1", "lambda2", "lambda3")}
    absent = [name for name, weight in weights.items() if not weight]
    there = [name for name, weight in weights.items() if weight]
    return f" The regularisers are {text.joined(there)} here, {text.joined(absent)} is 0." if absent and there else ""


def _stability(analysis: ProtocolAnalysis, recipe: str) -> str:
    group, parts = analysis.groups[recipe], []
    for cell in [group[name] for name in ("sta", "sta-noreg", "sta-scratch") if name in group]:
        found = analysis.stability[cell]
        dead = "" if found.dead is None else f", {100 * found.dead:.0f} % with dead beta"
        numbers = (
            f"s.d. {text.number(found.sd)}, {100 * found.diverged:.0f} % of {found.trained} networks diverged or at chance{dead}"
        )
        parts.append(f"{text.label(analysis.result.cells[cell].method)} {numbers}")
    return f"{'; '.join(parts)}."


def _fourth(results: Results, analyses: list[ProtocolAnalysis]) -> Answer:
    """Paired with the earlier methods that were run again, and beside the numbers that were reported."""
    rows, sentences = [], []
    for analysis, recipe in [(a, name) for a in analyses for name in a.groups]:
        cell, place = analysis.groups[recipe].get("sta"), analysis.place(recipe)
        pairs = {} if results.synthetic or analysis.result.part else earlier.adjusted(analysis, recipe)
        verdict = _prior(results, analysis, cell, pairs)
        rows.append(_blank("RQ4", "STA-LSTM and the methods before it", place, verdict))
        sentences.append(f"{verdict[0].upper()}{verdict[1:]} ({place}).")
        if pairs:
            sentences.append(earlier.sentence(analysis, pairs, recipe))
        if cell and analysis.reported:
            sentences.append(_against_reported(results, analysis, cell, place))
    missing = [sentence for analysis in analyses if (sentence := earlier.not_run(results, analysis))]
    return Answer("RQ4", rows, " ".join([*sentences, *missing]))


def _prior(results: Results, analysis: ProtocolAnalysis, cell: str | None, pairs: dict[str, Difference | None]) -> str:
    if results.synthetic:
        return "not from synthetic data"
    if analysis.result.part:
        return "not from a part of the data"
    if pairs:
        return earlier.verdict(list(pairs.values()))
    if not analysis.reported:
        return NO_NUMBERS
    return "against reported numbers only" if cell else text.NOT_RUN


def _against_reported(results: Results, analysis: ProtocolAnalysis, cell: str, place: str) -> str:
    """Where the reported numbers lie against our interval: they come without predictions, so nothing can be paired."""
    found, reported = analysis.accuracy[cell], analysis.reported or {}
    where: dict[str, list[str]] = {"below": [], "within": [], "above": []}
    paper = results.paper_of(analysis.counterpart)
    for row, method in zip(paper["row"], paper["method"], strict=True):
        where[_side(reported[method], found)].append(f"{row} {text.number(reported[method])}")
    parts = [f"{side} it {text.joined(names)}" for side, names in where.items() if names]
    level = f"{100 * results.params.report.confidence:g} % interval"
    ours = f"our STA-LSTM has {text.number(found.mean)} % ({level} {text.number(found.low)} to {text.number(found.high)})"
    return f"On {place}, {ours}; of the reported numbers, which come without predictions to pair with, {'; '.join(parts)}."


def table(results: Results, found: list[Answer]) -> Table:
    """The verdicts, a row an effect and place."""
    level = 100 * results.params.report.confidence
    columns = (
        field("question", "", whole=True),
        field("effect", "Effect"),
        field("place", "Where"),
        field("verdict", "Verdict", whole=True),
        Column(f"Points, {level:g} % interval", _points, numeric=True),
        Column("p", lambda row: text.MISSING if row["p"] is None else text.p_value(row["p"]), numeric=True),
        *minor(
            Column(
                "p not equivalent",
                lambda row: text.MISSING if row["p"] is None else text.p_value(row["p_equivalent"]),
                numeric=True,
            ),
            field("smallest", "Smallest found", 2),
            field("reach", "Equivalence within reach"),
        ),
    )
    rule = results.params.report
    note = (
        f"Effects in points. better, worse: the interval leaves out 0. equivalent: two one-sided tests leave less than"
        f" {rule.margin:g} point(s) either way. undecided: neither. Smallest found: the effect that this design would find in"
        f" {100 * rule.power:g} of 100 repetitions. Equivalence within reach: whether methods that do not differ would be called"
        " equivalent as often, with these seeds, with more of them, or not without more test data. p of planned effects, each by"
        f" itself. All is conditional on the training sets.{results.unit_note}{results.copies_note}"
    )
    return Table("answers", "Verdicts", columns, [row for answer in found for row in answer.rows], note, groups=2)


def _points(row: Any) -> str:
    return text.MISSING if row["points"] is None else f"{text.signed(row['points'])} {text.interval(row['low'], row['high'])}"
