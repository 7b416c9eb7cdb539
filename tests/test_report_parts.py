"""Tables in their writings, drawings of skeletons, and the words around numbers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # our own drawings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.config import params as parameters
from pipeline.config.sections import Method
from pipeline.datasets.florence3d import dataset as florence3d
from pipeline.datasets.shared import kinect
from pipeline.report import attention, details, figures, latex, markup, results, tables, text
from pipeline.report.analysis import ROLES, analyse, role
from pipeline.report.tables import Column, Table, field
from pipeline.results.statistics import Accuracy
from tests.report_project import EARLIER, META, ROOT, Project

SMALL = Table(
    "small",
    "A | caption <x>",
    (field("name", "Name"), field("share", "Share", 2), Column("Code", lambda row: f"`{row['name']}`")),
    [{"name": "a_b & <c>", "share": -1.234}, {"name": "50 % | x", "share": None}],
    "A note.",
    frozenset({1}),
)


def test_csv_has_raw_values() -> None:
    assert tables.to_csv(SMALL) == "name,share\na_b & <c>,-1.234\n50 % | x,\n"
    empty = replace(SMALL, rows=[], fields=("name", "share"))
    assert tables.to_csv(empty) == "name,share\n"


def test_markdown_escapes_pipes_and_tags() -> None:
    lines = tables.to_markdown(SMALL).splitlines()
    assert lines[2:4] == ["| Name | Share | Code |", "| --- | ---: | --- |"]
    assert lines[4] == "| a_b & &lt;c> | \N{MINUS SIGN}1.23 | `a_b & &lt;c>` |"
    assert lines[5].startswith("| **50 % \\| x** | **\N{EN DASH}** |")


def test_latex_escapes_and_is_a_float() -> None:
    lines = latex.to_float(SMALL).splitlines()
    assert lines[3] == r"\caption{A \textbar{} caption \textless{}x\textgreater{}}\label{tab:small}"
    code = r"a\_\allowbreak{}b \& \textless{}c\textgreater{}"
    assert lines[8] == rf"{code} & $-$1.23 & \texttt{{{code}}} \\"
    assert lines[9].startswith(r"\textbf{50 \% \textbar{} x} & \textbf{--} &")
    assert lines[-1] == r"\end{table}" and "A note." in lines[-2]
    bracket = Table("t", "", (Column("Interval", lambda row: text.interval(row["low"], 2)),), [{"low": 1}])
    assert r"{[1.00, 2.00]} \\" in latex.to_long(bracket)  # else LaTeX takes it for the break's optional length


def test_html_escapes_and_marks_numbers() -> None:
    page = markup.to_html(SMALL)
    assert '<th scope="row">a_b &amp; &lt;c&gt;</th>' in page and "<code>a_b &amp; &lt;c&gt;</code>" in page
    assert f'<td class="number">{text.MINUS}1.23</td>' in page and '<tr class="strong">' in page
    assert "none. A note." in markup.to_html(replace(SMALL, rows=[]))


def test_numbers_for_people() -> None:
    assert text.signed(-0.5) == f"{text.MINUS}0.50" and text.signed(0.5) == "+0.50"
    assert text.number(float("nan")) == text.number(None) == text.MISSING
    assert text.p_value(0.0004) == "< 0.001" and text.p_value(0.0126) == "0.013"
    one = Accuracy(91.5, None, 88, 94, 1, 282, 1.7)
    assert text.accuracy(one) == "91.50 (1 run)" and text.accuracy(replace(one, sd=0.8, runs=3)) == "91.50 ± 0.80 (3 runs)"
    assert text.accuracy(None) == "not run"
    assert [text.joined(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_roles_follow_the_switches_of_params_yaml() -> None:
    methods = parameters.load(ROOT / "params.yaml").params.methods
    assert {name: role(methods[method]) for name, method in ROLES.items()} == {name: name for name in ROLES}
    assert role(Method(spatial=True, temporal=False, staged=False, regularised=False)) is None
    assert sorted(ROLES.values()) == sorted(name for name, method in methods.items() if method.network is None)
    assert [role(methods[name]) for name in EARLIER] == [None] * len(EARLIER)
    assert [text.label(m) for m in ("lstm-noreg", "ta-lstm-scratch", "gru-noreg")] == [
        "LSTM without regularisers",
        "TA-LSTM without staged training",
        "gru-noreg",
    ]


@pytest.fixture(scope="module")
def paper() -> pd.DataFrame:
    return pd.read_csv(ROOT / "reports" / "paper.csv", keep_default_na=False)


def test_papers_numbers_have_sources_and_no_doubles(paper: pd.DataFrame) -> None:
    assert list(paper)[:7] == ["protocol", "method", "row", "year", "reported", "source", "grade"]
    assert paper.groupby("protocol").size().to_dict() == {
        **{"ntu-cs": 8, "ntu-cv": 8, "sbu": 8},
        **{"florence3d": 3, "utkinect": 2, "nw-ucla-xview": 6},
    }
    assert not paper.duplicated(["protocol", "method"]).any() and (paper["source"] != "").all()
    ours = paper[paper["method"] == "sta-lstm"].set_index("protocol")["reported"].to_dict()
    assert ours == {"sbu": 91.51, "ntu-cs": 73.4, "ntu-cv": 81.2}
    assert set(paper["grade"]) == {"summary", "confirmed", "memory"}


SBU = (
    *("head", "neck", "torso", "left shoulder", "left elbow", "left hand", "right shoulder", "right elbow", "right hand"),
    *("left hip", "left knee", "left foot", "right hip", "right knee", "right foot"),
)
NTU = (
    *("base of spine", "middle of spine", "neck", "head"),
    *(f"{side} {part}" for side in ("left", "right") for part in ("shoulder", "elbow", "wrist", "hand")),
    *(f"{side} {part}" for side in ("left", "right") for part in ("hip", "knee", "ankle", "foot")),
    *("spine at the shoulders", "tip of left hand", "left thumb", "tip of right hand", "right thumb"),
)


@pytest.mark.parametrize("joints", [SBU, NTU, kinect.JOINTS, florence3d.JOINTS])
def test_named_joints_stand_as_a_body_does(joints: tuple[str, ...]) -> None:
    points = attention.layout(replace(META, joints=joints, bones=()))
    at = dict(zip(joints, points, strict=True))
    assert len({tuple(p) for p in points}) == len(joints)
    neck, foot = ("neck" if "neck" in joints else "shoulder centre"), ("left foot" if "left foot" in joints else "left ankle")
    assert at["head"][1] > at[neck][1] > at["left hip"][1] > at["left knee"][1] > at[foot][1]
    for name in joints:
        if "left" in name:
            x, y = at[name]
            assert x > 0 and at[name.replace("left", "right")].tolist() == [-x, y]
    assert all(at[name][0] == 0 for name in joints if "left" not in name and "right" not in name)


def test_unknown_joints_are_drawn_as_a_tree_of_bones() -> None:
    points = attention.layout(replace(META, joints=("a", "b", "c", "d"), bones=((1, 0), (2, 0), (3, 2))))
    assert points[0].tolist() == [0.0, 1.8]
    assert points[1, 1] == points[2, 1] == pytest.approx(0.9) and points[3, 1] == 0.0
    assert points[1, 0] < points[2, 0]


def test_bones_that_close_a_ring_do_not_hang() -> None:
    meta = replace(META, joints=("a", "b", "c"), bones=((0, 1), (1, 2), (2, 0)))
    assert attention.layout(meta).shape == (3, 2)


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> results.Results:
    project = Project(tmp_path).prepare().install(monkeypatch)
    project.cell("lstm", lambda _n, place, _s: place > 0)
    project.cell("sa-lstm", lambda _n, _p, _s: True)
    return results.load("toy", parameters.load(), parameters.provenance())


def test_colour_of_a_joint_is_its_weight_against_uniform(loaded: results.Results) -> None:
    picture = attention.alpha_picture(analyse(loaded)[0], "paper")
    assert picture is not None
    root = ET.fromstring(picture.svg)  # noqa: S314
    space = "{http://www.w3.org/2000/svg}"
    first = root.find(f"{space}g")
    assert first is not None
    circles = [c for c in first.iter(f"{space}circle") if c.get("fill") != "none"]
    colours = [str(c.get("fill")) for c in circles]
    assert len(colours) == 8  # four joints of two bodies
    # half of the weight on gate 1, 4 times uniform; the rest on seven others, each 4/7 of it
    assert colours[1] == attention.HIGH == attention.colour_of(4, 2)
    assert set(colours) == {attention.HIGH, attention.colour_of(4 / 7, 2)}
    assert "4 times" in picture.svg and "1/4 of uniform" in picture.svg
    names = [t.text for t in first.iter(f"{space}title")]
    assert names[1] == "left hand, body 1: 4.00 times uniform" and str(names[5]).startswith("left hand, body 2")
    rings = [c for c in first.iter(f"{space}circle") if c.get("fill") == "none"]
    assert len(rings) == 1 and rings[0].get("cx") == circles[1].get("cx")
    assert "up: left hand of body 1, 4.0 times uniform" in picture.alt


def test_colours_end_where_the_weights_do() -> None:
    assert [attention.reach_of(np.array(w)) for w in ([1.0, 1.1], [0.5, 1.2], [0.001, 1.0])] == [0.25, 1.0, 3.0]
    assert attention.colour_of(1, 1) == attention.MID
    assert attention.colour_of(0.25, 1) == attention.colour_of(0.5, 1) == attention.LOW


def test_classes_that_the_data_do_not_have_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = replace(META, actions=(*META.actions, "never", "seen"))
    project = Project(tmp_path, meta=more, tests=3).prepare().install(monkeypatch)  # three sequences: classes 1 to 3
    project.cell("lstm", lambda _n, place, _s: place < 2)  # the third is taken for the fourth
    found = analyse(results.load("toy", parameters.load(), parameters.provenance()))[0]
    assert [row["action"] for row in details.classes(found).rows] == ["up", "down", "aside & back"]
    alt = figures.confusion_matrix(found).alt
    assert "aside & back 0, never 0" in alt and "seen" not in alt


def test_methods_without_temporal_attention_have_no_picture_of_beta(loaded: results.Results) -> None:
    assert attention.beta_picture(analyse(loaded)[0], "paper", 4) is None


def test_inline_figures_follow_the_pages_colours(loaded: results.Results) -> None:
    figure = figures.curves(analyse(loaded)[0], "paper")
    assert figures.INK in figure.svg and figures.PAPER in figure.svg
    inline = figure.inline()
    assert figures.INK not in inline and figures.PAPER not in inline and "currentColor" in inline
    assert inline.startswith('<svg role="img" aria-label="Training curves on toy-sbu: LSTM ends at loss 0.031;')


def test_many_names_stand_one_below_another_under_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path).prepare().install(monkeypatch)
    methods = ["lstm", "sa-lstm", "ta-lstm", "sta-lstm", "sta-lstm-noreg", "sta-lstm-scratch", "static-attention-lstm"]
    for method in methods:
        project.cell(method, lambda _n, _p, _s: True)
    svg = figures.curves(analyse(results.load("toy", parameters.load(), parameters.provenance()))[0], "paper").svg
    names = "|".join(re.escape(text.label(method)) for method in methods)
    found = re.findall(rf"(?:translate|rotate)\([^)]* ([\d.]+)\)\">(?:{names})<", svg)
    assert len(found) == 7 and min(np.diff(sorted(map(float, found)))) > 9


def test_confusion_matrix_tells_its_diagonal(loaded: results.Results) -> None:
    figure = figures.confusion_matrix(analyse(loaded)[0])
    assert "SA-LSTM" in figure.caption and "up 100, down 100, aside & back 100" in figure.alt
