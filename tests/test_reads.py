"""What each stage reads of `params.yaml`: trained with other values in place of all that is left out, the same bytes."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.config import params as parameters
from pipeline.config import resolve
from pipeline.config.params import SETTINGS
from pipeline.config.reads import TYPES
from pipeline.config.values import neutral
from pipeline.core import cell as cells
from pipeline.core.errors import TrainingFailed
from pipeline.core.settings import Settings, Training
from pipeline.core.skeletons import Meta, Sample, Writer
from pipeline.core.training.job import Job
from pipeline.core.training.run import train
from pipeline.running import precision
from pipeline.stages import evaluate
from tests.conftest import document_of_params, toy_grid, write_params

METHODS = list(document_of_params()["methods"])
STAGES = ("pretrain", "finetune", "evaluate")
Document = dict[str, Any]
Key = tuple[str, str]

BASE: dict[str, Document] = {
    "model": {"hidden": 8, "layers": 3, "attention_hidden": 8, "velocity": 2.0},
    "objective": {"label_smoothing": 0.1, "lambda1": 0.01, "lambda2": 0.01, "lambda3": 0.001},
    "training": {
        **{"unit": "epochs", "batch": 4, "pool": 2, "learning_rate": 0.01, "schedule": "cosine", "warmup": 0.2, "clip_norm": 1.0},
        **{"weight_decay": 0.001, "adam_beta1": 0.8, "adam_beta2": 0.99, "adam_eps": 1e-7, "fit": "train", "select": "heldout"},
        **{"frames": 6, "precision": "bfloat16"},
    },
    "augment": {"mirror": 0.5, "turn": 0.5, "yaw": 0.3, "scale": 0.1, "window": 0.8, "noise": 0.02},
    "pretrain": {"attention": 1, "main": 1, "tune": 1},
    "finetune": {"main": 1, "joint": 1},
    "evaluate": {"views": 2, "time_bins": 4},
}
"""A parameter that has a neutral value stands at another here, so that what is left out is left out because nobody reads it."""

OTHER: dict[str, Document] = {
    "model": {
        **{"hidden": 12, "layers": 2, "attention_hidden": 10, "dropout": 0.3, "dropout_per": "clip", "dropout_after": "last"},
        **{"velocity": 3.0, "alpha_scale": "one", "gates": "per_person_shared", "beta_layers": 2, "beta_bias": 0.5},
        **{"beta_share": 0.4, "score_norm": "none", "init": "gaussian"},
    },
    "objective": {
        **{"lambda1": 0.5, "lambda2": 0.5, "lambda3": 0.05, "beta_norm": "squared", "l1_scope": "main", "l1_reduce": "mean"},
        "label_smoothing": 0.3,
    },
    "training": {
        **{"unit": "iterations", "batch": 3, "pool": 1, "learning_rate": 0.05, "temporal_rate": 0.7, "schedule": "constant"},
        **{"warmup": 0.6, "plateau_factor": 0.5, "plateau_patience": 0, "clip_norm": 0.2, "weight_decay": 0.1},
        **{"adam_beta1": 0.5, "adam_beta2": 0.9, "adam_eps": 1e-3, "fit": "train_and_validation", "select": "last"},
        **{"frames": 4, "precision": "float32", "device": "cpu", "processes": 2},
    },
    "augment": {"mirror": 0.9, "turn": 0.1, "yaw": 1.0, "scale": 0.4, "window": 0.5, "noise": 0.3},
    "pretrain": {"attention": 2, "main": 2, "tune": 2, "reinit_main": False},
    "finetune": {"main": 2, "joint": 2},
    "evaluate": {"views": 4, "time_bins": 3},
}
"""Another valid value of every parameter; each may be changed without the others, but `fit` needs `select: last` beside it."""

ALWAYS = {("training", "device"), ("training", "processes")}
"""Where a run is done. Every stage reads these, so they stay at their neutral values."""


NEUTRAL = {(section, key): value for section in SETTINGS for key, value in neutral(TYPES[section]).items()}
EVERY = {(section, key) for section in SETTINGS for key in TYPES[section].model_fields}
META = Meta(  # a trunk and four limbs, as the networks of body parts need them
    joints=("head", "left hand", "right hand", "left foot", "right foot"),
    bones=((1, 0), (2, 0), (3, 0), (4, 0)),
    mirror=(0, 2, 1, 4, 3),
    actions=("up", "down", "aside"),
    bodies=2,
    fps=15.0,
    unit="metres",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Document]:
    """A folder with clips, a split of one fold and the cells `p-<method>` of one seed, and the content of its `params.yaml`."""
    folder, rng = tmp_path_factory.mktemp("project"), np.random.default_rng(0)
    split = []
    with Writer(folder / "data" / "skeletons" / "demo" / "sbu", META) as writer:
        for i in range(24):
            frames = rng.normal(0, 0.3, (5 + i % 4, 1 + i % 2, 5, 3)).astype(np.float32)
            frames[:, 0, 2, i % 3] += np.linspace(0, 2, len(frames), dtype=np.float32)
            writer.add(Sample(f"clip-{i:02}", i // 6 + 1, 0, 0, 0, 1, i % 3 + 1), frames)
            split.append((1, f"clip-{i:02}", "test" if i < 6 else "validation" if i < 12 else "train"))
    table = folder / "data" / "splits" / "demo" / "p.csv"
    table.parent.mkdir(parents=True)
    pd.DataFrame(split, columns=["fold", "name", "part"]).to_csv(table, index=False)
    document = toy_grid(parameters.overlay(document_of_params(), BASE, "test"), METHODS)
    document["seeds"]["demo"] = [1]
    with contextlib.chdir(folder):
        write_params(document)
    return folder, document


@pytest.fixture
def document(project: tuple[Path, Document], monkeypatch: pytest.MonkeyPatch) -> Document:
    """The parameters of that project, which is the current folder."""
    monkeypatch.chdir(project[0])
    return copy.deepcopy(project[1])


def on_disk(method: str) -> dict[str, Document]:
    """By stage of a method what `resolve` wrote."""
    found = {stage: Path("data/params", f"p-{method}", f"{stage}.json") for stage in STAGES}
    return {stage: json.loads(path.read_text()) for stage, path in found.items() if path.exists()}


def resolved(document: Document) -> dict[tuple[str, str], Document]:
    """By method and stage what it would write of a `params.yaml`."""
    config = parameters.build(document)
    return {(m, stage): found for m in METHODS for stage, found in resolve.of_cell(config, f"p-{m}").items()}


def keys_of(sections: Mapping[str, Mapping[str, object]]) -> set[Key]:
    return {(section, key) for section, values in sections.items() for key in values}


def left_out(found: Document) -> set[Key]:
    """What a stage does not read, by its document: `BASE` has nothing but `ALWAYS` at a neutral value."""
    return EVERY - ALWAYS - keys_of(found["params"])


def with_others(document: Document, *keys: Key) -> Document:
    """The document with other values of these parameters."""
    changes: dict[str, Document] = {}
    for section, key in keys:
        changes.setdefault(section, {})[key] = OTHER[section][key]
    return parameters.overlay(document, changes, "test")


def first_job(method: str, stage: str, epochs: int) -> Job:
    """The run of a stage of a cell with the settings of its file; `epochs` of pretraining came before it."""
    before = {(1, 1): epochs} if epochs else None
    return cells.jobs(cells.load(f"p-{method}", stage), "finetune" if stage == "evaluate" else stage, before)[0]


def twin(job: Job, method: str, document: Document) -> Job:
    """The same run with all settings of a document, whether they are read or not; it writes elsewhere."""
    _, params = resolve.plain(parameters.build(document).params, method)
    place = Path(tempfile.mkdtemp(dir=Path.cwd()))
    return dataclasses.replace(job, params=params, target=place, live=place / "live.csv", checkpoint=place / "checkpoint.pt")


def weights_of(job: Job) -> dict[str, torch.Tensor]:
    return torch.load(job.target / "model.pt", weights_only=True)


def assert_same_run(one: Job, other: Job) -> int:
    """Both trained: the same history and weights to the last bit. Returns the number of epochs."""
    rows, other_rows = train(one), train(other)
    assert rows and rows == other_rows and all(np.isfinite(row["loss"]) for row in rows)
    weights, others = weights_of(one), weights_of(other)
    assert weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)
    assert (one.target / "model.pt").read_bytes() == (other.target / "model.pt").read_bytes()
    return len(rows)


def assert_same_predictions(one: Job, other: Job) -> None:
    a, b = evaluate.work(one), evaluate.work(other)
    assert len(a.predictions) == 6
    pd.testing.assert_frame_equal(a.predictions, b.predictions, check_exact=True)
    for ours, theirs in ((a.alpha, b.alpha), (a.beta, b.beta), (a.clips, b.clips)):
        assert (ours is None) == (theirs is None) and (ours is None or np.array_equal(ours, theirs))


def test_another_value_stands_here_of_every_parameter(document: Document) -> None:
    assert keys_of(OTHER) == EVERY
    assert [key for key in EVERY if document[key[0]][key[1]] == OTHER[key[0]][key[1]]] == []
    assert {key for key, value in NEUTRAL.items() if document[key[0]][key[1]] == value} == ALWAYS


# What is not read


@pytest.fixture
def _trains_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AVX-512 a processor cannot train in bfloat16: its runs are of float32 then, whatever their settings say."""
    try:
        precision.check(Training(precision="bfloat16", device="cpu"))
    except TrainingFailed:
        monkeypatch.setattr("torch.autocast", lambda *_, **__: contextlib.nullcontext())


