"""The statistics applied to a data set's results, once, for all tables, figures, sentences and `metrics.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.config.grid import chosen_by_test
from pipeline.config.sections import Method
from pipeline.report.results import CellResult, ProtocolResult, Results
from pipeline.results.effects import effects
from pipeline.results.statistics import Accuracy, Difference, Rule, Stability, compare, stability, summarise
from pipeline.results.summaries import training_summary

# What a method is within its recipe, by its switches, and the method that params.yaml ships for it. `-noreg` and `-scratch` are
# the twins of a method: without regularisers, and without staged training.
ROLES = {
    "lstm": "lstm",
    "sa": "sa-lstm",
    "ta": "ta-lstm",
    "sta": "sta-lstm",
    "sta-noreg": "sta-lstm-noreg",
    "sta-scratch": "sta-lstm-scratch",
    "lstm-noreg": "lstm-noreg",
    "sa-noreg": "sa-lstm-noreg",
    "sa-scratch": "sa-lstm-scratch",
    "ta-noreg": "ta-lstm-noreg",
    "ta-scratch": "ta-lstm-scratch",
}
# The roles that every report asks for, and draws the curves of; the other twins are there where they were run.
MAIN = tuple(ROLES)[:6]
_BASES = {(False, False): "lstm", (True, False): "sa", (False, True): "ta", (True, True): "sta"}
TWINS = {"noreg": ("lstm", "sa", "ta", "sta"), "scratch": ("sa", "ta", "sta")}
# The method whose confusion matrix and attention are shown: the first of these that was run, under the first of these recipes
# that it was run with. Not the most accurate one, because that would be a choice by test data.
SHOWN = (*dict.fromkeys(("sta", "sta-scratch", "sta-noreg", "sa", "ta", "lstm", *ROLES)),)
PREFERRED = ("tuned",)
ALL = ""  # in place of a recipe: the mean over all recipes


@dataclass(frozen=True)
class ProtocolAnalysis:
    """What was found on one protocol.

    `accuracy`, `stability` and `training` by cell, switches too; `groups`: recipe -> role -> cell, without those of other
    papers (their recipe is a key all the same), and like everything below without switches; `differences[a, b]`: accuracy of
    cell `a` minus that of `b`, for every cell against `lstm` and `sta` of its recipe (of every recipe, where no gradient trains
    it), and for every method against its twins; `effects`: recipe -> planned effect, and under `ALL` their means where there
    are several recipes; `shown`: the cell of the pictures.
    `counterpart` names the protocol of the paper's table, empty for a part of a data set; `reported` has its numbers by method,
    None where ours are not comparable with them (synthetic data, a part of a data set).
    """

    result: ProtocolResult
    accuracy: dict[str, Accuracy]
    stability: dict[str, Stability]
    training: dict[str, dict[str, float | None]]
    groups: dict[str, dict[str, str]]
    differences: dict[tuple[str, str], Difference]
    effects: dict[str, dict[str, Difference]]
    shown: str
    counterpart: str
    reported: dict[str, float] | None

    @property
    def name(self) -> str:
        """The protocol."""
        return self.result.name

    @property
    def cell(self) -> CellResult:
        """The results of the shown cell."""
        return self.result.cells[self.shown]

    def find(self, recipe: str, method: str) -> str | None:
        """The cell of a method under a recipe; None where it was not run.

        One that no gradient trains need be run under one recipe alone.
        """
        cells = [(name, cell) for name, cell in self.result.plain.items() if cell.method == method]
        own = (name for name, cell in cells if cell.recipe == recipe)
        return next(own, next((name for name, cell in cells if not cell.switches.by_gradient), None))

    def of(self, recipe: str) -> dict[str, CellResult]:
        """The cells of a recipe."""
        return {name: cell for name, cell in self.result.plain.items() if cell.recipe == recipe}

    def own(self, recipe: str) -> dict[str, CellResult]:
        """The cells of a recipe that are no earlier or later methods: those of the ablation, the curves and the pictures."""
        return {name: cell for name, cell in self.of(recipe).items() if not (cell.earlier or cell.later)}

    def earlier(self, recipe: str) -> dict[str, CellResult]:
        """The earlier methods that stand beside the others of a recipe: its own, and those that no gradient trains."""
        return {name: cell for name, cell in self.result.plain.items() if cell.earlier and self.find(recipe, cell.method) == name}

    def later(self, recipe: str) -> dict[str, CellResult]:
        """The later methods of a recipe."""
        return {name: cell for name, cell in self.of(recipe).items() if cell.later}

    def suffix(self, recipe: str) -> str:
        """What a file name needs to tell recipes apart: nothing where there is one."""
        return f"-{recipe}" if len(self.groups) > 1 else ""

    def place(self, recipe: str) -> str:
        """The protocol for people, with the recipe where there are several; `ALL` is the mean of all."""
        if recipe == ALL:
            return f"{self.name}, mean of the recipes"
        return f"{self.name}, recipe {recipe}" if len(self.groups) > 1 else self.name

    def pictured(self, recipe: str) -> str:
        """The cell of a recipe that pictures of it show."""
        return _shown(self.of(recipe), {recipe: self.groups[recipe]})

    def difference(self, recipe: str, role: str, reference: str) -> Difference | None:
        """Accuracy of a role minus that of another in one recipe; None where either was not run."""
        group = self.groups[recipe]
        if role not in group or reference not in group:
            return None
        pair = (group[role], group[reference])
        if pair in self.differences:
            return self.differences[pair]
        other = self.differences.get(pair[::-1])
        return other.reversed() if other else None


def role(switches: Method) -> str | None:
    """A key of `ROLES`; None for another paper's method, and for a combination that no research question asks about."""
    if switches.network is not None:
        return None
    base = _BASES[switches.spatial, switches.temporal]
    scratch = base != "lstm" and not switches.staged  # there is nothing to stage without attention
    if scratch and not switches.regularised:
        return None
    return f"{base}-scratch" if scratch else base if switches.regularised else f"{base}-noreg"


