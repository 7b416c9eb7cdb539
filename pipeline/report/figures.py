"""Figures as SVG, the same bytes from the same numbers: training curves, confusion matrix. Matplotlib is imported when drawing.

Ink and paper are two colours that occur nowhere else, so that the page can follow the reader's light or dark scheme.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.report import text
from pipeline.report.analysis import MAIN, ROLES, ProtocolAnalysis, role
from pipeline.report.results import CellResult
from pipeline.results.statistics import confusion
from pipeline.results.summaries import learning_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

INK, PAPER, FAINT, ACCENT, EVIDENCE = "#1b1e23", "#fdfdfe", "#98a1ab", "#0072b2", "#d55e00"
# Okabe and Ito's colours, told apart with any colour vision; one a method, in a fixed order.
COLOURS = ("#7f7f7f", "#e69f00", "#009e73", "#0072b2", "#cc79a7", "#d55e00", "#56b4e9", "#8c6d31")
STYLE: Any = {
    "svg.hashsalt": "sta-lstm",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}
NUMBERED = 20  # beyond so many classes the matrix has no numbers in its cells
FEW = 6  # methods whose names stand in two columns below their curves
PHONE = 4.5  # inches: a figure of this width keeps its text readable on a phone, and two stand side by side on a desk


@dataclass(frozen=True)
class Figure:
    """A drawn figure: file name without ending, caption, a description for those who cannot see it, and the SVG.

    A `dense` one cannot be read when it is made smaller: a narrow page scrolls it instead.
    """

    key: str
    caption: str
    alt: str
    svg: str
    dense: bool = False

    def inline(self) -> str:
        """The SVG for a page: no declarations, ink in the colour of the text, paper transparent, described by `alt`."""
        body = self.svg[self.svg.index("<svg") :].replace(INK, "currentColor").replace(PAPER, "none")
        # the parser of HTML knows SVG by its name, so the page needs no address of a namespace
        for name in ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"):
            body = body.replace(f' xmlns:xlink="{name}"', "").replace(f' xmlns="{name}"', "")
        kind = ' class="dense"' if self.dense else ""
        return body.replace("<svg", f'<svg role="img" aria-label="{_quoted(self.alt)}"{kind}', 1)


def _quoted(value: str) -> str:
    return value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def canvas(width: float, height: float) -> Canvas:
    """An empty figure of this size in inches, without matplotlib's global state."""
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    return Canvas(figsize=(width, height), layout="constrained")


def style() -> Any:
    """The context in which figures are drawn and saved."""
    import matplotlib as mpl  # noqa: PLC0415

    return mpl.rc_context(STYLE)


