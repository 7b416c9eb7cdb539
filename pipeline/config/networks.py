"""The settings of networks of other papers, section `methods.<name>.network`, as types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from pipeline.section import Section, Share

Plain = bool | int | float | str
# Bounds are for typing errors: beyond them nothing would run, or learn; all values of the papers are far below.
Units = Annotated[int, Field(ge=1, le=16_384)]
Layers = Annotated[int, Field(ge=1, le=64)]
Parts = Annotated[int, Field(ge=1, le=10_000)]
Frames = Annotated[int, Field(ge=1, le=100_000)]
Many = Annotated[int, Field(ge=1, le=10_000_000)]
Strength = Annotated[float, Field(ge=0, le=1000)]
Cost = Annotated[float, Field(gt=0, le=1_000_000)]


class Network(Section):
    """Another paper's main network: `kind` is its module in `pipeline/networks/`, the others are the arguments of its network."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Plain | list[int]]

    kind: Annotated[str, Field(pattern="^[a-z][a-z0-9-]*$")]


class DeepLstm(Section):
    """LSTM layers without attention, of another number than `model.layers`."""

    kind: Literal["deep-lstm"]
    layers: Layers


class Hbrnn(Section):
    """Hierarchical bidirectional RNN; `hidden` are the units a direction of its four levels."""

    kind: Literal["hbrnn"]
    hidden: Annotated[list[Units], Field(min_length=4, max_length=4)]


class CoOccurrence(Section):
    """Co-occurrence LSTM; `hidden` are the units a direction of its three layers, `groups` share joints by the penalty."""

    kind: Literal["co-occurrence"]
    hidden: Annotated[list[Units], Field(min_length=3, max_length=3)]
    groups: Parts
    sparse: Strength
    group_sparse: Strength


class PLstm(Section):
    """Part-aware LSTM; `hidden` units a layer, one share for each of the five parts of the body."""

    kind: Literal["p-lstm"]
    hidden: Annotated[int, Field(ge=5, le=16_380, multiple_of=5)]


class StLstm(Section):
    """Spatio-temporal LSTM: `layers` of `hidden` units on `steps` time steps of `frames` frames; `trust` gates or none."""

    kind: Literal["st-lstm"]
    hidden: Units
    layers: Layers
    steps: Frames
    frames: Frames
    trust: bool


class Sgn(Section):
    """Semantics-guided network on `frames` frames; `dropout` is that between its convolutions over time."""

    kind: Literal["sgn"]
    frames: Frames
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Hcn(Section):
    """Hierarchical co-occurrence network on clips of `frames` frames: `channels` of its first layer, `hidden` units of its last.

    `deep` adds a layer to the streams of positions and of movements.
    """

    kind: Literal["hcn"]
    frames: Annotated[int, Field(ge=16, le=100_000, multiple_of=16)]
    channels: Annotated[int, Field(ge=32, le=16_384, multiple_of=32)]
    hidden: Units
    deep: bool


class WindowSvm(Section):
    """Linear support vector machine on windows of `width` frames: on positions (`raw`) or on distances (`joint`)."""

    kind: Literal["window-svm"]
    features: Literal["raw", "joint"]
    width: Frames
    cost: Cost


class LieGroup(Section):
    """Curves of `frames` frames in SE(3), warped to nominal ones found in `rounds` rounds; a pyramid of `levels` levels."""

    kind: Literal["lie-group"]
    frames: Annotated[int, Field(ge=2, le=100_000)]
    rounds: Annotated[int, Field(ge=0, le=10_000)]
    levels: Annotated[int, Field(ge=1, le=16)]
    cost: Cost


class SkeletalQuads(Section):
    """Fisher vectors of `quads` quads of joints a frame, of a mixture of `gaussians` that `samples` quads were seen for."""

    kind: Literal["skeletal-quads"]
    gaussians: Parts
    quads: Many
    samples: Many
    cost: Cost


class DynamicSkeletons(Section):
    """Differences of all pairs of joints in `frames` frames; a Fourier pyramid of `levels` levels."""

    kind: Literal["dynamic-skeletons"]
    frames: Annotated[int, Field(ge=2, le=100_000)]
    levels: Annotated[int, Field(ge=1, le=16)]
    cost: Cost


class Poselets(Section):
    """Words of pairs of body parts: `words` a pair, of `samples` frames; `kept` a class, in a share `support` of its clips."""

    kind: Literal["poselets"]
    features: Literal["raw", "joint"]
    words: Parts
    kept: Parts
    support: Share
    samples: Many
    cost: Cost


class StaticAttention(Section):
    """The main LSTM with learned weights, the same for every clip: of the `joints`, of `bins` parts of the clip (0: none).

    `spatial_penalty` is the weight of the penalty on the weights of joints, as `objective.lambda1`.
    """

    kind: Literal["static-attention"]
    joints: bool
    bins: Annotated[int, Field(ge=0, le=10_000)]
    spatial_penalty: Strength


def _kind(network: Any) -> str:
    kind = network.get("kind") if isinstance(network, dict) else getattr(network, "kind", None)
    return str(kind) if kind in KINDS else "other"


FITTED = ("lie-group", "skeletal-quads", "dynamic-skeletons", "poselets")
"""Networks of `pipeline.networks.fitted`: no gradient step trains them, so no batch, no penalty, no starting weights."""
WITHOUT_GRADIENT = ("window-svm", *FITTED)
"""Kinds that are fitted at once, whatever a recipe says of training."""
KINDS = (
    *("deep-lstm", "hbrnn", "co-occurrence", "p-lstm", "st-lstm", "sgn", "hcn", "static-attention"),
    *WITHOUT_GRADIENT,
)


Known = (
    Annotated[DeepLstm, Tag("deep-lstm")]
    | Annotated[Hbrnn, Tag("hbrnn")]
    | Annotated[CoOccurrence, Tag("co-occurrence")]
    | Annotated[PLstm, Tag("p-lstm")]
    | Annotated[StLstm, Tag("st-lstm")]
    | Annotated[Sgn, Tag("sgn")]
    | Annotated[Hcn, Tag("hcn")]
    | Annotated[StaticAttention, Tag("static-attention")]
    | Annotated[WindowSvm, Tag("window-svm")]
    | Annotated[LieGroup, Tag("lie-group")]
    | Annotated[SkeletalQuads, Tag("skeletal-quads")]
    | Annotated[DynamicSkeletons, Tag("dynamic-skeletons")]
    | Annotated[Poselets, Tag("poselets")]
    | Annotated[Network, Tag("other")]
)

OneOf = Annotated[Known, Discriminator(_kind)]
