"""Method names and how to build and train them: the model of a method, and the phases of its staged training.

A phase is one step of Algorithm 1: how many main layers, which parts are used, which are trained, whether the main network
starts afresh. The parts of the network are `main`, `spatial` and `temporal`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline.model import HBRNN, PLSTM, STALSTM, Config, CoOccurrence, DeepLSTM, MainLSTM, Penalties, WindowSVM
from pipeline.sections import Method, Params
from pipeline.skeletons import Meta

if TYPE_CHECKING:
    from torch import Generator, nn

BRANCHES = ("temporal", "spatial")  # Algorithm 1 trains the temporal attention first
# The main networks of earlier methods, by `kind`: the class, and what it needs besides the parameters of its section.
EARLIER: dict[str, tuple[type[nn.Module], Callable[[Meta], dict[str, object]]]] = {
    "lstm": (DeepLSTM, lambda meta: {}),
    "hbrnn": (HBRNN, lambda meta: {"parts": meta.parts}),
    "co-occurrence": (CoOccurrence, lambda meta: {}),
    "p-lstm": (PLSTM, lambda meta: {"parts": meta.parts}),
    "window-svm": (WindowSVM, lambda meta: {}),
}


@dataclass(frozen=True)
class Phase:
    """One phase of training; `length` in the unit of `training.unit`."""

    name: str
    length: int
    layers: int
    uses: frozenset[str]
    trains: frozenset[str]
    fresh_main: bool


def branches(method: Method) -> tuple[str, ...]:
    """The attention parts of a method, in the order of Algorithm 1."""
    return tuple(name for name in BRANCHES if getattr(method, name))


def pretrain_phases(method: Method, params: Params) -> list[Phase]:
    """Steps 2 to 7: each attention learns with a one-layer main network; where there are two, each is then tuned with three.

    A method with one attention goes from its step 2 (or 5) straight to `finetune`, whose phases are steps 3 and 4 (6 and 7).
    A method without attention, or without staged training, has none.
    """
    parts, p = branches(method), params.pretrain
    phases: list[Phase] = []
    for part in parts if method.staged else ():
        both, main = frozenset({"main", part}), frozenset({"main"})
        phases.append(Phase(f"{part}-1-layer", p.attention, 1, both, both, True))
        if len(parts) > 1:
            phases.append(Phase(f"{part}-main", p.main, params.model.layers, both, main, p.reinit_main))
            phases.append(Phase(f"{part}-tune", p.tune, params.model.layers, both, both, False))
    return phases


def finetune_phases(method: Method, params: Params) -> list[Phase]:
    """Steps 8 and 9: a main network on the frozen attentions, then everything; the same main budget for every method.

    Without staged training, everything learns from the start in both phases.
    """
    everything = frozenset({"main", *branches(method)})
    first = frozenset({"main"}) if method.staged else everything
    fresh = params.pretrain.reinit_main
    return [
        Phase("main", params.finetune.main, params.model.layers, everything, first, fresh),
        Phase("joint", params.finetune.joint, params.model.layers, everything, everything, False),
    ]


def config(phase: Phase, params: Params, meta: Meta) -> Config:
    """The network of a phase, for the skeletons that `meta` describes."""
    used = {part: part in phase.uses for part in BRANCHES}
    sizes = {"joints": len(meta.joints), "bodies": meta.bodies, "classes": len(meta.actions)}
    switches = params.model.model_dump(exclude={"velocity"}) | {"channels": 6 if params.model.velocity else 3}
    return Config(**{**switches, "layers": phase.layers, **used, **sizes})


def build(phase: Phase, method: Method, params: Params, meta: Meta, draw: dict[str, Generator] | None = None) -> STALSTM:
    """The network of a phase, its weights drawn from the generators in `draw`: those of `main` and of each attention."""
    main: Callable[[int, Config], nn.Module] = MainLSTM
    if method.network is not None:
        kind, needs = EARLIER[method.network.kind]
        main = partial(kind, **needs(meta), **method.network.model_dump(exclude={"kind", "cost"}))
    return STALSTM(config(phase, params, meta), draw, main)


def penalties(params: Params) -> Penalties:
    """The objective's penalties."""
    return Penalties(**params.objective.model_dump())
