"""What attention, the regularisers and the stages of training bring: sums of accuracies with weights, planned for RQ1 to RQ3.

The four methods are a 2 x 2 design, spatial by temporal attention. A main effect is the mean of what an attention brings without
and beside the other; the interaction is how much more it brings beside the other, negative where both bring the same thing. Over
several recipes an effect is the mean of the recipes', for each sequence, whether they agree or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.results.statistics import Difference, Outcomes, Rule, contrast


@dataclass(frozen=True)
class Effect:
    """A planned comparison: the question that it answers, its name for people, and the weight of each role."""

    question: str
    title: str
    weights: Mapping[str, float]


EFFECTS = {
    "both": Effect("RQ1", "both attentions: STA-LSTM - LSTM", {"sta": 1, "lstm": -1}),
    "spatial-alone": Effect("RQ1", "spatial attention alone: SA-LSTM - LSTM", {"sa": 1, "lstm": -1}),
    "temporal-alone": Effect("RQ1", "temporal attention alone: TA-LSTM - LSTM", {"ta": 1, "lstm": -1}),
    "spatial": Effect("RQ1", "spatial attention, main effect", {"sta": 0.5, "sa": 0.5, "ta": -0.5, "lstm": -0.5}),
    "temporal": Effect("RQ1", "temporal attention, main effect", {"sta": 0.5, "ta": 0.5, "sa": -0.5, "lstm": -0.5}),
    "spatial-beside": Effect("RQ2", "spatial beside temporal attention: STA-LSTM - TA-LSTM", {"sta": 1, "ta": -1}),
    "temporal-beside": Effect("RQ2", "temporal beside spatial attention: STA-LSTM - SA-LSTM", {"sta": 1, "sa": -1}),
    "interaction": Effect("RQ2", "interaction of the two", {"sta": 1, "sa": -1, "ta": -1, "lstm": 1}),
    "regularisers": Effect("RQ3", "the regularisers: STA-LSTM with - without", {"sta": 1, "sta-noreg": -1}),
    "stages": Effect("RQ3", "the stages of training: STA-LSTM with - without", {"sta": 1, "sta-scratch": -1}),
}


def effect(name: str, recipes: Sequence[Mapping[str, Outcomes]], rule: Rule) -> Difference | None:
    """An effect, the mean over recipes (role -> predictions each); None where a recipe lacks one of its roles."""
    weights = EFFECTS[name].weights
    if not recipes or any(role not in recipe for recipe in recipes for role in weights):
        return None
    return contrast([(weight / len(recipes), recipe[role]) for recipe in recipes for role, weight in weights.items()], rule)


def effects(recipes: Sequence[Mapping[str, Outcomes]], rule: Rule) -> dict[str, Difference]:
    """All effects that these recipes have the roles for."""
    found = {name: effect(name, recipes, rule) for name in EFFECTS}
    return {name: difference for name, difference in found.items() if difference}