def to_svg(drawn: Canvas) -> str:
    """The figure as SVG without date or maker."""
    out = io.StringIO()
    drawn.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def write(figure: Figure, folder: Path) -> None:
    """Write `<key>.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{figure.key}.svg").write_text(figure.svg)


def colour(method: str, methods: list[str]) -> str:
    """The colour of a method: that of its place among the known ones, else the next free one."""
    known = list(ROLES.values())
    order = known + [m for m in methods if m not in known]
    return COLOURS[order.index(method) % len(COLOURS)]


def curves(analysis: ProtocolAnalysis, recipe: str) -> Figure:
    """Loss, and training and validation accuracy, by epoch: mean over networks, band from least to greatest.

    Of a recipe's own methods those that every report asks for and those without a role; more lines could not be told apart.
    """
    cells = {n: cell for n, cell in analysis.own(recipe).items() if role(cell.switches) in (*MAIN, None)}
    cells = cells or analysis.own(recipe)
    methods, shown = [cell.method for cell in cells.values()], analysis.result.cells[analysis.pictured(recipe)]
    with style():
        lines, columns = (len(cells), 1) if len(cells) > FEW else (FEW // 2, 2)  # the more methods, the longer their names
        drawn = canvas(PHONE, 4.3 + 0.2 * lines)
        left, right = drawn.subplots(2, 1)
        for cell in cells.values():
            _curve(left, right, learning_curves(cell.history), cell.method, colour(cell.method, methods))
        starts = _phase_starts(shown.history)
        for axes, title in ((left, "Loss"), (right, "Accuracy (%): training, dashed: validation")):
            axes.set_title(title)
            axes.set_xlabel("Epochs, over all phases")
            for step in list(starts.values())[1:]:
                axes.axvline(step, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)))
        left.set_yscale("log" if _over_a_decade(cells) else "linear")
        right.set_ylim(0, 102)
        drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=columns)
        svg = to_svg(drawn)
    place = analysis.place(recipe)
    caption = (
        f"{place}: training curves, mean over folds and seeds; band: least to greatest."
        f" Dotted: where the phases of {text.label(shown.method)} begin ({', '.join(starts)})."
    )
    ends = [f"{text.label(c.method)} ends at loss {text.number(analysis.training[n]['loss'], 3)}" for n, c in cells.items()]
    key = f"curves-{analysis.name}{analysis.suffix(recipe)}"
    return Figure(key, caption, f"Training curves on {place}: {'; '.join(ends)}.", svg)


def _curve(left: Axes, right: Axes, table: pd.DataFrame, method: str, hue: str) -> None:
    steps = table["step"].to_numpy()
    left.plot(steps, table["loss"], color=hue, label=text.label(method))
    left.fill_between(steps, table["loss_low"], table["loss_high"], color=hue, alpha=0.15, linewidth=0)
    right.plot(steps, 100 * table["train_accuracy"], color=hue)
    right.fill_between(
        steps, 100 * table["train_accuracy_low"], 100 * table["train_accuracy_high"], color=hue, alpha=0.15, linewidth=0
    )
    if table["validation_accuracy"].notna().any():
        right.plot(steps, 100 * table["validation_accuracy"], color=hue, linestyle=(0, (4, 2)), linewidth=1)


def _phase_starts(history: pd.DataFrame) -> dict[str, float]:
    return {str(phase): float(step) for phase, step in history.groupby("phase", sort=False)["step"].min().sort_values().items()}


def _over_a_decade(cells: Mapping[str, CellResult]) -> bool:
    """Whether all losses are positive and so far apart that only a logarithmic axis shows them."""
    losses = np.concatenate([cell.history["loss"].to_numpy(np.float64) for cell in cells.values()])
    return bool(np.isfinite(losses).all() and losses.min() > 0 and losses.max() > 10 * losses.min())


def confusion_matrix(analysis: ProtocolAnalysis) -> Figure:
    """Rows: true classes, in per cent of the row; numbers in the cells where there are few classes.

    A class that is neither tested nor predicted (a data set may have a part of its format's classes) has no row and column.
    """
    names = analysis.result.store.meta.actions
    counts = confusion(analysis.cell.outcomes, len(names))
    seen = np.flatnonzero(counts.any(axis=0) | counts.any(axis=1))
    actions, counts = [names[i] for i in seen], counts[np.ix_(seen, seen)]
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few = len(actions) <= NUMBERED
    side = max(PHONE, 1.3 + 0.4 * len(actions)) if few else 9.5
    with style():
        drawn = canvas(side, side * 0.92)
        axes = drawn.subplots()
        axes.imshow(percent, cmap="Blues", vmin=0, vmax=100, interpolation="none")
        _label_classes(axes, actions, 8.0 if few else 5.0)
        if few:
            _number_cells(axes, percent)
        svg = to_svg(drawn)
    shown, place = text.label(analysis.cell.method), analysis.place(analysis.cell.recipe)
    caption = f"{place}: confusion matrix of {shown}, per cent of each true class, over folds and seeds."
    diagonal = ", ".join(f"{name} {percent[i, i]:.0f}" for i, name in enumerate(actions))
    return Figure(f"confusion-{analysis.name}", caption, f"{caption} Right answers: {diagonal}.", svg, dense=side > PHONE)


def _label_classes(axes: Axes, actions: list[str], size: float) -> None:
    places = range(len(actions))
    axes.set_xticks(places, actions, rotation=90 if len(actions) > NUMBERED else 40, fontsize=size)
    if len(actions) <= NUMBERED:
        for tick in axes.get_xticklabels():
            tick.set_horizontalalignment("right")
            tick.set_rotation_mode("anchor")
    axes.set_yticks(places, actions, fontsize=size)
    axes.tick_params(length=0)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    axes.spines[:].set_visible(False)


def _number_cells(axes: Axes, percent: Any) -> None:
    for (row, column), value in np.ndenumerate(percent):
        if value > 0:
            # these stand on the colour of the cell, so they do not follow the page's ink
            shade = "#ffffff" if value > 55 else "#10253a"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5, color=shade)


def class_accuracy(analysis: ProtocolAnalysis, rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy of each class with its binomial standard error; an open mark for the LSTM of the same recipe."""
    shown, method = sorted(rows, key=lambda row: float(row["accuracy"])), text.label(analysis.cell.method)
    with style():
        drawn = canvas(PHONE, 0.8 + 0.2 * len(rows))
        axes = drawn.subplots()
        places = np.arange(len(shown))
        values, errors = ([row[key] for row in shown] for key in ("accuracy", "standard_error"))
        axes.errorbar(values, places, xerr=errors, fmt="o", color=ACCENT, markersize=5, linewidth=1, label=method)
        baseline = [
            (row["lstm_accuracy"], place) for row, place in zip(shown, places, strict=True) if row["lstm_accuracy"] is not None
        ]
        if baseline:
            axes.plot(*zip(*baseline, strict=True), "o", color=INK, markersize=5, fillstyle="none", label="LSTM", zorder=3)
        axes.set_yticks(places, [f"{row['action']} ({row['samples']})" for row in shown])
        axes.set_xlim(-2, 102)
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.set_xlabel("Accuracy (%), bar: one standard error")
        axes.grid(axis="x", color=FAINT, alpha=0.3, linewidth=0.6)
        axes.tick_params(axis="y", length=0)
        drawn.legend(loc="outside upper right", ncols=2)
        svg = to_svg(drawn)
    caption = f"{analysis.place(analysis.cell.recipe)}: accuracy by class (test sequences in brackets)."
    listed = ", ".join(f"{row['action']} {text.number(row['accuracy'], 0)}" for row in shown)
    return Figure(f"classes-{analysis.name}", caption, f"{caption} {method}: {listed}.", svg)
