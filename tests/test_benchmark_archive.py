"""The synthetic archive of `benchmarks.ntu_archive`: official names, evenly spread, the same bytes twice, a class to learn."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ntu_archive as synthetic
from pipeline.config import params
from pipeline.datasets.ntu import bodies as ntu_bodies
from pipeline.datasets.ntu import dataset as ntu
from pipeline.datasets.ntu import reader as ntu_reader
from tests.conftest import ROOT
from tests.skeleton_text import all_names


@pytest.fixture
def recipe() -> synthetic.Recipe:
    section = params.load(ROOT / "params.yaml").params.download.demo
    return synthetic.Recipe(section.model_copy(update={"faint_share": 0.0}), 0)


@pytest.mark.parametrize(("clips", "classes"), [(3000, 20), (1000, 60), (7, 2)])
def test_a_part_is_spread_evenly(clips: int, classes: int) -> None:
    names = synthetic.part(clips, classes)
    assert (len(names), len(set(names)), names) == (clips, clips, sorted(names))
    assert set(names) <= set(all_names()) - ntu.NTU.listed_missing()
    for start, most, slack in ((4, 3, 0), (8, 40, 5), (16, classes, 2)):
        counts = Counter(name[start : start + 4] for name in names)
        assert len(counts) == min(most, -(-clips // (1 if start == 4 else 3)))
        assert max(counts.values()) - min(counts.values()) <= 1 + 3 * slack


def test_the_same_bytes_twice_and_others_with_another_seed(tmp_path: Path, recipe: synthetic.Recipe) -> None:
    names, short = synthetic.part(6, 3), synthetic.Recipe(recipe.section, 5)
    other = synthetic.Recipe(recipe.section.model_copy(update={"seed": 8}), 5)
    for file, made in (("a", short), ("b", short), ("c", other)):
        synthetic.write(tmp_path / f"{file}.zip", names, made)
    first, second, third = ((tmp_path / f"{file}.zip").read_bytes() for file in "abc")
    assert first == second
    assert first != third
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert [Path(name).stem for name in archive.namelist()] == names


def test_lengths_are_as_those_of_the_real_clips(recipe: synthetic.Recipe) -> None:
    lengths = [synthetic.length_of(np.random.default_rng(seed), recipe) for seed in range(4000)]
    assert (min(lengths) >= 20, max(lengths) <= 300) == (True, True)
    assert abs(np.mean(lengths) - 84) < 1.5
    assert synthetic.length_of(np.random.default_rng(1), synthetic.Recipe(recipe.section, 8)) == 8


def test_every_class_has_its_gesture() -> None:
    assert len(set(synthetic.gestures(60))) == 60
    assert (0,) * len(synthetic.GATES) not in synthetic.gestures(60)


def test_the_class_can_be_read_off_the_normalized_clip(recipe: synthetic.Recipe) -> None:
    section = params.load(ROOT / "params.yaml").params.normalize.ntu
    gestures, right = np.array(synthetic.gestures(60)), 0
    names = synthetic.part(60, 20)
    for name in names:
        frames, _ = ntu_bodies.bodies(ntu_reader.read(synthetic.text(name, recipe), name), section, name)
        assert frames.shape[1] == (2 if int(name[17:]) >= 50 else 1)
        heights = frames[:, 0, list(synthetic.GATES), 1]
        middle = heights[round(0.55 * len(heights))] - heights[round(0.8 * len(heights)) :].mean(axis=0)
        right += int(np.abs(gestures - middle / recipe.section.evidence_m).sum(axis=1).argmin()) == int(name[17:]) - 1
    assert right >= 58
