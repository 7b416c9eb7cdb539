"""Pictures of attention: weights of the joints on a schematic skeleton, and beta over the time of a clip.

The skeletons are drawings, not recordings: nothing here could rebuild a person's movements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.report import text
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.figures import ACCENT, EVIDENCE, FAINT, INK, Figure, canvas, style, to_svg
from pipeline.report.results import StoreResult
from pipeline.skeletons import Meta
from pipeline.summaries import mean_alpha, mean_beta

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = npt.NDArray[np.float64]
# Where the parts of a standing body are drawn: x to the left of the body's middle, y from 0 (feet) to about 1.8 (head).
# A joint is recognised by the words of its name; the first line whose words are all in it wins.
SIDE = (
    ("tip", (0.62, 0.62)),
    ("thumb", (0.42, 0.72)),
    ("wrist", (0.52, 0.90)),
    ("hand", (0.57, 0.76)),
    ("elbow", (0.43, 1.14)),
    ("shoulder", (0.27, 1.40)),
    ("hip", (0.15, 0.82)),
    ("knee", (0.19, 0.45)),
    ("ankle", (0.21, 0.12)),
    ("foot", (0.27, 0.02)),
)
MIDDLE = (
    ("head", (0.0, 1.76)),
    ("neck", (0.0, 1.55)),
    ("shoulder", (0.0, 1.38)),
    ("mid", (0.0, 1.12)),
    ("torso", (0.0, 1.08)),
    ("base", (0.0, 0.86)),
)
APART, WIDTH, HEIGHT = 0.72, 3.1, 2.5  # half the distance of two people; a panel
UNIFORM_AREA, LARGEST_AREA = 12.0, 420.0  # of a joint's circle, in square points


def layout(meta: Meta) -> Points:
    """Where the joints of one body are drawn, float64 `[J, 2]`; the body faces the reader, so its left is on the right.

    Joints whose names are not known, or that would fall on each other, make the skeleton a plain tree of its bones.
    """
    places = [_place(name) for name in meta.joints]
    known = [place for place in places if place is not None]
    if len(set(known)) == len(meta.joints):
        return np.array(known)
    return _tree(len(meta.joints), meta.bones)


def _place(name: str) -> tuple[float, float] | None:
    words = name.lower().replace("_", " ")
    side = 1 if "left" in words else -1 if "right" in words else 0
    for word, (x, y) in SIDE if side else MIDDLE:
        if word in words:
            return (side * x if side else x, y)
    return None


def _tree(joints: int, bones: Sequence[tuple[int, int]]) -> Points:
    """Each joint one level below its parent, the joints of a level side by side."""
    parent = dict(bones)
    level = [_depth(joint, parent) for joint in range(joints)]
    points = np.zeros((joints, 2))
    for depth in set(level):
        members = [joint for joint in range(joints) if level[joint] == depth]
        points[members, 0] = np.linspace(-0.5, 0.5, len(members) + 2)[1:-1]
        points[members, 1] = 1.8 * (1 - depth / max([1, *level]))
    return points


def _depth(joint: int, parent: dict[int, int]) -> int:
    seen: list[int] = []
    while joint in parent and joint not in seen:
        seen.append(joint)
        joint = parent[joint]
    return len(seen)


def alpha_picture(analysis: ProtocolAnalysis) -> Figure | None:
    """Mean alpha of the shown method on two schematic people, a panel a class; None where it has no spatial attention."""
    store = analysis.result.store
    gates = store.meta.bodies * len(store.meta.joints)
    weights = mean_alpha(analysis.cell.alpha, gates)
    if not weights:
        return None
    columns = min(len(weights), 4 if len(weights) <= 16 else 8)
    lines = math.ceil(len(weights) / columns)
    with style():
        drawn = canvas(min(9.5, 1.9 * columns), lines * (1.55 if columns <= 4 else 1.0))
        axes = drawn.subplots()
        for place, (label, weight) in enumerate(weights.items()):
            origin = np.array([(place % columns) * WIDTH, -(place // columns) * HEIGHT], np.float64)
            _panel(axes, store, weight * gates, origin, 1.0 if columns <= 4 else 0.4)
            axes.text(origin[0], origin[1] + 2.05, store.meta.actions[label], ha="center", fontsize=8 if columns <= 4 else 6)
        axes.set_xlim(-WIDTH / 2, (columns - 0.5) * WIDTH)
        axes.set_ylim(-(lines - 1) * HEIGHT - 0.2, 2.35)
        axes.set_aspect("equal")
        axes.axis("off")
        svg = to_svg(drawn)
    return Figure(f"alpha-{analysis.name}", _alpha_caption(analysis, gates), _alpha_alt(analysis, weights, gates), svg)


def _panel(axes: Axes, store: StoreResult, relative: Points, origin: Points, scale: float) -> None:
    """Draw the bodies of one class; `relative` is the weight of each gate, 1 for a uniform one."""
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    body, bodies = layout(store.meta), store.meta.bodies
    shifts = [origin + np.array([(2 * b - bodies + 1) * APART, 0]) for b in range(bodies)]
    places = np.concatenate([body + shift for shift in shifts])
    bones = [(body[a] + shift, body[b] + shift) for shift in shifts for a, b in store.meta.bones]
    axes.add_collection(LineCollection(bones, colors=FAINT, linewidths=1.1 * scale**0.5, zorder=1))
    area = np.minimum(UNIFORM_AREA * relative, LARGEST_AREA) * scale
    axes.scatter(places[:, 0], places[:, 1], s=area, color=ACCENT, alpha=0.75, linewidths=0, zorder=2)
    if store.evidence:
        planted = places[list(store.evidence.gates)]
        axes.scatter(
            planted[:, 0], planted[:, 1], s=150 * scale, facecolors="none", edgecolors=EVIDENCE, linewidths=1.2, zorder=3
        )


def _alpha_caption(analysis: ProtocolAnalysis, gates: int) -> str:
    planted = " Rings: the joints on which the generator planted the evidence." if analysis.result.store.evidence else ""
    return (
        f"{analysis.name}: mean spatial attention of {text.label(analysis.shown)} by class. The area of a joint is proportional"
        f" to its weight; uniform attention gives each of the {gates} joints 1/{gates}. Schematic people, facing the reader:"
        f" their left is on the right; first body on the left.{planted}"
    )


def _alpha_alt(analysis: ProtocolAnalysis, weights: dict[int, Points], gates: int) -> str:
    meta = analysis.result.store.meta
    tops = []
    for label, weight in weights.items():
        gate = int(weight.argmax())
        body, joint = divmod(gate, len(meta.joints))
        tops.append(f"{meta.actions[label]}: {meta.joints[joint]} of body {body + 1}, {weight[gate] * gates:.1f} times uniform")
    return f"Most attended joint by class on {analysis.name}. {'; '.join(tops)}."


def beta_picture(analysis: ProtocolAnalysis, bins: int) -> Figure | None:
    """Mean beta of the shown method over the time of a clip, relative to its mean, a row a class; None without any."""
    store, found = analysis.result.store, mean_beta(analysis.cell.beta, bins)
    if not found:
        return None
    table = np.array([row / mean if (mean := np.nanmean(row)) > 0 else row for row in found.values()])
    actions = [store.meta.actions[label] for label in found]
    few = len(actions) <= 20
    with style():
        drawn = canvas(6.4, 1.0 + (0.24 if few else 0.14) * len(actions))
        axes = drawn.subplots()
        top = max(2.0, float(np.nanmax(table)))
        image = axes.imshow(
            table, aspect="auto", cmap="Blues", vmin=0, vmax=top, extent=(0, 1, len(actions), 0), interpolation="none"
        )
        axes.set_yticks(np.arange(len(actions)) + 0.5, actions, fontsize=8 if few else 5)
        axes.tick_params(axis="y", length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("Time, as a part of the clip")
        for edge in store.evidence.window if store.evidence else ():
            axes.axvline(edge, color=EVIDENCE, linestyle="--", linewidth=1.2)
        bar = drawn.colorbar(image, ax=axes, pad=0.02)
        bar.set_label("\N{GREEK SMALL LETTER BETA} / its mean", color=INK)
        bar.outline.set_visible(False)
        svg = to_svg(drawn)
    planted = " Dashed: the part of the clip in which the generator planted the evidence." if store.evidence else ""
    caption = f"{analysis.name}: mean temporal attention of {text.label(analysis.shown)} by class; 1 is the clip's mean.{planted}"
    peaks = ", ".join(f"{name} {(int(np.nanargmax(row)) + 0.5) / bins:.2f}" for name, row in zip(actions, table, strict=True))
    return Figure(f"beta-{analysis.name}", caption, f"{caption} Time of the peak: {peaks}.", svg)
