"""The sections of `params.yaml` that commands read and no stage does: search, answer, check, knockout, saliency."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from pipeline.config.networks import Parts
from pipeline.config.values import Seed, Seeds, each_once, pattern, people
from pipeline.section import Positive, Section


class Candidate(Section):
    """A candidate of the search: with the stages of training or from scratch, and changes laid over the search's base.

    `round` says when it was thought of.
    """

    round: Positive
    staged: bool
    changes: dict[str, Any]


class Search(Section):
    """Command `search`: the cell whose protocol is searched on, seeds, numbers of views, candidates as changes to `base`.

    `seeds` train the candidates, `nested_seeds` the networks that answer for the outer folds.
    """

    cell: str
    seeds: Seeds
    nested_seeds: Seeds
    views: Annotated[list[Literal[1, 2, 4]], Field(min_length=1), each_once("a number of views")]
    base: dict[str, Any]
    candidates: Annotated[dict[str, Candidate], Field(min_length=1)]


class Inputs(Section):
    """Recipes that differ in the network's input alone: neither, augmented clips, velocities beside positions, both."""

    plain: str
    augmented: str
    velocity: str
    both: str


class Answer(Section):
    """Command `answer`: protocols whose folds leave one subject out, how a name tells people, and names that are copies.

    `inputs`: by group of the grid, the recipes of the four methods on other inputs.
    """

    subjects: Annotated[list[str], each_once("a protocol")]
    people: dict[str, Annotated[str, AfterValidator(people)]]
    copies: dict[str, Annotated[str, AfterValidator(pattern)]]
    inputs: dict[str, Inputs]


class Check(Section):
    """Command `check`; the rule is described in `pipeline.results.regression`, `guarded` names its cells by data set."""

    false_alarms: Annotated[float, Field(gt=0, lt=0.5)]
    power: Annotated[float, Field(ge=0.5, lt=1)]
    guarded: dict[str, Annotated[list[str], each_once("a cell")]]
    fewer_seeds: Annotated[list[str], each_once("a data set")]


class Knockout(Section):
    """Command `knockout`: `seed` chooses the clips that lend their attention."""

    seed: Seed


class Saliency(Section):
    """Command `saliency`: `steps` of integrated gradients."""

    steps: Parts
