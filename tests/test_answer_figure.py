"""The forest plots of the page over all data sets: their rows, what is filled, and what they say in words."""

from __future__ import annotations

import pytest

from pipeline.answers import figure
from pipeline.answers.figure import Line, forests
from pipeline.report import text
from pipeline.report.figures import canvas
from pipeline.results.statistics import Difference
from tests.conftest import ROOT
from tests.test_answer import known
from tests.test_statistics import RULE

FOUND = {
    "sbu": {"both": known(2, 0.5), "interaction": known(-1, 2)},
    "florence3d": {"both": known(-3, 1)},
    "mean": {"both": known(0.5, 0.5)},
}


def test_a_row_a_place_that_has_the_effect() -> None:
    attention, design = forests(FOUND, "mean", RULE)
    assert (attention.key, design.key) == ("effects-of-attention", "effects-two-by-two")
    told = [drawn.alt.replace(text.MINUS, "-") for drawn in (attention, design)]
    assert told[0].endswith("both attentions: sbu +2.00 [1.00, 3.00], florence3d -3.00 [-5.01, -0.99], mean +0.50 [-0.50, 1.50].")
    assert told[1].endswith("either way. interaction of the two: sbu -1.00 [-5.02, 3.02].")
    assert "in blue, the mean. " in attention.caption and "less than 1 point either way" in attention.caption


def test_nothing_to_draw() -> None:
    assert list(forests({"sbu": {"stages": known(1, 1)}}, "mean", RULE)) == []
    assert [drawn.key for drawn in forests({"sbu": {"spatial": known(1, 1)}}, "mean", RULE)] == ["effects-two-by-two"]


@pytest.mark.parametrize(("found", "filling"), [(known(2, 0.5), "full"), (known(-2, 0.5), "full"), (known(0.5, 0.5), "none")])
def test_filled_where_the_interval_leaves_out_0(found: Difference, filling: str) -> None:
    axes = canvas(3, 3).subplots()
    figure._draw(axes, Line("sbu", 0, found))
    (marker,) = axes.get_lines()
    assert marker.get_fillstyle() == filling and marker.get_xdata()[0] == found.points  # type: ignore[index]


def test_the_page_shows_the_drawn_means() -> None:
    """The means in the text of the first figure are those of the page's table of effects."""
    page = (ROOT / "reports/answers/report.md").read_text()
    assert page.count("](figures/effects-") == 2
    described = next(line for line in page.splitlines() if "](figures/effects-of-attention.svg)" in line)
    rows = [line for line in page.splitlines() if line.startswith("| **RQ1** | **") and "alone" in line]
    assert len(rows) == 2
    for row in rows:
        assert f"mean of the data sets {row.split('**')[9].replace('[', '(').replace(']', ')')}" in described