@pytest.mark.usefixtures("_trains_here")
@pytest.mark.parametrize("method", METHODS)
def test_what_is_left_out_is_not_read(method: str, document: Document) -> None:
    """Other values of all that a stage's file lacks leave the file as it is, and so the run that is given them all the same."""
    epochs = 0
    for stage, found in on_disk(method).items():
        other = with_others(document, *left_out(found))
        assert resolved(other)[method, stage] == found, stage
        job = first_job(method, stage, epochs)
        whole = twin(job, method, other)
        assert keys_of(dataclasses.asdict(whole.params)) == EVERY and whole.params != job.params
        if stage == "evaluate":
            assert_same_predictions(job, dataclasses.replace(whole, target=job.target))
        else:
            epochs = assert_same_run(job, whole)


@pytest.mark.usefixtures("_trains_here")
def test_the_same_comparison_sees_what_is_read(document: Document) -> None:
    job = first_job("sa-lstm-scratch", "finetune", 0)
    other = twin(job, "sa-lstm-scratch", with_others(document, ("objective", "lambda1")))
    assert train(job) != train(other)
    weights, others = weights_of(job), weights_of(other)
    assert not any(torch.equal(weights[name], others[name]) for name in weights if name.startswith("spatial."))


def test_what_nobody_reads_leaves_all_files_as_they_are(small_project: Path) -> None:
    files = {path: path.read_bytes() for path in Path("data/params").glob("p-*/*.json")}
    assert len(files) == 2 * len(METHODS) + 6  # six methods have attention that learns first
    document = with_others(parameters.read(), ("training", "plateau_factor"), ("training", "plateau_patience"))
    document["search"]["seeds"] = [5]
    write_params(document)
    assert {path: path.read_bytes() for path in Path("data/params").glob("p-*/*.json")} == files


