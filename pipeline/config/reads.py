"""What a stage of a cell reads of `params.yaml`: the rest is left out of its file, so that changing it makes nothing stale.

The rules follow the code of training; `tests/test_reads.py` trains with other values in place of all that is left out, and
compares bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.config.networks import FITTED
from pipeline.config.sections import Augment, Evaluate, Finetune, Method, Model, Objective, Pretrain, Training
from pipeline.config.values import neutral
from pipeline.section import Section

SECTIONS = {
    "pretrain": ("model", "objective", "training", "augment", "pretrain"),
    "finetune": ("model", "objective", "training", "augment", "pretrain", "finetune"),
    "evaluate": ("model", "training", "evaluate"),
}
TYPES: dict[str, type[Section]] = {
    **{"model": Model, "objective": Objective, "training": Training, "augment": Augment},
    **{"pretrain": Pretrain, "finetune": Finetune, "evaluate": Evaluate},
}
MAIN = ("hidden", "layers", "dropout", "dropout_per", "dropout_after")
"""Settings of the paper's main network; another network reads these of them, by its `kind`, and one that is not listed all."""
OWN = {
    "deep-lstm": ("hidden", "dropout", "dropout_per", "dropout_after"),
    "hbrnn": (),
    "co-occurrence": ("dropout",),
    "p-lstm": ("dropout", "dropout_per"),
    "st-lstm": ("dropout", "dropout_per"),
    "sgn": (),
    "hcn": ("dropout",),
    "static-attention": MAIN,
    "window-svm": (),
    **dict.fromkeys(FITTED, ()),
}
STARTS = ("init", "beta_bias", "beta_share")
"""Where weights start: evaluation reads them from disk."""

Sections = dict[str, dict[str, Any]]


def read_by(stage: str, method: Method, sections: Mapping[str, Mapping[str, Any]]) -> Sections:
    """The sections with what the stage reads, and without what stands at its neutral value."""
    found = {name: dict(sections[name]) for name in SECTIONS[stage]}
    for name, key in (*_of_method(method, sections), *_of_stage(stage, method), *_of_values(sections)):
        found.get(name, {}).pop(key, None)
    for name, section in found.items():
        still = neutral(TYPES[name])
        found[name] = {key: value for key, value in section.items() if key not in still or value != still[key]}
    return {name: section for name, section in found.items() if section}


def _of_method(method: Method, sections: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What the method has no use for."""
    if not method.spatial:
        yield from [("model", "alpha_scale"), ("model", "gates"), ("objective", "lambda1")]
    if not method.temporal:
        yield from (("model", key) for key in ("beta_layers", "beta_bias", "beta_share"))
        yield from [("objective", "lambda2"), ("objective", "beta_norm"), ("training", "temporal_rate")]
    if not (method.spatial or method.temporal):
        yield from [("model", "attention_hidden"), ("objective", "l1_scope")]
    if method.network is not None:
        kind = method.network.kind
        yield from (("model", key) for key in MAIN if key not in OWN.get(kind, MAIN))
        if not method.by_gradient:  # fitted at once: no gradient, no batch, no penalty, no weights to start from
            yield ("model", "init")
            yield from ((name, key) for name in ("objective", "augment", "finetune") for key in sections[name])
            yield from (("training", key) for key in sections["training"] if key not in ("fit", "frames", "device", "processes"))


def _of_stage(stage: str, method: Method) -> Iterator[tuple[str, str]]:
    """What the stage has no use for."""
    staged = method.staged and (method.spatial or method.temporal)
    if stage == "pretrain" and not (method.spatial and method.temporal):
        yield from [("pretrain", "main"), ("pretrain", "tune"), ("pretrain", "reinit_main")]
        yield from [("model", "layers"), ("model", "dropout_after")]  # its network has one layer
    if stage == "finetune":
        yield from (("pretrain", key) for key in ("attention", "main", "tune", *(() if staged else ("reinit_main",))))
    if stage == "evaluate":
        yield from (("model", key) for key in STARTS)
        yield from (("model", key) for key in ("dropout", "dropout_per", "dropout_after"))
        yield from (("training", key) for key in Training.model_fields if key not in ("frames", "device", "processes"))


def _of_values(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What another value switches off."""
    objective, training = sections["objective"], sections["training"]
    if not objective["lambda2"]:
        yield ("objective", "beta_norm")
    if not objective["lambda3"]:
        yield from [("objective", "l1_scope"), ("objective", "l1_reduce")]
    if training["schedule"] != "plateau":
        yield from [("training", "plateau_factor"), ("training", "plateau_patience")]
