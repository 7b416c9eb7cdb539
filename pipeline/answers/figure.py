"""The effects on every data set, and their means, as a forest plot: the answers to RQ1 and RQ2 at a glance."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.report import text
from pipeline.report.figures import ACCENT, FAINT, INK, PHONE, Figure, canvas, style, to_svg
from pipeline.results.effects import EFFECTS
from pipeline.results.statistics import Difference, Rule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Effects = Mapping[str, Mapping[str, Difference]]
GREY = "#6b737d"

# What a figure shows, and of which effects it is: each attention beside the plain LSTM, then the 2 x 2 design.
FIGURES = {
    "effects-of-attention": ("What attention brings the same LSTM", ("both", "spatial-alone", "temporal-alone")),
    "effects-two-by-two": ("The two attentions as a 2 x 2 design", ("spatial", "temporal", "interaction")),
}
CAPTION = (
    "{title}, with {level:g} % intervals: every data set and, in blue, the {mean}; in grey what is in no mean. Filled: the"
    " interval leaves out 0. Band: less than {margin:g} point either way."
)
TITLE = 1.3  # rows that the title of an effect takes
EDGE = -0.46  # left end of titles, where the labels of places begin, in widths of the axes


@dataclass(frozen=True)
class Line:
    """A row of the figure: an effect's title where `found` is None, else an estimate."""

    label: str
    place: float
    found: Difference | None = None
    hue: str = INK


def forests(found: Effects, mean: str, counted: Collection[str], rule: Rule) -> Iterator[Figure]:
    """A figure each of `FIGURES`: place -> effect -> estimate, a row each, with the same axis.

    `mean` is the place that is drawn as the answer, `counted` are those that it is of. Effects that no place has are left out,
    and so is a figure without effects.
    """
    hues = {place: ACCENT if place == mean else INK if place in counted else GREY for place in found}
    drawn = {key: lines for key, (_, names) in FIGURES.items() if (lines := _lines(found, names, hues))}
    ends = [end for lines in drawn.values() for line in lines if line.found for end in (line.found.low, line.found.high)]
    for key, lines in drawn.items():
        caption = CAPTION.format(title=FIGURES[key][0], level=100 * rule.confidence, mean=mean, margin=rule.margin)
        with style():
            svg = to_svg(forest(lines, (min(ends) - 0.5, max(ends) + 0.5), rule))
        yield Figure(key, caption, f"{caption} {_listed(lines)}.", svg)


def forest(lines: Sequence[Line], limits: tuple[float, float], rule: Rule) -> Canvas:
    """The lines drawn from top to bottom, the axis from limit to limit in points."""
    drawn = canvas(PHONE, 0.7 + 0.19 * lines[-1].place)
    axes = drawn.subplots()
    axes.axvspan(-rule.margin, rule.margin, color=FAINT, alpha=0.18, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlim(*limits)
    for line in lines:
        _draw(axes, line)
    _dress(axes, lines)
    return drawn


def _lines(found: Effects, names: Sequence[str], hues: Mapping[str, str]) -> list[Line]:
    lines, place = [], 0.0
    for name in names:
        if not any(name in effects for effects in found.values()):
            continue
        lines.append(Line(EFFECTS[name].title.split(":")[0], place))
        place += TITLE
        for key, effects in found.items():
            if name in effects:
                lines.append(Line(key, place, effects[name], hues[key]))
                place += 1
        place += 0.5
    return lines


def _draw(axes: Axes, line: Line) -> None:
    if line.found is None:
        where = axes.get_yaxis_transform()
        axes.text(EDGE, line.place, line.label, transform=where, fontsize=8, va="center", style="italic")
        return
    one, mean = line.found, line.hue == ACCENT
    axes.hlines(line.place, one.low, one.high, color=line.hue, linewidth=2.2 if mean else 1.2)
    filling = "full" if one.low > 0 or one.high < 0 else "none"
    axes.plot([one.points], [line.place], "D" if mean else "o", color=line.hue, markersize=5.5, fillstyle=filling)


def _dress(axes: Axes, lines: Sequence[Line]) -> None:
    estimates = [line for line in lines if line.found]
    axes.set_yticks([line.place for line in estimates], [line.label for line in estimates], fontsize=8)
    for tick, line in zip(axes.get_yticklabels(), estimates, strict=True):
        tick.set_fontweight("bold" if line.hue == ACCENT else "normal")
        tick.set_color(INK if line.hue == ACCENT else line.hue)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(lines[-1].place + 0.8, -0.8)
    axes.set_xlabel("Difference in accuracy (points)")
    axes.grid(axis="x", color=FAINT, alpha=0.3, linewidth=0.6)


def _listed(lines: Sequence[Line]) -> str:
    parts: list[str] = []
    for line in lines:
        if line.found is None:
            parts.append(f"{line.label}:")
        else:
            parts[-1] += f" {line.label} {text.signed(line.found.points)} {text.interval(line.found.low, line.found.high)},"
    return "; ".join(part.removesuffix(",") for part in parts)
