"""The sections of `params.yaml` as types: what keys there are and which values are possible. `params.py` reads the file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from pipeline.addresses import has_secret
from pipeline.config.commands import Answer, Check, Knockout, Saliency, Search
from pipeline.config.networks import WITHOUT_GRADIENT, Layers, OneOf, Parts, Plain, Strength, Units
from pipeline.config.values import Neutral, Seed, Seeds, each_once
from pipeline.datasets.demo.settings import DemoDownload
from pipeline.datasets.florence3d.settings import Florence3dNormalize
from pipeline.datasets.ntu.settings import NtuNormalize
from pipeline.datasets.nw_ucla.settings import NwUclaNormalize
from pipeline.datasets.sbu.settings import SbuDownload, SbuNormalize
from pipeline.datasets.shared.settings import SourceDownload
from pipeline.datasets.utkinect.settings import UtkinectNormalize
from pipeline.section import Count, Section, Share

NAMED = r"^([\w.-]|\{(protocol|recipe|method|variant)\})*$"  # a cell's name made of what it is


class Download(Section):
    """Stage `download`: a section a data set. Those that are not named here have a `source` alone."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SourceDownload]

    @model_validator(mode="after")
    def _without_secrets(self) -> Self:
        own = [getattr(self, name) for name in type(self).model_fields] + list((self.model_extra or {}).values())
        if any(has_secret(getattr(section, "source", "")) for section in own):
            raise ValueError(
                "a source has a password or a key; params.yaml is for everybody: name it in <DATA SET>_SOURCE instead"
            )
        return self

    sbu: SbuDownload | None = None
    demo: DemoDownload | None = None


# Bounds are for typing errors, as in `networks.py`.
Length = Annotated[int, Field(ge=0, le=10_000_000)]
Batch = Annotated[int, Field(ge=1, le=100_000)]
Rate = Annotated[float, Field(gt=0, le=100)]


class Normalize(Section):
    """Stage `normalize`: a section a raw format, and `variants`: data set -> store -> what it changes in its format's section.

    A variant is named `<raw format>-<what differs>`. A raw format that is not named here has plain values, which its own code
    checks.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Plain]]

    allow_malformed: Count
    sbu: SbuNormalize | None = None
    ntu: NtuNormalize | None = None
    florence3d: Florence3dNormalize | None = None
    utkinect: UtkinectNormalize | None = None
    nw_ucla: NwUclaNormalize | None = None
    variants: dict[str, dict[str, dict[str, Any]]]

    def format(self, name: str) -> dict[str, Any] | None:
        """The parameters of a raw format, or None where there is no such section."""
        found = None if name in ("allow_malformed", "variants", "format") else getattr(self, name, None)
        return found.model_dump() if isinstance(found, Section) else dict(found) if isinstance(found, dict) else None

    @property
    def formats(self) -> tuple[str, ...]:
        """The raw formats that have a section."""
        own = [name for name in (*type(self).model_fields, *(self.model_extra or {})) if self.format(name) is not None]
        return tuple(own)


class Split(Section):
    """Stage `split`: how much of training is held out for validation, in whole groups of subjects."""

    validation_share: Annotated[float, Field(ge=0, lt=1)]
    seed: Seed


class Model(Section):
    """The network: Song et al., sections on the main LSTM, spatial and temporal attention."""

    hidden: Units
    layers: Layers
    attention_hidden: Units
    dropout: Annotated[float, Field(ge=0, lt=1)]
    dropout_per: Literal["frame", "clip"]
    dropout_after: Literal["each", "last"]
    velocity: Annotated[Strength, Neutral(0.0)]
    alpha_scale: Literal["one", "joints"]
    gates: Literal["both_people", "per_person_shared"]
    beta_layers: Literal[1, 2]
    beta_bias: Annotated[float, Field(ge=-1000, le=1000)]
    beta_share: Strength
    score_norm: Literal["none", "frames", "beta"]
    init: Literal["default_orthogonal", "gaussian"]


class Objective(Section):
    """The three penalties beside the cross-entropy."""

    lambda1: Annotated[Strength, Neutral(0.0)]
    lambda2: Annotated[Strength, Neutral(0.0)]
    lambda3: Annotated[Strength, Neutral(0.0)]
    beta_norm: Literal["l2", "squared"]
    l1_scope: Literal["all", "main"]
    l1_reduce: Literal["sum", "mean"]
    label_smoothing: Annotated[Share, Neutral(0.0)]


class Training(Section):
    """What `pretrain` and `finetune` share: the optimiser, the batches, who is learned from, the choice of the epoch."""

    unit: Literal["iterations", "epochs"]
    batch: Batch
    pool: Batch
    learning_rate: Rate
    temporal_rate: Rate
    schedule: Literal["constant", "cosine", "plateau"]
    warmup: Annotated[Share, Neutral(0.0)]
    plateau_factor: Annotated[float, Field(gt=0, lt=1)]
    plateau_patience: Length
    clip_norm: Annotated[Strength, Neutral(0.0)]
    weight_decay: Annotated[Strength, Neutral(0.0)]
    adam_beta1: Annotated[float, Field(ge=0, lt=1), Neutral(0.9)]
    adam_beta2: Annotated[float, Field(ge=0, lt=1), Neutral(0.999)]
    adam_eps: Annotated[float, Field(gt=0, le=1), Neutral(1e-8)]
    fit: Literal["train", "train_and_validation"]
    select: Literal["heldout", "last", "test"]
    frames: Annotated[int, Field(ge=0, le=100_000), Neutral(0)]
    precision: Annotated[Literal["float32", "bfloat16"], Neutral("float32")]
    device: Annotated[Literal["auto", "cpu", "cuda"], Neutral("auto")]
    processes: Annotated[int, Field(ge=1, le=1024), Neutral(1)]

    @model_validator(mode="after")
    def _validation_is_held_out(self) -> Self:
        if self.fit == "train_and_validation" and (self.select == "heldout" or self.schedule == "plateau"):
            raise ValueError("select: heldout and schedule: plateau need validation data: set fit: train")
        return self


class Augment(Section):
    """Random changes of training clips: probabilities, largest angle in radians, shares, noise in the store's unit."""

    mirror: Annotated[Share, Neutral(0.0)]
    turn: Annotated[Share, Neutral(0.0)]
    yaw: Annotated[Strength, Neutral(0.0)]
    scale: Annotated[Share, Neutral(0.0)]
    window: Annotated[float, Field(gt=0, le=1), Neutral(1.0)]
    noise: Annotated[Strength, Neutral(0.0)]