# What is read


def test_what_is_read_changes_the_document(document: Document) -> None:
    """One at a time, in the stages that read it and in no other."""
    before = resolved(document)
    assert before == {(method, stage): found for method in METHODS for stage, found in on_disk(method).items()}
    together = {("training", "fit"), ("training", "select")}
    for keys in [{key} for key in sorted(EVERY - {("training", "fit")})] + [together]:
        after = resolved(with_others(document, *keys))
        changed = {place for place, found in before.items() if after[place] != found}
        assert changed == {place for place, found in before.items() if keys - left_out(found)}, keys


@pytest.mark.parametrize(
    ("method", "stage", "section", "expected"),
    [
        ("sta-lstm", "pretrain", "pretrain", {"attention", "main", "tune", "reinit_main"}),
        ("ta-lstm", "pretrain", "pretrain", {"attention"}),
        ("sta-lstm", "finetune", "pretrain", {"reinit_main"}),
        ("sta-lstm-scratch", "finetune", "pretrain", set()),
        ("sta-lstm", "finetune", "finetune", {"main", "joint"}),
        ("sta-lstm", "pretrain", "finetune", set()),
        ("sta-lstm", "evaluate", "finetune", set()),
        ("sta-lstm", "finetune", "objective", {f.name for f in dataclasses.fields(Settings().objective)}),
        ("sa-lstm", "finetune", "objective", {"lambda1", "lambda3", "l1_scope", "l1_reduce", "label_smoothing"}),
        ("lstm", "finetune", "objective", {"lambda3", "l1_reduce", "label_smoothing"}),
        ("sta-lstm-noreg", "finetune", "objective", {"label_smoothing"}),
        ("sta-lstm", "evaluate", "training", {"frames"}),
        ("raw-skeleton-yun2012", "finetune", "training", {"fit", "frames"}),
        ("sta-lstm", "evaluate", "evaluate", {"views", "time_bins"}),
    ],
)
def test_known_answers(method: str, stage: str, section: str, expected: set[str], document: Document) -> None:
    found = resolved(document)[method, stage]["params"]
    assert set(found.get(section, {})) == expected
    assert found.get(section, {}) == {key: document[section][key] for key in expected}


