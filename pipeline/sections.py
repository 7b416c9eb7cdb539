"""The sections of `params.yaml` as types: what keys there are and which values are possible. `params.py` reads the file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base of all sections: no unknown keys, no silent conversions, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SbuDownload(Section):
    """Where the SBU archives are: `source` (or `SBU_SOURCE`) is a folder, a zip or a base URL."""

    source: str
    retries: Count
    timeout_s: Annotated[float, Field(gt=0)]


class SourceDownload(Section):
    """Where the user has the raw files: `source` (or `<DATA SET>_SOURCE`, such as `NTU_SOURCE`) is a folder or a file."""

    source: str


class DemoDownload(Section):
    """The synthetic data of the demo; half of `ntu_subjects` are training subjects of the protocol, half test subjects."""

    seed: Count
    sbu_repeats: Annotated[int, Field(ge=1, le=999)]
    ntu_subjects: Annotated[int, Field(ge=2, le=40, multiple_of=2)]
    ntu_repeats: Annotated[int, Field(ge=1, le=2)]
    noise_m: Weight
    distractor_m: Weight
    evidence_m: Weight


class Download(Section):
    """Stage `download`: a section a data set. Those that are not named here have a `source` alone."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SourceDownload]

    sbu: SbuDownload
    demo: DemoDownload


class SbuNormalize(Section):
    """From SBU's raw numbers to metres; each step can be switched off."""

    denormalize: bool
    order: Literal["left_first", "file"]
    smooth: Literal["savgol5", "none"]
    smooth_ends: Literal["keep", "interpolate"]
    centre: Literal["torsos_per_frame", "torsos_first_frame", "none"]


class NtuNormalize(Section):
    """From NTU's raw tracks to two ordered bodies; each rule can be switched off (`0`, `none` or `false`)."""

    drop_listed_missing: bool
    shortest_track: Count
    spread_ratio: Weight
    spread_share: Share
    order: Literal["motion", "file"]
    empty_frames: Literal["cut", "keep"]
    not_a_number: Literal["interpolate", "reject"]
    centre: Literal["spine_first_frame", "body_per_frame", "none"]


class Normalize(Section):
    """Stage `normalize`: a section a raw format, and `variants`: data set -> store -> what it changes in its format's section.

    A variant is named `<raw format>-<what differs>`.
    """

    allow_malformed: Count
    sbu: SbuNormalize
    ntu: NtuNormalize
    variants: dict[str, dict[str, dict[str, Any]]]


class Split(Section):
    """Stage `split`: how much of training is held out for validation, in whole groups of subjects."""

    validation_share: Annotated[float, Field(ge=0, lt=1)]
    seed: Count


class Model(Section):
    """The network: Song et al., sections on the main LSTM, spatial and temporal attention."""

    hidden: Positive
    layers: Positive
    attention_hidden: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    dropout_per: Literal["frame", "clip"]
    dropout_after: Literal["each", "last"]
    velocity: Weight
    alpha_scale: Literal["one", "joints"]
    gates: Literal["both_people", "per_person_shared"]
    beta_layers: Literal[1, 2]
    beta_bias: float
    beta_share: Weight
    score_norm: Literal["none", "frames", "beta"]
    init: Literal["default_orthogonal", "gaussian"]


class Objective(Section):
    """The three penalties beside the cross-entropy."""

    lambda1: Weight
    lambda2: Weight
    lambda3: Weight
    beta_norm: Literal["l2", "squared"]
    l1_scope: Literal["all", "main"]
    l1_reduce: Literal["sum", "mean"]
    label_smoothing: Share


class Training(Section):
    """What `pretrain` and `finetune` share: the optimiser, the batches, who is learned from, the choice of the epoch."""

    unit: Literal["iterations", "epochs"]
    batch: Positive
    pool: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    temporal_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "cosine", "plateau"]
    warmup: Share
    plateau_factor: Annotated[float, Field(gt=0, lt=1)]
    plateau_patience: Count
    clip_norm: Weight
    weight_decay: Weight
    fit: Literal["train", "train_and_validation"]
    select: Literal["heldout", "last", "test"]
    frames: Count
    precision: Literal["float32", "bfloat16"]
    device: Literal["auto", "cpu", "cuda"]
    processes: Positive

    @model_validator(mode="after")
    def _validation_is_held_out(self) -> Self:
        if self.fit == "train_and_validation" and (self.select == "heldout" or self.schedule == "plateau"):
            raise ValueError("select: heldout and schedule: plateau need validation data: set fit: train")
        return self


