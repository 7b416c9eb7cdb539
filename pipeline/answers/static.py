"""Does looking pay: attention beside weights that are learned too, but the same for every clip.

Networks that learned with an attention need it, so what they lose without it is no benefit. A network that learned with one
weight a joint, one a moment, or both, has what such weights bring without looking at the clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.answers.predictions import Study
from pipeline.answers.words import MEAN, METHODS, points
from pipeline.config.networks import StaticAttention
from pipeline.config.params import Config
from pipeline.report import text
from pipeline.report.tables import Column, Row, Table, field, minor
from pipeline.results.statistics import Outcomes, Rule, contrast

WEIGHTS = {"sa": "weights of joints", "ta": "weights of moments", "sta": "weights of joints and moments"}
KINDS = {(True, False): "sa", (False, True): "ta", (True, True): "sta"}
KEYS = ("points", "low", "high", "p", "p_equivalent", "verdict")
NOTE = (
    "Weights: learned, one a joint, one a moment (a part of the clip), or both, the same for every clip; trained without stages."
    " All seeds of each, of attention and LSTM the fresh ones too. p are not adjusted for their number."
)


def section(config: Config, studies: Sequence[Study]) -> Iterator[str | Table]:
    """A table for every protocol on which both have been run, or a word that none has."""
    tables = [table for study in studies if (table := effects(config, study))]
    if not tables:
        yield "Not run yet: weights that are learned but the same for every clip (group `sbu-static` of params.yaml)."
    yield from tables


def effects(config: Config, study: Study) -> Table | None:
    """Attention minus such weights, and those minus the plain LSTM, by recipe and as their mean; None without both."""
    whole = zip(study.compared, study.with_fresh(config), strict=True)
    groups = {recipe: group | static(config, study, recipe) for recipe, group in whole}
    rows = [row for kind in KINDS.values() for row in _of_kind(kind, groups, config.params.report)]
    columns = (
        field("effect", "Effect"),
        field("recipe", "Recipe", whole=True),
        field("verdict", "Verdict", whole=True),
        Column("Points, interval", points, numeric=True),
        *minor(
            Column("p", lambda row: text.p_value(row["p"]), numeric=True),
            Column("p, equivalence test", lambda row: text.p_value(row["p_equivalent"]), numeric=True),
            field("seeds", "Seeds"),
        ),
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["recipe"] == MEAN)
    title = f"{study.protocol}: attention, and weights that do not look"
    return Table(f"static-{study.protocol}", title, columns, rows, NOTE, strong, groups=1) if rows else None


def static(config: Config, study: Study, recipe: str) -> dict[str, Outcomes]:
    """The networks with static weights under a recipe: `static-` and the role of the attention that they stand beside."""
    found: dict[str, Outcomes] = {}
    for cell, outcome in study.cells.values():
        network = config.params.methods[cell.method].network
        if isinstance(network, StaticAttention) and cell.recipe == recipe and not cell.switch_of:
            kind = KINDS.get((network.joints, network.bins > 0))
            found |= {f"static-{kind}": outcome} if kind else {}
    return found


def _of_kind(kind: str, groups: Mapping[str, Mapping[str, Outcomes]], rule: Rule) -> Iterator[Row]:
    own = f"static-{kind}"
    pairs = {
        f"{METHODS[kind]} {text.MINUS} {WEIGHTS[kind]}": (kind, own),
        f"{METHODS[kind]} without stages {text.MINUS} {WEIGHTS[kind]}": (f"{kind}-scratch", own),
        f"{WEIGHTS[kind]} {text.MINUS} {METHODS['lstm']}": (own, "lstm"),
    }
    for title, (one, other) in pairs.items():
        parts = {
            recipe: [(1.0, group[one]), (-1.0, group[other])] for recipe, group in groups.items() if {one, other} <= set(group)
        }
        if len(parts) > 1:
            parts[MEAN] = [(weight / len(parts), found) for terms in parts.values() for weight, found in terms]
        for recipe, terms in parts.items():
            difference = contrast(terms, rule)
            numbers = {key: getattr(difference, key) for key in KEYS}
            yield {"effect": title, "recipe": recipe, "seeds": text.seeds(difference)} | numbers
