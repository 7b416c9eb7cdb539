"""The demo and the gate fit together: a baseline that notices a fall by 5 points, and a cell that has its accuracy today.

So `make test`, and with it `.ci/run`, runs the gate on one cell; `make repro` and `make check` run it on all.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import demo_runs, gate
from pipeline.commands import baseline
from pipeline.config import params as parameters
from pipeline.results import regression
from pipeline.results.regression import Pair
from pipeline.results.statistics import Outcomes, outcomes, run_accuracies
from tests.conftest import ROOT
from tests.test_statistics import made, shares

CONFIG = parameters.load(ROOT / "params.yaml")
GUARDED = CONFIG.check.guarded
CELL = "demo-ntu-cs-sta-lstm"  # the cheapest one with all attention and a single network


@pytest.fixture(scope="module")
def committed() -> dict[str, Outcomes]:
    """The baseline of the demo by cell."""
    table = pd.read_csv(ROOT / baseline.file_of("demo"))
    return {str(name): outcomes(rows[baseline.COLUMNS]) for name, rows in table.groupby("cell")}


def test_guarded_cells_are_cells_of_the_grid() -> None:
    for dataset, names in GUARDED.items():
        assert names and {CONFIG.every[name].dataset for name in names} == {dataset}


@pytest.mark.parametrize("name", GUARDED["demo"])
def test_guarded_cell_of_the_demo_notices_a_fall_by_5_points(committed: dict[str, Outcomes], name: str) -> None:
    before = committed[name]
    runs = run_accuracies(before)
    assert len(runs) >= 12 and 85 <= runs.mean() <= 97 and runs.std(ddof=1) <= 1.5
    now = CONFIG.params.seeds[CONFIG.every[name].seeds]
    after = gate.some(before, range(len(now)))
    assert set(now) <= set(before.seeds)
    smallest = regression.smallest(Pair(before, after), len(GUARDED["demo"]), CONFIG.check)
    assert CONFIG.check.power == 0.95 and smallest is not None and smallest <= 5


def test_a_cell_trained_now_has_the_accuracy_of_the_baseline(committed: dict[str, Outcomes], tmp_path: Path) -> None:
    demo_runs.make(tmp_path, demo_runs.document({}))
    now = outcomes(demo_runs.predictions(tmp_path, CELL, 1))
    pair = Pair(committed[CELL], now)
    assert pair.paired and np.array_equal(pair.before.labels, now.labels)
    change = regression.judge(pair, len(GUARDED["demo"]), CONFIG.check)
    assert pair.identical or not change.alarm, change


# The benchmark's own parts


def test_fallen_runs_have_that_many_fewer_right_answers_in_the_mean() -> None:
    whole = made([np.roll(shares(200, 180 + step), step) for step in range(-6, 7)])
    rng = np.random.default_rng(1)
    falls = [run_accuracies(whole) - run_accuracies(gate.fallen(whole, rng, whole, 5.0)) for _ in range(200)]
    assert np.mean(falls) == pytest.approx(5.0, abs=0.1)
    assert np.std(falls) > 1.0  # they differ from run to run


def test_capped_probabilities_add_up() -> None:
    np.testing.assert_allclose(gate.capped(np.array([1.0, 1.0, 2.0, 0.0]), 2.0), [0.5, 0.5, 1.0, 0.0])
    np.testing.assert_allclose(gate.capped(np.array([1.0, 1.0, 8.0, 0.0]), 2.0), [0.5, 0.5, 1.0, 0.0])
    np.testing.assert_allclose(gate.capped(np.ones(4), 9.0), np.ones(4))
