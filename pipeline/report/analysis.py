"""The statistics applied to a data set's results, once, for all tables, figures, sentences and `metrics.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.params import Method
from pipeline.report.results import CellResult, ProtocolResult, Results
from pipeline.statistics import Accuracy, Bootstrap, Difference, Stability, compare, stability, summarise
from pipeline.summaries import training_summary

# What a method is within its recipe, by its switches, and the method that params.yaml ships for it.
ROLES = {
    "lstm": "lstm",
    "sa": "sa-lstm",
    "ta": "ta-lstm",
    "sta": "sta-lstm",
    "noreg": "sta-lstm-noreg",
    "scratch": "sta-lstm-scratch",
}
_ATTENTION = {
    (True, False, True, True): "sa",
    (False, True, True, True): "ta",
    (True, True, True, True): "sta",
    (True, True, True, False): "noreg",
    (True, True, False, True): "scratch",
}
# The method whose confusion matrix and attention are shown: the first of these that was run. Not the most accurate one,
# because that would be a choice by test data.
SHOWN = ("sta", "scratch", "noreg", "sa", "ta", "lstm")


@dataclass(frozen=True)
class ProtocolAnalysis:
    """What was found on one protocol.

    `accuracy`, `stability` and `training` by method; `groups`: recipe -> role -> method; `differences[a, b]`: accuracy of `a`
    minus that of `b`, for every method against `lstm` and `sta` of its recipe; `shown`: the method of the pictures.
    `counterpart` names the protocol of the paper's table, `reported` its numbers by method: None where ours are not comparable
    with them (synthetic data).
    """

    result: ProtocolResult
    accuracy: dict[str, Accuracy]
    stability: dict[str, Stability]
    training: dict[str, dict[str, float | None]]
    groups: dict[str, dict[str, str]]
    differences: dict[tuple[str, str], Difference | None]
    shown: str
    counterpart: str
    reported: dict[str, float] | None

    @property
    def name(self) -> str:
        """The protocol."""
        return self.result.name

    @property
    def cell(self) -> CellResult:
        """The results of the shown method."""
        return self.result.cells[self.shown]

    def recipe(self, method: str) -> str:
        """The recipe that a method ran under."""
        return self.result.cells[method].recipe

    def difference(self, recipe: str, role: str, reference: str) -> Difference | None:
        """Accuracy of a role minus that of another in one recipe; None where either was not run, or no seed is common."""
        group = self.groups[recipe]
        if role not in group or reference not in group:
            return None
        pair = (group[role], group[reference])
        if pair in self.differences:
            return self.differences[pair]
        other = self.differences.get(pair[::-1])
        return other.reversed() if other else None


def role(switches: Method) -> str | None:
    """`lstm`, `sa`, `ta`, `sta`, `noreg` or `scratch`; None for a combination that no research question asks about."""
    if not switches.spatial and not switches.temporal:
        return "lstm" if switches.regularised else None  # there is nothing to stage without attention
    return _ATTENTION.get((switches.spatial, switches.temporal, switches.staged, switches.regularised))


def analyse(results: Results) -> list[ProtocolAnalysis]:
    """Apply the statistics to every protocol, in the order of `params.yaml`."""
    return [_protocol(results, protocol) for protocol in results.protocols.values()]


def _protocol(results: Results, protocol: ProtocolResult) -> ProtocolAnalysis:
    rule, cells = results.params.report, protocol.cells
    groups = _groups(protocol)
    counterpart = protocol.name.removeprefix(f"{results.dataset}-") if results.synthetic else protocol.name
    rows = results.paper[results.paper["protocol"] == counterpart]
    return ProtocolAnalysis(
        protocol,
        {method: summarise(cell.outcomes, rule) for method, cell in cells.items()},
        {method: stability(cell.outcomes, cell.history, rule.confidence) for method, cell in cells.items()},
        {method: training_summary(cell.history) for method, cell in cells.items()},
        groups,
        _differences(protocol, groups, rule),
        _shown(protocol, groups),
        counterpart,
        None if results.synthetic else dict(zip(rows["method"], rows["reported"].astype(float), strict=True)),
    )


def _groups(protocol: ProtocolResult) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    for method, cell in protocol.cells.items():
        group = groups.setdefault(cell.recipe, {})
        if name := role(cell.switches):
            group.setdefault(name, method)
    return groups


def _differences(
    protocol: ProtocolResult, groups: dict[str, dict[str, str]], rule: Bootstrap
) -> dict[tuple[str, str], Difference | None]:
    found = {}
    for method, cell in protocol.cells.items():
        for reference in ("lstm", "sta"):
            other = groups[cell.recipe].get(reference)
            if other and other != method:
                found[method, other] = compare(cell.outcomes, protocol.cells[other].outcomes, rule)
    return found


def _shown(protocol: ProtocolResult, groups: dict[str, dict[str, str]]) -> str:
    for group in groups.values():
        for name in SHOWN:
            if name in group:
                return group[name]
    return next(iter(protocol.cells))


def metrics(results: Results, analyses: list[ProtocolAnalysis]) -> dict[str, Any]:
    """The content of `metrics.json`, in per cent, four decimals; its intervals are 95 % whatever the tables show."""
    return {a.name: {method: _metric(results, a, method) for method in a.accuracy} for a in analyses}


def _metric(results: Results, analysis: ProtocolAnalysis, method: str) -> dict[str, Any]:
    found, rule = analysis.accuracy[method], results.params.report
    if rule.confidence != 0.95:
        found = summarise(analysis.result.cells[method].outcomes, rule.model_copy(update={"confidence": 0.95}))
    return {
        "accuracy": {
            "mean": round(found.mean, 4),
            "sd": None if found.sd is None else round(found.sd, 4),
            "ci95": [round(found.low, 4), round(found.high, 4)],
            "runs": found.runs,
        },
        "reported": (analysis.reported or {}).get(method),
    }