class Pretrain(Section):
    """Stage `pretrain`, steps 2 to 7 of Algorithm 1: lengths in `training.unit`."""

    attention: Length
    main: Length
    tune: Length
    reinit_main: bool


class Finetune(Section):
    """Stage `finetune`, steps 8 and 9 of Algorithm 1: lengths in `training.unit`."""

    main: Length
    joint: Length

    @model_validator(mode="after")
    def _something_is_trained(self) -> Self:
        if not self.main and not self.joint:
            raise ValueError("main and joint are both 0, so nothing would be trained: give one of them a length")
        return self


class Evaluate(Section):
    """Stage `evaluate`: of how many views of a clip the logits are averaged, and how attention is summed up.

    Views: the clip itself; 2: and its mirror image; 4: and both from behind.
    """

    views: Annotated[Literal[1, 2, 4], Neutral(1)]
    time_bins: Parts


class Report(Section):
    """Stage `report`."""

    confidence: Annotated[float, Field(gt=0, lt=1)]
    margin: Annotated[float, Field(gt=0, le=100)]
    power: Annotated[float, Field(gt=0, lt=1)]


class Method(Section):
    """What a method of the grid switches on; `network` is another paper's in place of the main LSTM.

    `earlier` says that the method is one of those before the paper, which the paper's tables list; `reading` that no description
    of it is public, so that it is our reading in its spirit: shown, but never ranked and in no verdict; `later` that it is one
    published after the paper, which stands in a table of its own and in no answer.
    """

    spatial: bool
    temporal: bool
    staged: bool
    regularised: bool
    earlier: bool = False
    reading: bool = False
    later: bool = False
    network: OneOf | None = None

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.earlier and self.later:
            raise ValueError("`earlier` and `later`: a method is from before the paper or from after it")
        return self

    @property
    def by_gradient(self) -> bool:
        """Whether steps along a gradient train it; other methods are fitted at once and read next to nothing of a recipe."""
        return self.network is None or self.network.kind not in WITHOUT_GRADIENT


class ProtocolOf(Section):
    """A protocol: the data set that it divides, and the store that its cells read."""

    dataset: str
    store: str


class Line(Section):
    """Cells of the grid: every protocol x recipe x method, and with `switch_of` every store, of these."""

    protocols: Annotated[list[str], Field(min_length=1), each_once("a protocol")]
    recipes: Annotated[list[str], Field(min_length=1), each_once("a recipe")]
    methods: Annotated[list[str], Field(min_length=1), each_once("a method")]
    seeds: str
    stores: Annotated[list[str], each_once("a store")] = Field(default_factory=list)
    switch_of: Annotated[str, Field(pattern=NAMED)] = ""
    names: Annotated[str, Field(pattern=NAMED)] = ""


class GridCell(Section):
    """One (protocol, recipe, method) of the grid: DVC's unit of work.

    `seeds` is a key of the section `seeds`. `switch_of` names the cell that this one differs from in one thing; the report
    shows such a cell beside that one alone.
    """

    group: str
    dataset: str
    store: str
    protocol: str
    method: str
    recipe: str
    seeds: str
    switch_of: str = ""


class Use(Section):
    """What runs: groups of the grid, and the data sets of their cells with the code that reads them."""

    groups: Annotated[list[str], each_once("a group")]
    datasets: dict[str, str]


class Params(Section):
    """The whole of `params.yaml`; the sections of commands may be absent in what a report reads."""

    protocols: dict[str, ProtocolOf]
    grid: dict[str, list[Line]]
    use: Use
    seeds: dict[str, Seeds]
    recipes: dict[str, dict[str, Any]]
    methods: dict[str, Method]
    download: Download
    normalize: Normalize
    split: Split
    model: Model
    objective: Objective
    training: Training
    augment: Augment
    pretrain: Pretrain
    finetune: Finetune
    evaluate: Evaluate
    report: Report
    search: Search | None = None
    check: Check | None = None
    answer: Answer | None = None
    knockout: Knockout | None = None
    saliency: Saliency | None = None
