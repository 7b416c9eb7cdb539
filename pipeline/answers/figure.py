"""The effects on every data set, and their means, as a forest plot: the answers to RQ1 and RQ2 at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.report import text
from pipeline.report.figures import ACCENT, FAINT, INK, PHONE, Figure, canvas, style, to_svg
from pipeline.results.effects import EFFECTS
from pipeline.results.statistics import Difference, Rule

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What a figure shows, and of which effects it is: each attention beside the plain LSTM, then the 2 x 2 design.
FIGURES = {
    "effects-of-attention": ("What attention brings the same LSTM", ("both", "spatial-alone", "temporal-alone")),
    "effects-two-by-two": ("The two attentions as a 2 x 2 design", ("spatial", "temporal", "interaction")),
}
CAPTION = (
    "{title}, with {level:g} % intervals: every data set and, in blue, the {mean}. Filled: the interval leaves out 0."
    " Band: less than {margin:g} point either way."
)
TITLE = 1.3  # rows that the title of an effect takes
EDGE = -0.46  # left end of titles, where the labels of places begin, in widths of the axes


@dataclass(frozen=True)
class Line:
    """A row of the figure: an effect's title where `found` is None, else an estimate."""

    label: str
    place: float
    found: Difference | None = None
    mean: bool = False


def forests(found: Mapping[str, Mapping[str, Difference]], mean: str, rule: Rule) -> Iterator[Figure]:
    """A figure each of `FIGURES`: place -> effect -> estimate, a row each; `mean` is the place that is drawn as the answer.

    Effects that no place has are left out, and so is a figure without effects.
    """
    for key, (title, names) in FIGURES.items():
        if lines := _lines(found, names, mean):
            caption = CAPTION.format(title=title, level=100 * rule.confidence, mean=mean, margin=rule.margin)
            yield Figure(key, caption, f"{caption} {_listed(lines)}.", _forest(lines, rule))


def _forest(lines: Sequence[Line], rule: Rule) -> str:
    with style():
        drawn = canvas(PHONE, 0.7 + 0.19 * lines[-1].place)
        axes = drawn.subplots()
        axes.axvspan(-rule.margin, rule.margin, color=FAINT, alpha=0.18, linewidth=0)
        axes.axvline(0, color=INK, linewidth=0.8)
        for line in lines:
            _draw(axes, line)
        _dress(axes, lines)
        return to_svg(drawn)


def _lines(found: Mapping[str, Mapping[str, Difference]], names: Sequence[str], mean: str) -> list[Line]:
    lines, place = [], 0.0
    for name in names:
        if not any(name in effects for effects in found.values()):
            continue
        lines.append(Line(EFFECTS[name].title.split(":")[0], place))
        place += TITLE
        for key, effects in found.items():
            if name in effects:
                lines.append(Line(key, place, effects[name], key == mean))
                place += 1
        place += 0.5
    return lines


def _draw(axes: Axes, line: Line) -> None:
    if line.found is None:
        axes.text(EDGE, line.place, line.label, transform=axes.get_yaxis_transform(), fontsize=8, va="center", color=ACCENT)
        return
    one, hue = line.found, ACCENT if line.mean else INK
    axes.hlines(line.place, one.low, one.high, color=hue, linewidth=2.2 if line.mean else 1.2)
    filling = "full" if one.low > 0 or one.high < 0 else "none"
    shape = "D" if line.mean else "o"
    axes.plot([one.points], [line.place], shape, color=hue, markersize=5.5, fillstyle=filling)


def _dress(axes: Axes, lines: Sequence[Line]) -> None:
    estimates = [line for line in lines if line.found]
    axes.set_yticks([line.place for line in estimates], [line.label for line in estimates], fontsize=8)
    for tick, line in zip(axes.get_yticklabels(), estimates, strict=True):
        tick.set_fontweight("bold" if line.mean else "normal")
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
