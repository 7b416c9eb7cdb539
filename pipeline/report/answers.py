"""The research questions, answered from the statistics: a verdict and one paragraph each, never more than the numbers say."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.report import earlier, text, twins
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.results import Results
from pipeline.report.tables import Column, Table, field
from pipeline.results.statistics import Accuracy, Difference

YES, NO, UNKNOWN = "yes", "no", text.UNKNOWN
NO_NUMBERS = "the paper has no numbers"
# Points over LSTM for each attention alone: [paper], by a summary of it, which names neither data set nor protocol.
GAINS = {"spatial": 5.1, "temporal": 6.4}
QUESTIONS = {
    "RQ1": "Does end-to-end spatio-temporal attention beat the same LSTM without attention?",
    "RQ2": "Are the two attentions complementary?",
    "RQ3": "How do the regularisers and the staged joint training affect stability and accuracy?",
    "RQ4": "How does STA-LSTM compare with prior methods?",
}


@dataclass(frozen=True)
class Answer:
    """An answer: `key` of the question, a verdict for each (protocol, recipe), and the paragraph."""

    key: str
    verdicts: dict[str, str]
    paragraph: str

    @property
    def question(self) -> str:
        """The question."""
        return QUESTIONS[self.key]


def verdict(found: Difference | None) -> str:
    """What a difference says about "is the first better?": `yes`, `no` (it is worse), `cannot be told` or `not run`."""
    if found is None:
        return text.NOT_RUN
    if found.established:
        return YES if found.points > 0 else NO
    return UNKNOWN


def because(found: Difference) -> str:
    """Why a verdict is what it is, to follow the numbers."""
    if found.established:
        return "interval and test agree"
    return "the interval leaves out 0, but the test does not reject" if found.excludes_zero else "the interval includes 0"


def answers(results: Results, analyses: list[ProtocolAnalysis]) -> list[Answer]:
    """The four answers, in order."""
    found = [_first(analyses), _second(analyses), _third(analyses), _fourth(results, analyses)]
    return [replace(answer, paragraph=answer.paragraph.replace(" %", "\N{NO-BREAK SPACE}%")) for answer in found]


def _places(analyses: list[ProtocolAnalysis]) -> list[tuple[ProtocolAnalysis, str, str]]:
    """(analysis, recipe, name) of each block that a question is answered for."""
    return [(analysis, recipe, analysis.place(recipe)) for analysis in analyses for recipe in analysis.groups]


def _lead(verdicts: dict[str, str]) -> str:
    """The verdicts as one sentence, places with the same verdict together."""
    same: dict[str, list[str]] = {}
    for place, found in verdicts.items():
        same.setdefault(found, []).append(place)
    if list(same) == [text.NOT_RUN]:
        return "Not run."
    return "; ".join(f"{found} ({text.joined(places)})" for found, places in same.items()).capitalize() + "."


def _first(analyses: list[ProtocolAnalysis]) -> Answer:
    verdicts, sentences = {}, []
    for analysis, recipe, place in _places(analyses):
        found = analysis.difference(recipe, "sta", "lstm")
        verdicts[place] = verdict(found)
        if found:
            group = analysis.groups[recipe]
            sta, lstm = (analysis.accuracy[group[name]].mean for name in ("sta", "lstm"))
            numbers = f"STA-LSTM has {text.number(sta)} % and LSTM {text.number(lstm)} %"
            sentences.append(f"On {place}, {numbers}: {text.difference(found)}; {because(found)}.")
    return Answer("RQ1", verdicts, " ".join([_lead(verdicts), *sentences]))


def _second(analyses: list[ProtocolAnalysis]) -> Answer:
    verdicts, sentences = {}, []
    for analysis, recipe, place in _places(analyses):
        pair = {name: analysis.difference(recipe, "sta", role) for role, name in (("sa", "SA-LSTM"), ("ta", "TA-LSTM"))}
        verdicts[place] = _complementary([verdict(found) for found in pair.values()])
        parts = [f"against {name} {text.difference(found)}, {because(found)}" for name, found in pair.items() if found]
        if parts:
            sentences.append(f"On {place}, STA-LSTM has, {'; '.join(parts)}.{_single_gains(analysis, recipe)}")
    rule = "They are called complementary where both together are better than either alone."
    return Answer("RQ2", verdicts, " ".join([_lead(verdicts), rule, *sentences]))


def _complementary(pair: list[str]) -> str:
    if text.NOT_RUN in pair:
        return text.NOT_RUN
    return YES if pair == [YES, YES] else NO if NO in pair else UNKNOWN


def _single_gains(analysis: ProtocolAnalysis, recipe: str) -> str:
    """The gain of each attention alone, and where the paper's lies against its interval: its only known ablation numbers."""
    alone = {name: analysis.difference(recipe, role, "lstm") for role, name in (("sa", "spatial"), ("ta", "temporal"))}
    parts = [f"{name} attention alone {text.difference(found)}" for name, found in alone.items() if found]
    if not parts:
        return ""
    gains = [f"{GAINS[name]} ({name}, {_side(GAINS[name], found)} the interval)" for name, found in alone.items() if found]
    paper = f"; the paper says about {text.joined(gains)}, without naming data set or protocol"
    return f" Over LSTM: {'; '.join(parts)}{paper if analysis.reported else ''}."


