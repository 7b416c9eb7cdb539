"""The phases of a method's staged training, and the network of a phase.

A phase is one step of Algorithm 1: how many main layers, which parts are used, which are trained, whether the main network
starts afresh. The parts of the network are `main`, `spatial` and `temporal`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import ParamsError
from pipeline.core.model import STALSTM, Config, MainLSTM, Penalties
from pipeline.core.settings import Method, Settings
from pipeline.core.skeletons import Meta
from pipeline.core.training.job import Job, Row

if TYPE_CHECKING:
    from torch import Generator, nn

BRANCHES = ("temporal", "spatial")  # Algorithm 1 trains the temporal attention first


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


def pretrain_phases(method: Method, params: Settings) -> list[Phase]:
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


def finetune_phases(method: Method, params: Settings) -> list[Phase]:
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


def config(phase: Phase, params: Settings, meta: Meta) -> Config:
    """The network of a phase, for the skeletons that `meta` describes."""
    used = {part: part in phase.uses for part in BRANCHES}
    sizes = {"joints": len(meta.joints), "bodies": meta.bodies, "classes": len(meta.actions)}
    switches = {name: value for name, value in asdict(params.model).items() if name != "velocity"}
    return Config(**{**switches, "channels": 6 if params.model.velocity else 3, "layers": phase.layers, **used, **sizes})


def build(phase: Phase, method: Method, params: Settings, meta: Meta, draw: dict[str, Generator] | None = None) -> STALSTM:
    """The network of a phase, its weights drawn from the generators in `draw`: those of `main` and of each attention."""
    main: Callable[[int, Config], nn.Module] = MainLSTM
    if method.network is not None:
        main = network_of(method.network, meta)
    return STALSTM(config(phase, params, meta), draw, main)


def network_of(network: Mapping[str, Any], meta: Meta) -> Callable[[int, Config], nn.Module]:
    """Another paper's main network: `NETWORK` of the module `pipeline.networks.<kind>`, with its own settings.

    One that takes `parts` gets those of the skeleton; `cost` is for the module that fits it. Raises `ParamsError` for a kind
    without a module, and for settings that the network does not take.
    """
    made: type[nn.Module] = module_of(network).NETWORK
    own = {name: value for name, value in network.items() if name not in ("kind", "cost")}
    takes = inspect.signature(made).parameters
    if unknown := sorted(set(own) - set(takes)):
        raise ParamsError(f"network {network['kind']!r} has no setting {', '.join(unknown)}; it has {', '.join([*takes][2:])}")
    return partial(made, **({"parts": meta.parts} if "parts" in takes else {}), **own)


def own_training(method: Method) -> Callable[[Job], list[Row]] | None:
    """How a network is trained that no gradient step trains: `train` of its module, where it has one."""
    return getattr(module_of(method.network), "train", None) if method.network is not None else None


def module_of(network: Mapping[str, Any]) -> ModuleType:
    """The module of a network, by its `kind`; `ParamsError` where there is none."""
    name = f"pipeline.networks.{network['kind'].replace('-', '_')}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ParamsError(f"network.kind {network['kind']!r}: expected a module {name} ({error})") from error
    if not hasattr(module, "NETWORK"):
        raise ParamsError(f"network.kind {network['kind']!r}: expected {name} to have a NETWORK, the class of the network")
    return module


def penalties(params: Settings) -> Penalties:
    """The objective's penalties."""
    return Penalties(**asdict(params.objective))
