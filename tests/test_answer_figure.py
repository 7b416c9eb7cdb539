"""The forest plots of the page over all data sets: their rows, what is filled, and what they say in words."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from pipeline.answers.figure import FIGURES, GREY, Line, forest, forests
from pipeline.answers.words import title
from pipeline.report import text
from pipeline.report.figures import ACCENT, INK
from tests.conftest import ROOT
from tests.test_answer import known
from tests.test_statistics import RULE

FOUND = {
    "sbu": {"both": known(2, 0.5), "interaction": known(-1, 2)},
    "florence3d": {"both": known(-3, 1)},
    "mean": {"both": known(0.5, 0.5)},
}


def test_a_row_a_place_that_has_the_effect() -> None:
    attention, design = forests(FOUND, "mean", {"sbu"}, RULE)
    assert (attention.key, design.key) == ("effects-of-attention", "effects-two-by-two")
    told = [drawn.alt.replace(text.MINUS, "-") for drawn in (attention, design)]
    assert told[0].endswith("both attentions: sbu +2.00 [1.00, 3.00], florence3d -3.00 [-5.01, -0.99], mean +0.50 [-0.50, 1.50].")
    assert told[1].endswith("either way. interaction of the two: sbu -1.00 [-5.02, 3.02].")
    assert "in blue, the mean; " in attention.caption and "less than 1 point either way" in attention.caption
    labels = re.findall(r">([^<>]+)</text>", attention.svg)
    assert [label for label in labels if label[0].isalpha()] == [
        *("Difference in accuracy (points)", "sbu", "florence3d", "mean", "both attentions")
    ]


def test_nothing_to_draw() -> None:
    assert list(forests({"sbu": {"stages": known(1, 1)}}, "mean", {"sbu"}, RULE)) == []
    drawn = forests({"sbu": {"spatial": known(1, 1)}}, "mean", {"sbu"}, RULE)
    assert [one.key for one in drawn] == ["effects-two-by-two"]


def test_intervals_and_points_stand_where_they_belong() -> None:
    """Of each line its interval, point, colour, and filled where the interval leaves out 0."""
    lines = [
        Line("both attentions", 0),
        Line("sbu", 1.3, known(2, 0.5)),
        Line("florence3d", 2.3, known(-2, 0.5), GREY),
        Line("mean", 3.3, known(0.5, 0.5), ACCENT),
    ]
    (axes,) = forest(lines, (-4.0, 4.0), RULE).get_axes()
    assert axes.get_xlim() == (-4.0, 4.0) and [label.get_text() for label in axes.get_yticklabels()] == [
        "sbu",
        "florence3d",
        "mean",
    ]
    spans = [collection.get_segments()[0] for collection in axes.collections if isinstance(collection, LineCollection)]
    assert np.array(spans) == pytest.approx(
        np.array([[(line.found.low, line.place), (line.found.high, line.place)] for line in lines if line.found])
    )
    markers = [line for line in axes.get_lines() if line.get_marker() in ("o", "D")]
    found = [(*line.get_xydata()[0], line.get_marker(), line.get_fillstyle(), line.get_color()) for line in markers]  # type: ignore[index]
    assert found == [(2, 1.3, "o", "full", INK), (-2, 2.3, "o", "full", GREY), (0.5, 3.3, "D", "none", ACCENT)]


def test_both_figures_have_the_same_axis() -> None:
    ticks = [re.findall(r">(\S?[\d.]+)</text>", drawn.svg) for drawn in forests(FOUND, "mean", {"sbu"}, RULE)]
    assert ticks[0] == ticks[1] and len(ticks[0]) > 2


def test_the_page_shows_the_drawn_means() -> None:
    """The means in the words of both figures are those of the table of effects."""
    page = (ROOT / "reports/answers/report.md").read_text()
    rows = (
        pd.read_csv(ROOT / "reports/answers/tables/effects.csv").query("protocol == 'mean of the data sets'").set_index("effect")
    )
    for key, (_, names) in FIGURES.items():
        (described,) = [line for line in page.splitlines() if f"](figures/{key}.svg)" in line]
        for name in names:
            row = rows.loc[title(name)]
            told = text.estimate(row.to_dict()).replace("[", "(").replace("]", ")")
            assert f"mean of the data sets {told}" in described.split(f"{title(name).split(':')[0]}: ")[1].split(";")[0]