class Augment(Section):
    """Random changes of training clips: probabilities, largest angle in radians, shares, noise in the store's unit."""

    mirror: Share
    turn: Share
    yaw: Weight
    scale: Share
    window: Annotated[float, Field(gt=0, le=1)]
    noise: Weight


class Pretrain(Section):
    """Stage `pretrain`, steps 2 to 7 of Algorithm 1: lengths in `training.unit`."""

    attention: Count
    main: Count
    tune: Count
    reinit_main: bool


class Finetune(Section):
    """Stage `finetune`, steps 8 and 9 of Algorithm 1: lengths in `training.unit`."""

    main: Count
    joint: Count


class Evaluate(Section):
    """Stage `evaluate`: of how many views of a clip the logits are averaged, and how attention is summed up.

    Views: the clip itself; 2: and its mirror image; 4: and both from behind.
    """

    views: Literal[1, 2, 4]
    time_bins: Positive


class Candidate(Section):
    """A candidate of the search: a method, and changes laid over the search's base; `round` says when it was thought of."""

    round: Positive
    method: str
    changes: dict[str, Any]


class Search(Section):
    """Command `search`: the cell whose protocol is searched on, seeds, numbers of views, candidates as changes to `base`."""

    cell: str
    seeds: Annotated[list[int], Field(min_length=1)]
    views: Annotated[list[Literal[1, 2, 4]], Field(min_length=1)]
    base: dict[str, Any]
    candidates: Annotated[dict[str, Candidate], Field(min_length=1)]


class Report(Section):
    """Stage `report`."""

    confidence: Annotated[float, Field(gt=0, lt=1)]
    resamples: Positive
    seed: Count


class Check(Section):
    """Command `check`; the rule is described in `pipeline.regression`."""

    false_alarms: Annotated[float, Field(gt=0, lt=0.5)]
    spread: Annotated[float, Field(ge=1)]
    fewer_seeds: list[str]
    seed: Count


class Lstm(Section):
    """LSTM layers without attention, of another number than `model.layers`."""

    kind: Literal["lstm"]
    layers: Positive


class Hbrnn(Section):
    """Hierarchical bidirectional RNN; `hidden` are the units a direction of its four levels."""

    kind: Literal["hbrnn"]
    hidden: Annotated[list[Positive], Field(min_length=4, max_length=4)]


class CoOccurrence(Section):
    """Co-occurrence LSTM; `hidden` are the units a direction of its three layers, `groups` share joints by the penalty."""

    kind: Literal["co-occurrence"]
    hidden: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    groups: Positive
    sparse: Weight
    group_sparse: Weight


class PLstm(Section):
    """Part-aware LSTM; `hidden` units a layer, one share for each of the five parts of the body."""

    kind: Literal["p-lstm"]
    hidden: Annotated[int, Field(ge=5, multiple_of=5)]


class WindowSvm(Section):
    """Linear support vector machine on windows of `width` frames: on positions (`raw`) or on distances (`joint`)."""

    kind: Literal["window-svm"]
    features: Literal["raw", "joint"]
    width: Positive
    cost: Annotated[float, Field(gt=0)]


class Method(Section):
    """What a method of the grid switches on; `network` is an earlier method's in place of the main LSTM."""

    spatial: bool
    temporal: bool
    staged: bool
    regularised: bool
    network: Annotated[Lstm | Hbrnn | CoOccurrence | PLstm | WindowSvm, Field(discriminator="kind")] | None = None


class Cell(Section):
    """One (protocol, recipe, method) of the grid: DVC's unit of work.

    `seeds` is a key of the section `seeds`. `switch_of` names the cell that this one differs from in one thing; the report
    shows such a cell beside that one alone.
    """

    dataset: str
    store: str
    protocol: str
    method: str
    recipe: str
    seeds: str
    switch_of: str = ""


class Use(Section):
    """What runs: data sets, and the cells of the grid that belong to them."""

    datasets: list[str]
    cells: dict[str, Cell]


class Params(Section):
    """The whole of `params.yaml`."""

    cells: dict[str, dict[str, Cell]]
    use: Use
    seeds: dict[str, list[int]]
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
    search: Search
    report: Report
    check: Check