def _side(number: float, found: Accuracy | Difference) -> str:
    """Where a number lies against an interval: `below`, `within` or `above`."""
    return "below" if number < found.low else "above" if number > found.high else "within"


def _third(analyses: list[ProtocolAnalysis]) -> Answer:
    """STA-LSTM against its twins; the other methods with theirs are in a table."""
    verdicts, sentences, others = {}, [], False
    for analysis, recipe, place in _places(analyses):
        pair = {what: analysis.difference(recipe, "sta", f"sta-{twin}") for twin, what in twins.PARTS.items()}
        for what, found in pair.items():
            verdicts[f"{what}, {place}"] = verdict(found)
            if found:
                sentences.append(f"On {place}, {what} bring {text.difference(found)}; {because(found)}.")
        if any(pair.values()):
            sentences.append(_stability(analysis, recipe))
        others |= any(base != "sta" for _, base, _ in twins.pairs(analysis, recipe))
    more = ["The other methods, each with and without the same parts, are in a table under Ablation."] if others else []
    return Answer("RQ3", verdicts, " ".join([_gain_lead(verdicts), *sentences, *more]))


def _gain_lead(verdicts: dict[str, str]) -> str:
    lead = _lead(verdicts)
    return lead if lead == "Not run." else f"A gain in accuracy: {lead[0].lower()}{lead[1:]}"


def _stability(analysis: ProtocolAnalysis, recipe: str) -> str:
    group, parts = analysis.groups[recipe], []
    for cell in [group[name] for name in ("sta", "sta-noreg", "sta-scratch") if name in group]:
        found = analysis.stability[cell]
        dead = "" if found.dead is None else f", {100 * found.dead:.0f} % with dead beta"
        numbers = (
            f"s.d. {text.number(found.sd)}, {100 * found.diverged:.0f} % of {found.trained} networks diverged or at chance{dead}"
        )
        parts.append(f"{text.label(analysis.result.cells[cell].method)} {numbers}")
    return f"Stability: {'; '.join(parts)}."


def _fourth(results: Results, analyses: list[ProtocolAnalysis]) -> Answer:
    """Paired with the earlier methods that were run again, and beside the numbers that were reported."""
    verdicts, sentences = {}, []
    for analysis, recipe, place in _places(analyses):
        cell = analysis.groups[recipe].get("sta")
        pairs = {} if results.synthetic else earlier.adjusted(analysis, recipe)
        verdicts[place] = "not from synthetic data" if results.synthetic else _beside_prior(analysis, cell, pairs)
        if pairs:
            sentences.append(earlier.sentence(analysis, pairs, place))
        if cell and analysis.reported:
            sentences.append(_against_reported(results, analysis, cell, place))
    missing = [sentence for analysis in analyses if (sentence := earlier.not_run(results, analysis))]
    return Answer("RQ4", verdicts, " ".join([_lead(verdicts), *sentences, *missing]))


def _beside_prior(analysis: ProtocolAnalysis, cell: str | None, pairs: dict[str, Difference | None]) -> str:
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


def table(found: list[Answer]) -> Table:
    """The verdicts, a row a question and place."""
    rows = [{"question": a.key, "asked": a.question, "place": p, "verdict": v} for a in found for p, v in a.verdicts.items()]
    columns = (
        Column("Question", lambda row: f"{row['question']}: {row['asked']}"),
        field("place", "Where"),
        field("verdict", "Verdict", whole=True),
    )
    return Table("answers", "Verdicts", columns, rows)