def analyse(results: Results) -> list[ProtocolAnalysis]:
    """Apply the statistics to every protocol, in the order of `params.yaml`."""
    return [_protocol(results, protocol) for protocol in results.protocols.values()]


def _protocol(results: Results, protocol: ProtocolResult) -> ProtocolAnalysis:
    rule, cells = results.params.report, protocol.cells
    groups = _groups(protocol)
    real = protocol.name.removeprefix(f"{results.dataset}-")  # of the demo's protocols
    counterpart = "" if protocol.part else real if real in set(results.paper["protocol"]) else protocol.name
    rows = results.paper_of(counterpart)
    return ProtocolAnalysis(
        protocol,
        {name: summarise(cell.outcomes, rule) for name, cell in cells.items()},
        {name: stability(cell.outcomes, cell.history, rule.confidence) for name, cell in cells.items()},
        {name: training_summary(cell.history) for name, cell in cells.items()},
        groups,
        _differences(protocol, groups, rule),
        _effects(protocol, groups, rule),
        _shown(protocol.plain, groups),
        counterpart,
        None if results.synthetic or protocol.part else dict(zip(rows["method"], rows["reported"].astype(float), strict=True)),
    )


def _groups(protocol: ProtocolResult) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    for name, cell in protocol.plain.items():
        group = groups.setdefault(cell.recipe, {})
        if known := role(cell.switches):
            group.setdefault(known, name)
    return groups


def _differences(protocol: ProtocolResult, groups: dict[str, dict[str, str]], rule: Rule) -> dict[tuple[str, str], Difference]:
    cells = protocol.plain
    pairs = [
        (name, group.get(reference))
        for name, cell in cells.items()
        for recipe, group in groups.items()
        for reference in ("lstm", "sta")
        if recipe == cell.recipe or not cell.switches.by_gradient
    ]
    for group in groups.values():
        pairs += [(group[base], group.get(f"{base}-{twin}")) for twin, bases in TWINS.items() for base in bases if base in group]
    unique = dict.fromkeys((name, other) for name, other in pairs if other and other != name)
    return {(name, other): compare(cells[name].outcomes, cells[other].outcomes, rule) for name, other in unique}


def _effects(protocol: ProtocolResult, groups: dict[str, dict[str, str]], rule: Rule) -> dict[str, dict[str, Difference]]:
    found = {recipe: {known: protocol.cells[name].outcomes for known, name in group.items()} for recipe, group in groups.items()}
    each = {recipe: effects([group], rule) for recipe, group in found.items()}
    own = [group for group in found.values() if group]  # not those of methods of other papers alone
    return each | ({ALL: effects(own, rule)} if len(own) > 1 else {})


def _shown(cells: dict[str, CellResult], groups: dict[str, dict[str, str]]) -> str:
    recipes = sorted(groups, key=lambda recipe: recipe not in PREFERRED)
    found = (groups[recipe][name] for name in SHOWN for recipe in recipes if name in groups[recipe])
    others = min(cells, key=lambda name: cells[name].earlier or cells[name].later)  # the first, but one of another paper last
    return next(found, others)


def metrics(results: Results, analyses: list[ProtocolAnalysis]) -> dict[str, Any]:
    """The content of `metrics.json`: protocol -> recipe -> method, and protocol -> `switches` -> cell.

    In per cent, four decimals; its intervals are 95 % whatever the tables show.
    """
    found: dict[str, Any] = {}
    for analysis in analyses:
        recipes: dict[str, Any] = {}
        for name, cell in analysis.result.plain.items():
            reported = (analysis.reported or {}).get(cell.method)
            recipes.setdefault(cell.recipe, {})[cell.method] = {
                "accuracy": _metric(results, analysis, name),
                "reported": reported,
                **_part(analysis),
            }
        for name, cell in analysis.result.switches.items():
            fair = not chosen_by_test(results.params, cell.recipe)
            recipes.setdefault("switches", {})[name] = {
                "accuracy": _metric(results, analysis, name),
                "comparable": fair,
                **_part(analysis),
            }
        found[analysis.name] = recipes
    return found


def _part(analysis: ProtocolAnalysis) -> dict[str, str]:
    return {"part": analysis.result.part} if analysis.result.part else {}


def _metric(results: Results, analysis: ProtocolAnalysis, name: str) -> dict[str, Any]:
    found, rule = analysis.accuracy[name], results.params.report
    if rule.confidence != 0.95:
        found = summarise(analysis.result.cells[name].outcomes, rule.model_copy(update={"confidence": 0.95}))
    return {
        "mean": round(found.mean, 4),
        "sd": None if found.sd is None else round(found.sd, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "runs": found.runs,
    }
