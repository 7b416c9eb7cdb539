"""Batches, streams and the staged training of one run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.files import whole
from pipeline.core.settings import Method, Settings
from pipeline.core.skeletons import Store
from pipeline.core.training import files
from pipeline.core.training import run as joint
from pipeline.core.training.augment import views
from pipeline.core.training.batches import Clips, resample, with_velocity
from pipeline.core.training.job import Job
from pipeline.core.training.loop import Rate, accuracy, predict, predict_views
from pipeline.core.training.streams import Streams

STA = Method(spatial=True, temporal=True, staged=True)
Make = Callable[..., Settings]


@pytest.fixture
def make_job(small_store: tuple[Path, Path], small_params: Make, tmp_path: Path) -> Callable[..., Job]:
    store, split = small_store

    def make(
        name: str = "run", stage: str = "pretrain", method: Method = STA, params: Settings | None = None, **more: object
    ) -> Job:
        base = tmp_path / name / stage
        paths = {"target": base, "live": base / "live.csv", "checkpoint": base / "checkpoint.pt"}
        settled = params or small_params()
        job = Job(stage, 1, 1, method, settled, store, split, None, 0, **paths)
        return replace(job, **more)

    return make


def both_stages(make_job: Callable[..., Job], name: str, **more: object) -> dict[str, torch.Tensor]:
    first = make_job(name, **more)
    joint.train(first)
    last = make_job(name, "finetune", start=first.target, **more)
    joint.train(last)
    return torch.load(last.target / "model.pt", weights_only=True)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_streams_depend_on_their_name_alone() -> None:
    def draw(*name: str | int, seed: int = 1, fold: int = 1) -> float:
        return Streams(seed, fold).numpy(*name).random()

    assert draw("order", "joint", 3) == draw("order", "joint", 3)
    others = {
        draw("order", "joint", 4),
        draw("order", "main", 3),
        draw("order", "joint", 3, seed=2),
        draw("order", "joint", 3, fold=2),
    }
    assert len(others | {draw("order", "joint", 3)}) == 5


def test_resampling_is_linear_and_keeps_the_ends() -> None:
    clip = np.array([0.0, 10.0, 20.0], np.float32).reshape(3, 1, 1)
    assert resample(clip, 5)[:, 0, 0].tolist() == [0, 5, 10, 15, 20]
    assert resample(clip[:1], 2)[:, 0, 0].tolist() == [0, 0]
    assert resample(clip, 3)[:, 0, 0].tolist() == [0, 10, 20]


def test_batches_hold_every_clip_once_padded_at_the_end(small_store: tuple[Path, Path]) -> None:
    store = Store(small_store[0])
    clips = Clips(store, np.arange(5, 20))
    seen = []
    for batch in clips.shuffled(4, 2, np.random.default_rng(0)):
        assert batch.x.shape[2:] == (8, 3) and batch.x.dtype == torch.float32
        assert len(batch.labels) <= 4 and bool(batch.mask.any(1).all()), "no batch is longer than its longest clip"
        for b in range(len(batch.labels)):
            length = int(batch.mask[:, b].sum())
            assert bool(batch.mask[:length, b].all()) and not batch.x[length:, b].any()
            seen.append(batch.x[:length, b].numpy().tobytes())
    assert sorted(seen) == sorted(clips.clip(i).tobytes() for i in range(15))


def test_an_absent_body_is_zeros(small_store: tuple[Path, Path]) -> None:
    store = Store(small_store[0])
    clip = Clips(store, np.array([0])).clip(0)  # clip-00 has one body of four joints
    assert np.array_equal(clip[:, :4], store.clip(0)[:, 0]) and not clip[:, 4:].any()


def test_bucketing_pads_less_than_shuffling(small_store: tuple[Path, Path]) -> None:
    clips = Clips(Store(small_store[0]), np.arange(24))

    def padding(pool: int) -> int:
        return sum(int((~batch.mask).sum()) for batch in clips.shuffled(6, pool, np.random.default_rng(1)))

    assert padding(4) == 0 < padding(1)  # six clips of each of four lengths


def test_frozen_parts_stay_and_trained_parts_move(make_job: Callable[..., Job]) -> None:
    first = make_job()
    joint.train(first)
    before = torch.load(first.target / "model.pt", weights_only=True)
    main_only = make_job(
        "run",
        "finetune",
        start=first.target,
        params=replace(first.params, finetune=replace(first.params.finetune, joint=0)),
    )
    joint.train(main_only)
    after = torch.load(main_only.target / "model.pt", weights_only=True)
    attention = [k for k in before if not k.startswith("main.")]
    assert attention and all(torch.equal(before[k], after[k]) for k in attention)
    joint.train(make_job("run2", "finetune", start=first.target))
    moved = torch.load(make_job("run2", "finetune").target / "model.pt", weights_only=True)
    assert not any(torch.equal(before[k], moved[k]) for k in attention if "weight" in k)


def test_training_learns_what_is_easy(make_job: Callable[..., Job], small_params: Make) -> None:
    params = small_params(training={"learning_rate": 0.01}, model={"dropout": 0.0}, finetune={"main": 40, "joint": 20})
    both_stages(make_job, "run", params=params)
    job = make_job("run", "finetune", params=params)
    clips = files.clips_of(job, "test")
    prediction = predict(joint.restore(job, clips.store), clips, 4, torch.device("cpu"))
    assert accuracy(prediction, clips) >= 5 / 6  # of three classes; chance is 1/3
    assert [len(a) for a in prediction.alpha] == clips.lengths.tolist() == [len(b) for b in prediction.beta]


def test_prediction_does_not_depend_on_the_batch(make_job: Callable[..., Job]) -> None:
    both_stages(make_job, "run")
    job = make_job("run", "finetune")
    clips = files.clips_of(job, "test")
    model = joint.restore(job, clips.store)
    one, many = (predict(model, clips, size, torch.device("cpu")) for size in (1, 6))
    np.testing.assert_allclose(one.logits, many.logits, atol=1e-6)
    for a, b in zip(one.alpha, many.alpha, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_same_seed_same_bits_other_seed_others(make_job: Callable[..., Job]) -> None:
    assert same(both_stages(make_job, "a"), both_stages(make_job, "b"))
    assert not same(both_stages(make_job, "a2"), both_stages(make_job, "c", seed=2))
    files = [(make_job(name, "finetune").target / "model.pt").read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]


@pytest.mark.parametrize("stop_after", [1, 3, 7])
def test_interrupted_and_resumed_equals_uninterrupted(
    make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr(joint, "CHECKPOINT_EVERY_S", -1.0)  # a checkpoint an epoch
    whole = make_job("whole")
    rows = joint.train(whole)
    cut, run_epoch, count = make_job("cut"), joint.run_epoch, 0

    def interrupted(*arguments: object) -> None:
        nonlocal count
        count += 1
        if count > stop_after:
            raise KeyboardInterrupt
        run_epoch(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(joint, "run_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            joint.train(cut)
    assert not (cut.target / "model.pt").exists()
    assert joint.train(cut) == rows
    assert (cut.target / "model.pt").read_bytes() == (whole.target / "model.pt").read_bytes()
    with cut.live.open() as a, whole.live.open() as b:
        assert list(csv.DictReader(a)) == list(csv.DictReader(b))


def test_a_finished_run_is_not_trained_again(make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job()
    rows = joint.train(job)
    (job.target / "model.pt").unlink()  # DVC removes outputs before it runs a stage again
    monkeypatch.setattr(joint, "run_epoch", lambda *_: pytest.fail("trained again"))
    assert joint.train(job) == rows
    assert (job.target / "model.pt").exists()


def test_two_writers_replace_whole_files(tmp_path: Path) -> None:
    path, scratch = tmp_path / "target" / "model.pt", tmp_path / "scratch"
    with whole(path, scratch) as slow:
        slow.write_text("half")
        assert slow.name == "model.pt" and not path.exists()
        with whole(path, scratch) as fast:
            fast.write_text("whole")
        assert path.read_text() == "whole"
        slow.write_text("again")
        assert path.read_text() == "whole"
    assert path.read_text() == "again"
    with pytest.raises(KeyboardInterrupt), whole(path, scratch) as cut:
        cut.write_text("ha")
        raise KeyboardInterrupt
    assert path.read_text() == "again" and list(scratch.iterdir()) == []


def test_history_counts_epochs_over_phases(make_job: Callable[..., Job]) -> None:
    rows = joint.train(make_job(steps_before=10))
    assert [row["step"] for row in rows] == list(range(11, 11 + 2 * (2 + 2 + 1)))
    assert [row["epoch"] for row in rows] == [1, 2, 1, 2, 1] * 2
    assert all(row["beta_mean"] is None for row in rows if str(row["phase"]).startswith("spatial"))


def test_the_chosen_epoch_is_the_best_on_validation_never_on_test(
    make_job: Callable[..., Job], small_params: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = small_params(training={"select": "heldout"}, finetune={"main": 0, "joint": 4})
    scores, weights = iter([0.5, 0.9, 0.9, 0.1]), []

    def scored(prediction: object, clips: Clips) -> float:
        assert {clips.store.index["name"][i] for i in clips.rows} == {f"clip-{i:02}" for i in range(6, 12)}
        return next(scores)

    save_epoch = joint.keep_best

    def kept(job: Job, progress: joint.Checkpoint) -> None:
        weights.append(progress.weights)
        save_epoch(job, progress)

    monkeypatch.setattr(joint, "accuracy", scored)
    monkeypatch.setattr(joint, "keep_best", kept)
    job = make_job("run", "finetune", params=params)
    joint.train(job)
    assert same(torch.load(job.target / "model.pt", weights_only=True), weights[2])


def watched_names(make_job: Callable[..., Job], params: Settings) -> tuple[set[str], set[str]]:
    """The names of the clips that a job learns from, and of those it looks at after an epoch."""
    job = make_job(params=params)
    parts = [files.clips_of(job, part) for part in ("train", joint.watched(job))]
    return tuple({clips.store.index["name"][i] for i in clips.rows} for clips in parts)


@pytest.mark.parametrize(
    ("training", "learns", "looks"),
    [
        ({}, range(12, 24), range(6, 12)),
        ({"fit": "train_and_validation"}, range(6, 24), range(0)),
        ({"select": "test"}, range(12, 24), range(6)),
        ({"select": "test", "fit": "train_and_validation"}, range(6, 24), range(6)),
    ],
)
def test_who_learns_and_who_is_looked_at(
    make_job: Callable[..., Job], small_params: Make, training: dict[str, object], learns: range, looks: range
) -> None:
    params = small_params()  # changed behind the check that lets a switch alone choose by test data
    seen = watched_names(make_job, replace(params, training=replace(params.training, **training)))
    assert seen == ({f"clip-{i:02}" for i in learns}, {f"clip-{i:02}" for i in looks})


def test_without_validation_the_history_has_no_validation_accuracy(make_job: Callable[..., Job], small_params: Make) -> None:
    rows = joint.train(make_job(params=small_params(training={"fit": "train_and_validation"})))
    assert {row["validation_accuracy"] for row in rows} == {None}


def test_velocity_is_the_movement_since_the_frame_before(small_store: tuple[Path, Path]) -> None:
    clip = np.array([[[0, 0, 0]], [[1, 0, 2]], [[4, 0, 2]]], np.float32)
    moved = [[0, 0, 0], [10, 0, 20], [30, 0, 0]]
    assert np.array_equal(with_velocity(clip, 10.0), np.concatenate([clip, np.float32(moved)[:, None]], -1))
    x, mask, _ = Clips(Store(small_store[0]), np.arange(4), velocity=1.0).batch(np.arange(4))[:3]
    assert x.shape[-1] == 6 and not x[~mask].any() and not x[0, :, :, 3:].any()


def test_views_average_the_logits_and_keep_the_attention_of_the_clip(make_job: Callable[..., Job]) -> None:
    job = make_job()
    clips = files.clips_of(job, "test")
    model = joint.build(job, joint.phases_of(job)[-1], {}, clips.store)
    seen = views(clips.store.meta, 4)
    each = [predict(model, clips, 4, torch.device("cpu"), view) for view in seen]
    both = predict_views(model, clips, 4, torch.device("cpu"), seen)
    np.testing.assert_allclose(both.logits, np.mean([one.logits for one in each], 0), atol=1e-6)
    assert not np.allclose(each[0].logits, each[1].logits)
    assert all(np.array_equal(a, b) for a, b in zip(both.alpha, each[0].alpha, strict=True))


def test_a_diverged_run_ends_and_keeps_finite_weights(make_job: Callable[..., Job], small_params: Make) -> None:
    params = small_params(training={"clip_norm": 0.0})
    params = replace(params, training=replace(params.training, learning_rate=1e30))  # more than params.yaml may have
    job = make_job(params=params)
    rows = joint.train(job)
    assert not np.isfinite(rows[-1]["loss"]) and len(rows) < 10
    weights = torch.load(job.target / "model.pt", weights_only=True)
    assert all(bool(torch.isfinite(w).all()) for w in weights.values())


@pytest.mark.parametrize(
    ("schedule", "expected"), [("constant", [1.0, 1.0, 1.0]), ("cosine", [1.0, 0.5, 0.0]), ("plateau", [1.0, 1.0, 1.0])]
)
def test_schedules(small_params: Make, schedule: str, expected: list[float]) -> None:
    rate = Rate(small_params(training={"schedule": schedule, "learning_rate": 1.0}).training, total=10)
    assert [rate.at(step) for step in (0, 5, 10)] == pytest.approx(expected)


def test_warmup_rises_to_the_schedule(small_params: Make) -> None:
    changes = {"schedule": "constant", "learning_rate": 1.0, "warmup": 0.4}
    rate = Rate(small_params(training=changes).training, total=10)
    assert [rate.at(step) for step in range(6)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_plateau_lowers_the_rate_after_its_patience(small_params: Make) -> None:
    changes = {"schedule": "plateau", "learning_rate": 1.0, "plateau_patience": 1, "plateau_factor": 0.1}
    rate, seen = Rate(small_params(training=changes).training, total=10), []
    for score in (0.5, 0.5, 0.4, 0.6, 0.6, 0.6):
        rate.seen(score)
        seen.append(rate.at(0))
    assert seen == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.01])


def test_iterations_end_a_phase_in_mid_epoch(make_job: Callable[..., Job], small_params: Make) -> None:
    params = small_params(training={"unit": "iterations"}, pretrain={"attention": 4, "main": 0, "tune": 0})
    rows = joint.train(make_job(params=params))  # 12 clips in batches of 4: 3 updates an epoch
    assert [row["epoch"] for row in rows] == [1, 2, 1, 2]
