"""The settings of a cell as training reads them: plain values, one class a section of `params.yaml`, no validation.

`pipeline.config` has checked them, laid the recipe over them and left out what the stage does not read, and what stands at its
neutral value; such a setting has the default that stands here. A test trains with other values in their place and compares bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from pipeline.core.errors import ParamsError


@dataclass(frozen=True)
class Method:
    """What a method switches on; `network` is another paper's main network: its `kind`, and its own settings."""

    spatial: bool
    temporal: bool
    staged: bool
    network: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Model:
    """Section `model`."""

    hidden: int = 0
    layers: int = 0
    attention_hidden: int = 0
    dropout: float = 0.0
    dropout_per: Literal["frame", "clip"] = "frame"
    dropout_after: Literal["each", "last"] = "each"
    velocity: float = 0.0
    alpha_scale: Literal["one", "joints"] = "joints"
    gates: Literal["both_people", "per_person_shared"] = "both_people"
    beta_layers: int = 1
    beta_bias: float = 0.0
    beta_share: float = 0.0
    score_norm: Literal["none", "frames", "beta"] = "frames"
    init: Literal["default_orthogonal", "gaussian"] = "default_orthogonal"


@dataclass(frozen=True)
class Objective:
    """Section `objective`."""

    lambda1: float = 0.0
    lambda2: float = 0.0
    lambda3: float = 0.0
    beta_norm: Literal["l2", "squared"] = "l2"
    l1_scope: Literal["all", "main"] = "all"
    l1_reduce: Literal["sum", "mean"] = "sum"
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class Training:
    """Section `training`."""

    unit: Literal["iterations", "epochs"] = "epochs"
    batch: int = 0
    pool: int = 0
    learning_rate: float = 0.0
    temporal_rate: float = 1.0
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    warmup: float = 0.0
    plateau_factor: float = 0.0
    plateau_patience: int = 0
    clip_norm: float = 0.0
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_eps: float = 1e-8
    fit: Literal["train", "train_and_validation"] = "train"
    select: Literal["heldout", "last", "test"] = "last"
    frames: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: int = 1


@dataclass(frozen=True)
class Augment:
    """Section `augment`."""

    mirror: float = 0.0
    turn: float = 0.0
    yaw: float = 0.0
    scale: float = 0.0
    window: float = 1.0
    noise: float = 0.0


@dataclass(frozen=True)
class Pretrain:
    """Section `pretrain`."""

    attention: int = 0
    main: int = 0
    tune: int = 0
    reinit_main: bool = True


@dataclass(frozen=True)
class Finetune:
    """Section `finetune`."""

    main: int = 0
    joint: int = 0


@dataclass(frozen=True)
class Evaluate:
    """Section `evaluate`."""

    views: int = 1
    time_bins: int = 1


@dataclass(frozen=True)
class Settings:
    """All sections of one cell and stage."""

    model: Model = field(default_factory=Model)
    objective: Objective = field(default_factory=Objective)
    training: Training = field(default_factory=Training)
    augment: Augment = field(default_factory=Augment)
    pretrain: Pretrain = field(default_factory=Pretrain)
    finetune: Finetune = field(default_factory=Finetune)
    evaluate: Evaluate = field(default_factory=Evaluate)

    @classmethod
    def of(cls, document: Mapping[str, Mapping[str, Any]], where: str) -> Self:
        """The settings in a document of sections; `ParamsError` where it has a key that is none, with the place `where`."""
        types: dict[str, type] = {f.name: f.default_factory for f in fields(cls)}  # type: ignore[misc]
        try:
            return cls(**{name: types[name](**values) for name, values in document.items()})
        except (KeyError, TypeError) as error:
            raise ParamsError(f"{where}: expected the settings of a stage ({error}); run `python -m pipeline resolve`") from error
