"""Methods that no gradient trains, from clips to saved weights and back: the same bytes, the same scores, any skeleton."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.errors import ParamsError
from pipeline.core.model import STALSTM
from pipeline.core.settings import Method, Settings
from pipeline.core.skeletons import Meta, Sample, Writer
from pipeline.core.training import phases, ranks
from pipeline.core.training.files import clips_of
from pipeline.core.training.job import Job
from pipeline.core.training.loop import predict
from pipeline.core.training.run import restore, train
from pipeline.predict import weights

NETWORKS = {
    "lie-group": {"kind": "lie-group", "frames": 6, "rounds": 2, "levels": 2, "cost": 1.0},
    "skeletal-quads": {"kind": "skeletal-quads", "gaussians": 3, "quads": 20, "samples": 300, "cost": 1.0},
    "dynamic-skeletons": {"kind": "dynamic-skeletons", "frames": 8, "levels": 2, "cost": 1.0},
    "poselets": {
        **{"kind": "poselets", "features": "raw", "words": 4, "kept": 6, "support": 0.1},
        **{"samples": 100, "cost": 1.0},
    },
}
NOTHING_DRAWN = ("lie-group", "dynamic-skeletons")
Make = Callable[..., Job]


def method(name: str) -> Method:
    return Method(spatial=False, temporal=False, staged=False, network=NETWORKS[name])


@pytest.fixture
def job(small_store: tuple[Path, Path], small_params: Callable[..., Settings], tmp_path: Path) -> Make:
    store, split = small_store

    def make(name: str, seed: int = 1, where: str = "run") -> Job:
        base = tmp_path / where / name
        paths = (base, base / "live.csv", base / "checkpoint.pt")
        return Job("finetune", 1, seed, method(name), small_params(), store, split, None, 0, *paths)

    return make


def bytes_of(todo: Job) -> bytes:
    train(todo)
    return (todo.target / "model.pt").read_bytes()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_run_gives_the_same_bytes(job: Make, name: str) -> None:
    first = bytes_of(job(name))
    assert bytes_of(job(name, where="again")) == first
    assert (bytes_of(job(name, seed=2, where="other")) == first) == (name in NOTHING_DRAWN)


@pytest.mark.parametrize("name", NETWORKS)
def test_saved_weights_score_as_the_fitted_ones_and_as_history_says(job: Make, name: str) -> None:
    todo = job(name)
    row = train(todo)[0]
    assert row["train_accuracy"] == 1 and 0 <= float(row["validation_accuracy"] or 0) <= 1 and float(row["loss"] or 0) < 1
    clips = clips_of(todo, "train")
    model = restore(todo, clips.store).eval()
    logits = predict(model, clips, 5, torch.device("cpu")).logits
    assert np.isfinite(logits).all() and (logits.argmax(1) == clips.labels).all()
    for i in range(len(clips)):  # alone, without padding
        batch = clips.batch(np.array([i]))
        np.testing.assert_allclose(model(batch.x, batch.mask).logits[0], logits[i], atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "lie-group"])  # no body here has bones of one length
def test_test_clips_are_recognised(job: Make, name: str) -> None:
    """Three actions that differ in where one hand moves."""
    todo = job(name)
    train(todo)
    clips = clips_of(todo, "test")
    logits = predict(restore(todo, clips.store), clips, 5, torch.device("cpu")).logits
    assert (logits.argmax(1) == clips.labels).mean() > 0.5


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "shape",
    [(((1, 0),), (0, 1), 1), (((1, 0), (2, 0), (3, 0), (4, 0)), (0, 2, 1, 4, 3), 3), (((1, 0),), (0, 1, 3, 2), 2)],
    ids=["one bone", "three bodies", "a forest"],
)
def test_any_skeleton_and_clips_of_any_length(
    job: Make, tmp_path: Path, name: str, shape: tuple[tuple[tuple[int, int], ...], tuple[int, ...], int]
) -> None:
    rng, (bones, mirror, bodies) = np.random.default_rng(3), shape
    joints = len(mirror)
    meta = Meta(tuple(f"joint {j}" for j in range(joints)), bones, mirror, ("up", "down"), bodies, 15.0, "metres")
    with Writer(tmp_path / "other", meta) as writer:
        for i in range(24):
            frames = rng.normal(i % 2, 0.1, (1 + 7 * (i % 4), 1 + i % bodies, joints, 3)).astype(np.float32)
            writer.add(Sample(f"clip-{i:02}", 1, 0, 0, 0, 1, i % 2 + 1), frames)
    todo = replace(job(name), store=tmp_path / "other")
    train(todo)
    clips = clips_of(todo, "test")
    assert np.isfinite(predict(restore(todo, clips.store), clips, 4, torch.device("cpu")).logits).all()


def test_of_several_processes_the_first_fits(job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "place", lambda: ranks.Place(1, 2))
    assert train(job("poselets")) == [] and not job("poselets").target.exists()


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_can_be_rounded_and_laid_into_a_new_network(job: Make, name: str) -> None:
    todo = job(name)
    train(todo)
    clips = clips_of(todo, "train")
    state = restore(todo, clips.store).state_dict()
    half = weights.rounded(state)
    assert {t.dtype for t in half.values()} <= {torch.float16, torch.int64, torch.bool}
    model = phases.build(phases.finetune_phases(todo.method, todo.params)[-1], todo.method, todo.params, clips.store.meta)
    model.load_state_dict(half)
    assert isinstance(model, STALSTM) and {t.dtype for t in model.state_dict().values()} <= {
        torch.float32,
        torch.int64,
        torch.bool,
    }
    logits = predict(model, clips, 5, torch.device("cpu")).logits
    assert (logits.argmax(1) == clips.labels).mean() > 0.9


def test_a_setting_that_is_none_is_named(job: Make) -> None:
    wrong = replace(job("lie-group"), method=Method(False, False, False, {**NETWORKS["lie-group"], "speed": 3}))
    with pytest.raises(ParamsError, match="network 'lie-group' has no setting speed; it has frames, rounds, levels"):
        train(wrong)