def test_what_another_value_switches_on(document: Document) -> None:
    def reads(changes: dict[str, Document]) -> set[Key]:
        return keys_of(resolved(parameters.overlay(document, changes, "test"))["sta-lstm", "finetune"]["params"])

    plateau = {("training", "plateau_factor"), ("training", "plateau_patience")}
    assert reads({"training": {"schedule": "plateau"}}) - reads({}) == plateau
    beta = {("objective", "lambda2"), ("objective", "beta_norm")}
    assert reads({}) - reads({"objective": {"lambda2": 0.0}}) == beta
    l1 = {("objective", "lambda3"), ("objective", "l1_scope"), ("objective", "l1_reduce")}
    assert reads({}) - reads({"objective": {"lambda3": 0.0}}) == l1


# Neutral values


@pytest.mark.parametrize("key", sorted(NEUTRAL), ids=".".join)
def test_a_parameter_at_its_neutral_value_is_left_out(key: Key, document: Document) -> None:
    section, name = key
    neutral_here = parameters.overlay(document, {section: {name: NEUTRAL[key]}}, "test")
    elsewhere = with_others(document, key) if key in ALWAYS else document
    assert getattr(getattr(Settings(), section), name) == NEUTRAL[key], "training takes this in place of what is left out"
    assert type(getattr(getattr(Settings(), section), name)) is type(NEUTRAL[key])
    off, on = resolved(neutral_here), resolved(elsewhere)
    assert [place for place, found in off.items() if key in keys_of(found["params"])] == []
    assert [place for place, found in on.items() if key in keys_of(found["params"])] != []


def test_training_gets_the_settings_of_params_yaml() -> None:
    """In every cell of the real grid, whatever its recipe: what its file lacks is neutral, or left out by the rules."""
    config = parameters.build(document_of_params())
    for name in config.every:
        cell, params = parameters.for_cell(config, name)
        method, whole = resolve.plain(params, cell.method)
        for stage, found in resolve.of_cell(config, name).items():
            made = cells.cell_of(found, name)
            assert made.method == method
            for section, key in EVERY:
                ours, theirs = (getattr(getattr(settings, section), key) for settings in (made.params, whole))
                neutral_here = theirs == NEUTRAL.get((section, key), object())
                assert (ours == theirs) or (key not in found["params"].get(section, {}) and not neutral_here), (name, stage, key)
