"""Trained weights and their card in one safetensors file: no pickle, so opening a file of unknown origin runs no code of it.

Tensors are named `seed-<seed>/<parameter>`; the metadata have one entry, `card`, JSON (`pipeline.predict.card`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pipeline.core.errors import ParamsError
from pipeline.core.files import whole
from pipeline.core.model import STALSTM
from pipeline.core.settings import Method
from pipeline.core.training import phases
from pipeline.core.training.files import State
from pipeline.errors import ModelUnusable
from pipeline.predict.card import Card

CARD = "card"
ADVICE = "make one with `python -m pipeline export CELL`"


def write(path: Path, card: Card, states: Mapping[int, State]) -> None:
    """Write the file, whole or not at all; the same content gives the same bytes. `states`: seed -> state dict."""
    half = card.weights == "float16"
    shown = {seed: rounded(state) if half else state for seed, state in states.items()}
    tensors = {f"seed-{seed}/{name}": tensor for seed, state in shown.items() for name, tensor in state.items()}
    ordered = {name: tensor.contiguous() for name, tensor in sorted(tensors.items())}
    vouched = card.model_copy(update={"sha256": digest(card, ordered)})
    with whole(path) as unfinished:
        content = save(ordered, {CARD: vouched.model_dump_json()})
        unfinished.write_bytes(content)  # save_file makes files that nobody else can read


def digest(card: Card, tensors: State) -> str:
    """SHA-256 over the card but for its own, and every tensor's name, type, shape and bytes, in the order of names."""
    found = hashlib.sha256(card.model_copy(update={"sha256": ""}).model_dump_json().encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


def rounded(state: State) -> State:
    """The weights in 16 bits; whole numbers, such as places of joints, stay."""
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def read(path: Path) -> tuple[Card, dict[int, State]]:
    """The card and the state dict of each seed; `ModelUnusable` where the file is not there or is none of ours."""
    if not path.is_file():
        raise ModelUnusable(f"{path}: no such model; {ADVICE}")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(CARD)
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise ModelUnusable(f"{path}: not a complete safetensors file ({error}); {ADVICE}") from error
    if text is None:
        raise ModelUnusable(f"{path}: expected metadata with the entry {CARD!r}, found none; {ADVICE}")
    card = Card.of(text, str(path))
    if card.sha256 != digest(card, found):
        raise ModelUnusable(
            f"{path}: damaged: its weights or its card are not those that were written; take it again from where"
            f" it came, or {ADVICE}"
        )
    prefixes = {f"seed-{seed}/": seed for seed in card.seeds}
    states: dict[int, State] = {seed: {} for seed in card.seeds}
    for name, tensor in found.items():
        head, slash, parameter = name.partition("/")
        if head + slash not in prefixes:
            raise ModelUnusable(f"{path}: tensor {name}: expected weights of seeds {', '.join(map(str, card.seeds))} only")
        states[prefixes[head + slash]][parameter] = tensor
    return card, states


def network(card: Card, state: State, where: str) -> STALSTM:
    """The network of a run with its weights, float32; `ModelUnusable` where they are not exactly those that it has."""
    method = Method(**card.switches)
    try:
        model = phases.build(phases.finetune_phases(method, card.settings)[-1], method, card.settings, card.meta)
    except (TypeError, ValueError, RuntimeError, ParamsError) as error:
        raise ModelUnusable(f"{where}: no network can be built from the settings of its card: {error}") from error
    expected = model.state_dict()
    if missing := sorted(expected.keys() - state.keys()):
        raise ModelUnusable(f"{where}: incomplete: {len(missing)} of {len(expected)} tensors are missing, first {missing[0]}")
    if unknown := sorted(state.keys() - expected.keys()):
        raise ModelUnusable(f"{where}: tensor {unknown[0]}: the network of its card has no such weights")
    open_sizes = getattr(model.main, "sizes_are_learned", False)
    for name, tensor in expected.items():
        if state[name].ndim != tensor.ndim if open_sizes else state[name].shape != tensor.shape:
            shapes = f"expected shape {list(tensor.shape)}, found {list(state[name].shape)}"
            raise ModelUnusable(f"{where}: tensor {name}: {shapes}")
        if state[name].is_floating_point() != tensor.is_floating_point() or not state[name].isfinite().all():
            raise ModelUnusable(f"{where}: tensor {name}: expected finite numbers")
    model.load_state_dict(state)  # a copy into float32, whatever the file has
    return model.eval()
