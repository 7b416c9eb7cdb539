"""Pictures of attention: weights of the joints on a schematic skeleton, and beta over the time of a clip.

The skeletons are drawings, not recordings: nothing here could rebuild a person's movements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from pipeline.core.skeletons import Meta
from pipeline.report import text
from pipeline.report.analysis import ProtocolAnalysis
from pipeline.report.figures import EVIDENCE, FAINT, INK, PAPER, PHONE, Figure, canvas, style, to_svg
from pipeline.report.results import StoreResult
from pipeline.results.summaries import mean_alpha, mean_beta

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
    ("hip", (0.0, 0.86)),
    ("spine", (0.0, 1.08)),
)
APART, UNIT = 0.72, 62.0  # half the distance of two people; pixels for 1 of the drawing
PANEL = (200.0, 156.0)  # of a class, pixels
RADIUS, RING, LEGEND = 6.0, 10.0, 44.0  # of a joint, of a ring around it, and the height of the legend, pixels
LOW, MID, HIGH = "#1f6fb4", "#c3c9d0", "#c2500a"  # of joints below, at and above uniform attention; told apart by all eyes
REACHES = (0.25, 0.5, 1.0, 2.0, 3.0)  # where colours may end: this many doublings of uniform attention
MANY = 16  # beyond so many classes the panels are small


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


def alpha_picture(analysis: ProtocolAnalysis, recipe: str) -> Figure | None:
    """Mean alpha of the shown method on two schematic people, a panel a class; None where it has no spatial attention."""
    store = analysis.result.store
    gates = store.meta.bodies * len(store.meta.joints)
    weights = mean_alpha(analysis.result.cells[analysis.pictured(recipe)].alpha, gates)
    if not weights:
        return None
    columns, scale = (2, 1.0) if len(weights) <= MANY else (8, 0.55)
    columns = min(columns, len(weights))
    reach = reach_of(np.concatenate(list(weights.values())) * gates)
    parts = []
    for place, (label, weight) in enumerate(weights.items()):
        x, y = (place % columns + 0.5) * PANEL[0], place // columns * PANEL[1]
        inside = _panel(store, weight * gates, store.meta.actions[label], reach, titles=len(weights) <= MANY)
        parts.append(f'<g transform="translate({x:g} {y:g})">\n{inside}\n</g>')
    width, height = columns * PANEL[0], math.ceil(len(weights) / columns) * PANEL[1] + LEGEND
    parts.append(f'<g transform="translate({width / 2:g} {height - LEGEND:g})">\n{_legend(reach)}\n</g>')
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * scale:g}" height="{height * scale:g}"'
        f' viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="{12 / scale**0.5:.1f}">\n'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
    key = f"alpha-{analysis.name}{analysis.suffix(recipe)}"
    alt = _alpha_alt(analysis, recipe, weights, gates)
    return Figure(key, _alpha_caption(analysis, recipe, gates), alt, svg, dense=len(weights) > MANY)


def reach_of(relative: Points) -> float:
    """Where colours end, in doublings of uniform attention: the least of `REACHES` that holds all weights, or the last."""
    strongest = float(np.abs(np.log2(np.maximum(relative, 1e-6))).max())
    return next((reach for reach in REACHES if reach >= strongest - 1e-6), REACHES[-1])


def colour_of(relative: float, reach: float) -> str:
    """The colour of a weight: from `MID` at uniform attention to `LOW` or `HIGH` at `reach` doublings and beyond."""
    strength = max(-reach, min(reach, math.log2(max(relative, 1e-6)))) / reach
    ends = [[int(end[i : i + 2], 16) for i in (1, 3, 5)] for end in (MID, LOW if strength < 0 else HIGH)]
    return "#" + "".join(f"{round(start + (end - start) * abs(strength)):02x}" for start, end in zip(*ends, strict=True))


def _legend(reach: float) -> str:
    """A ramp of colours around x = 0 with its ends and its middle named."""
    steps, width = 24, 10
    left = -steps * width / 2
    found = [2 ** (reach * (2 * (i + 0.5) / steps - 1)) for i in range(steps)]
    lines = [
        f'<rect x="{left + i * width:g}" y="6" width="{width}" height="9" fill="{colour_of(relative, reach)}"/>'
        for i, relative in enumerate(found)
    ]
    end = f"{2**reach:.2g}"
    texts = ((left, "start", f"1/{end} of uniform"), (0, "middle", "uniform"), (-left, "end", f"{end} times"))
    lines += [f'<text x="{x:g}" y="31" text-anchor="{anchor}" fill="{INK}">{words}</text>' for x, anchor, words in texts]
    return "\n".join(lines)


def _panel(store: StoreResult, relative: Points, title: str, reach: float, titles: bool) -> str:
    """The bodies of one class, around x = 0; `relative` is the weight of each gate, 1 for a uniform one."""
    meta = store.meta
    body = layout(meta)
    shifts = [np.array([(2 * b - meta.bodies + 1) * APART, 0]) for b in range(meta.bodies)]
    points = np.concatenate([(body + shift) * [UNIT, -UNIT] + [0, PANEL[1] - 0.2 * UNIT] for shift in shifts])
    bones = [(b * len(body) + np.array(bone)) for b in range(meta.bodies) for bone in meta.bones]
    path = "".join(f"M{points[a, 0]:.1f} {points[a, 1]:.1f}L{points[c, 0]:.1f} {points[c, 1]:.1f}" for a, c in bones)
    lines = [f'<text y="16" text-anchor="middle" fill="{INK}">{escape(title)}</text>']
    lines.append(f'<path d="{path}" stroke="{FAINT}" stroke-width="1.5" stroke-linecap="round" fill="none"/>')
    lines.append("<g>")
    for gate, (x, y) in enumerate(points):
        name = f"{meta.joints[gate % len(body)]}, body {gate // len(body) + 1}: {relative[gate]:.2f} times uniform"
        inner = f"><title>{escape(name)}</title></circle>" if titles else "/>"
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS:g}" fill="{colour_of(relative[gate], reach)}"{inner}')
    lines.append("</g>")
    for x, y in points[list(store.evidence.gates)] if store.evidence else ():
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RING:g}" fill="none" stroke="{INK}" stroke-width="1.5"/>')
    return "\n".join(lines)


def _pictured(analysis: ProtocolAnalysis, recipe: str) -> str:
    return text.label(analysis.result.cells[analysis.pictured(recipe)].method)


def _alpha_caption(analysis: ProtocolAnalysis, recipe: str, gates: int) -> str:
    planted = " Rings: the joints on which the generator planted the evidence." if analysis.result.store.evidence else ""
    return (
        f"{analysis.place(recipe)}: mean spatial attention of {_pictured(analysis, recipe)} by class."
        f" The colour of a joint is its weight relative to uniform attention, which gives each of the {gates} joints 1/{gates}."
        f" Schematic people, facing the reader: their left is on the right; first body on the left.{planted}"
    )


def _alpha_alt(analysis: ProtocolAnalysis, recipe: str, weights: dict[int, Points], gates: int) -> str:
    meta = analysis.result.store.meta
    tops = []
    for label, weight in weights.items():
        gate = int(weight.argmax())
        body, joint = divmod(gate, len(meta.joints))
        tops.append(f"{meta.actions[label]}: {meta.joints[joint]} of body {body + 1}, {weight[gate] * gates:.1f} times uniform")
    return f"Most attended joint by class on {analysis.place(recipe)}. {'; '.join(tops)}."


def beta_picture(analysis: ProtocolAnalysis, recipe: str, bins: int) -> Figure | None:
    """Mean beta of the shown method over the time of a clip, relative to its mean, a row a class; None without any."""
    store, found = analysis.result.store, mean_beta(analysis.result.cells[analysis.pictured(recipe)].beta, bins)
    if not found:
        return None
    table = np.array([row / mean if (mean := np.nanmean(row)) > 0 else row for row in found.values()])
    actions = [store.meta.actions[label] for label in found]
    few = len(actions) <= MANY
    with style():
        drawn = canvas(PHONE, 1.0 + (0.24 if few else 0.14) * len(actions))
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
        bar = drawn.colorbar(image, ax=axes, pad=0.02, fraction=0.04, aspect=25)
        bar.set_label("\N{GREEK SMALL LETTER BETA} / its mean", color=INK)
        bar.outline.set_visible(False)
        svg = to_svg(drawn)
    planted = " Dashed: the part of the clip in which the generator planted the evidence." if store.evidence else ""
    method = _pictured(analysis, recipe)
    caption = f"{analysis.place(recipe)}: mean temporal attention of {method} by class; 1 is the clip's mean.{planted}"
    peaks = ", ".join(f"{name} {(int(np.nanargmax(row)) + 0.5) / bins:.2f}" for name, row in zip(actions, table, strict=True))
    return Figure(f"beta-{analysis.name}{analysis.suffix(recipe)}", caption, f"{caption} Time of the peak: {peaks}.", svg)
