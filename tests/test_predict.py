"""Trained weights in one file, and predictions for raw files in every format: known answers, and refusals in one line."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline import load
from pipeline.cli import main as cli
from pipeline.commands import export, predict
from pipeline.commands.export import Run
from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.files import read_json
from pipeline.core.skeletons import Frames, Meta, Store
from pipeline.datasets.ntu.bodies import RULES
from pipeline.datasets.shared import registry
from pipeline.datasets.shared.reading import reader
from pipeline.errors import InputUnusable, ModelUnusable
from pipeline.predict import inputs, weights
from pipeline.predict.card import Card
from pipeline.predict.model import Model
from pipeline.stages import download, evaluate, finetune, normalize, pretrain, resolve, split
from tests.conftest import ROOT, document_of_params, write_params
from tests.test_florence3d import lines as florence_lines
from tests.test_florence3d import walk as florence_walk
from tests.test_nw_ucla import recording as nw_ucla_recording
from tests.test_nw_ucla import walk as nw_ucla_walk

SMALL = {
    "model": {"hidden": 8, "attention_hidden": 8},
    "pretrain": {"attention": 1, "main": 1, "tune": 1},
    "finetune": {"main": 1, "joint": 2},
    "training": {"batch": 16, "frames": 0},
    "evaluate": {"views": 4},
}
CELLS = ("demo-sbu-sta-lstm", "demo-ntu-cs-sta-lstm", "demo-sbu-lstm")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the synthetic data, small, and short trainings of three cells with two seeds; four views are averaged."""
    folder = tmp_path_factory.mktemp("project")
    here = Path.cwd()
    shutil.copy(ROOT / "dvc.yaml", folder)
    os.chdir(folder)
    try:
        document = parameters.overlay(document_of_params(), SMALL, "test")
        document["recipes"]["demo"] = {}
        document["seeds"]["demo"] = [1, 2]
        document["download"]["demo"] |= {"sbu_repeats": 1, "ntu_training": 4, "ntu_test": 2, "ntu_visitors": 1, "ntu_repeats": 1}
        write_params(document)
        for stage in (download, normalize, split):
            stage.main("demo")
        for name in CELLS:
            if cells.has_pretraining(cells.load(name, "finetune").method):
                pretrain.main(name)
            finetune.main(name)
            evaluate.main(name)
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the current folder."""
    monkeypatch.chdir(project)
    return project


def exported(name: str, path: Path, run: Run | None = None) -> Model:
    export.main(name, run or Run(), path)
    return load(path)


def saved(name: str, fold: int = 1, seeds: tuple[int, ...] = (1,)) -> pd.DataFrame:
    """Logits of the stage `evaluate` by sample, averaged over seeds, and the labels."""
    table = pd.read_csv(f"data/results/demo/{name}/evaluate/predictions.csv", dtype={"name": str})
    own = table[(table["fold"] == fold) & table["seed"].isin(seeds)]
    return own.groupby("name").mean().filter(regex="logit_|label")


def sample(clip: str) -> str:
    """The sample's name in the store, of the place of a clip of the demo."""
    return clip.rpartition(":")[2].removeprefix("nturgb+d_skeletons/").removesuffix(".skeleton").removesuffix("/skeleton_pos.txt")


# --- known answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "raw"), [("demo-sbu-sta-lstm", "sbu"), ("demo-ntu-cs-sta-lstm", "ntu"), ("demo-sbu-lstm", "sbu")]
)
def test_predictions_are_those_of_the_stage_evaluate(name: str, raw: str, inside: Path, tmp_path: Path) -> None:
    """From raw files, through a file of weights: the logits of the stage, which reads the store; six digits are saved."""
    model = exported(name, tmp_path / "m.safetensors")
    found = {sample(p.clip): p for p in model.predict_all([f"data/raw/demo/{raw}"])}
    known = saved(name)
    assert set(known.index) <= set(found)
    logits = np.array([found[key].logits for key in known.index])
    assert logits == pytest.approx(known.drop(columns="label").to_numpy(), rel=1e-4, abs=2e-6)
    assert [found[key].true for key in known.index] == [model.classes[int(label)] for label in known["label"]]
    one = found[known.index[0]]
    assert sum(one.probabilities.values()) == pytest.approx(1)
    shares = np.exp(one.logits.astype(float))
    assert list(one.probabilities.values()) == pytest.approx(shares / shares.sum())
    assert one.predicted == model.classes[int(one.logits.argmax())]


def test_frames_are_those_of_the_store(inside: Path, tmp_path: Path) -> None:
    for name, raw in (("demo-sbu-sta-lstm", "sbu"), ("demo-ntu-cs-sta-lstm", "ntu")):
        model = exported(name, tmp_path / "m.safetensors")
        store = Store(Path("data/skeletons/demo", raw))
        places = {key: i for i, key in enumerate(store.index["name"])}
        clips = list(model.predict_all([f"data/raw/demo/{raw}"]))
        assert sorted(sample(p.clip) for p in clips) == sorted(places)
        assert all((p.frames == store.clip(places[sample(p.clip)])).all() for p in clips)


def test_attention_is_that_of_the_network(inside: Path, tmp_path: Path) -> None:
    """Alpha adds up to 1 in every frame; its mean over a class and the whole clip is that of `alpha.csv`, so is beta's."""
    model = exported("demo-sbu-sta-lstm", tmp_path / "m.safetensors", Run(seeds=(1, 2)))
    known = saved("demo-sbu-sta-lstm")
    clips = [p for p in model.predict_all(["data/raw/demo/sbu"]) if sample(p.clip) in known.index]
    assert all(p.alpha is not None and p.alpha.shape == (len(p.frames), 30) for p in clips)
    assert all(p.alpha is not None and p.alpha.sum(1) == pytest.approx(1, abs=1e-5) for p in clips)
    assert all(p.beta is not None and p.beta.shape == (len(p.frames),) and (p.beta >= 0).all() for p in clips)
    assert len(model.card.gates) == 30 and model.card.gates[0] == "head, body 1" and model.card.gates[-1] == "right foot, body 2"


def test_several_seeds_are_averaged(inside: Path, tmp_path: Path) -> None:
    both = exported("demo-sbu-sta-lstm", tmp_path / "m.safetensors", Run(fold=2, seeds=(1, 2)))
    known = saved("demo-sbu-sta-lstm", 2, (1, 2))
    found = {sample(p.clip): p.logits for p in both.predict_all(["data/raw/demo/sbu"])}
    logits = known.drop(columns="label").to_numpy()
    assert np.array([found[key] for key in known.index]) == pytest.approx(logits, rel=1e-4, abs=2e-6)
    right = int((logits.argmax(1) == known["label"]).sum())
    assert (both.card.accuracy.correct, both.card.accuracy.samples) == (right, len(known))
    assert (both.card.fold, both.card.seeds) == (2, (1, 2))


def test_a_cell_predicts_as_its_exported_file(inside: Path, tmp_path: Path) -> None:
    file = exported("demo-sbu-sta-lstm", tmp_path / "m.safetensors")
    cell = predict.opened(None, "demo-sbu-sta-lstm", Run())
    for one, other in zip(*(m.predict_all(["data/raw/demo/sbu/s01s02.zip"]) for m in (file, cell)), strict=True):
        assert one.clip == other.clip and (one.logits == other.logits).all()


def test_memory_is_bounded_by_chunks_that_change_nothing(inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = exported("demo-sbu-sta-lstm", tmp_path / "m.safetensors")
    sizes: list[int] = []
    answer = model.answer

    def counted(clips: Any) -> Any:
        sizes.append(len(clips))
        return answer(clips)

    whole = [p.logits for p in model.predict_all(["data/raw/demo/sbu"])]
    monkeypatch.setattr("pipeline.predict.model.SIZE", 50)
    monkeypatch.setattr(model, "answer", counted)
    parts = [p.logits for p in model.predict_all(["data/raw/demo/sbu"])]
    assert sizes == [50, 50, 50, 18]
    assert np.array(parts) == pytest.approx(np.array(whole), rel=1e-4, abs=2e-6)


# --- what travels with the weights ------------------------------------------------------------------------------------


def test_the_card_says_what_a_user_must_know(inside: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = exported("demo-ntu-cs-sta-lstm", path)
    card = json.loads(safe_open(path, "pt").metadata()["card"])
    meta = Store(Path("data/skeletons/demo/ntu")).meta
    assert model.card.meta == replace(meta, synthetic=True) and model.synthetic
    assert card["skeleton"]["actions"][7] == "sit down" and card["skeleton"]["unit"] == "metres"
    assert card["normalize"] == read_json(Path("data/params/demo/normalize.json"))["stores"]["ntu"]["section"]
    assert card["params"] == cells.settings_of("demo-ntu-cs-sta-lstm", "evaluate")
    assert (card["recipe"], card["protocol"], card["fold"], card["seeds"]) == ("demo", "demo-ntu-cs", 1, [1])
    assert card["data"]["store_sha256"] == Store(Path("data/skeletons/demo/ntu")).sha256
    known = saved("demo-ntu-cs-sta-lstm")
    right = int((known.drop(columns="label").to_numpy().argmax(1) == known["label"]).sum())
    assert card["accuracy"] == {"correct": right, "samples": len(known)}
    again = tmp_path / "again.safetensors"
    export.main("demo-ntu-cs-sta-lstm", Run(), again)
    assert again.read_bytes() == path.read_bytes()


def test_weights_are_the_trained_ones_and_half_of_them_when_asked(inside: Path, tmp_path: Path) -> None:
    trained = torch.load("data/runs/demo/demo-sbu-sta-lstm/finetune/weights/fold-3-seed-2/model.pt", weights_only=True)
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    exported("demo-sbu-sta-lstm", whole, Run(fold=3, seeds=(2,)))
    rounded = exported("demo-sbu-sta-lstm", half, Run(fold=3, seeds=(2,), half=True))
    assert {name.removeprefix("seed-2/") for name in load_file(whole)} == set(trained)
    assert all((load_file(whole)[f"seed-2/{name}"] == tensor).all() for name, tensor in trained.items())
    assert all((load_file(half)[f"seed-2/{name}"] == tensor.half()).all() for name, tensor in trained.items())
    assert rounded.card.weights == "float16" and half.stat().st_size < 0.75 * whole.stat().st_size
    clips = [p for p in rounded.predict_all(["data/raw/demo/sbu"]) if sample(p.clip) in saved("demo-sbu-sta-lstm", 3, (2,)).index]
    assert sum(p.predicted == p.true for p in clips) == rounded.card.accuracy.correct


def test_what_cannot_be_exported_is_said(inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(ParamsError, match="has no run of fold 6, seed 1; its folds are 1-5, its seeds 1-2"):
        export.main("demo-sbu-sta-lstm", Run(fold=6), path)
    with pytest.raises(ParamsError, match="no run of fold 1, seed 9"):
        export.main("demo-sbu-sta-lstm", Run(seeds=(1, 9)), path)
    with pytest.raises(ResultsMissing, match=r"demo-sbu-ta-lstm.*model.pt: expected the weights of a trained run"):
        export.main("demo-sbu-ta-lstm", Run(), path)
    record = Path("data/results/demo/demo-sbu-lstm/run.json")
    before = record.read_text()
    document = json.loads(before)
    document["data"]["store_sha256"] = "0" * 64
    record.write_text(json.dumps(document))
    try:
        with pytest.raises(ResultsMissing, match="trained on other data than those on disk"):
            export.main("demo-sbu-lstm", Run(), path)
    finally:
        record.write_text(before)
    assert not path.exists()


@pytest.fixture
def file(inside: Path, tmp_path: Path) -> Path:
    """A file of weights to spoil."""
    exported("demo-sbu-sta-lstm", tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def changed(path: Path, card: dict[str, Any] | None = None, **tensors: torch.Tensor | None) -> None:
    """Write the file again with other fields of the card (None: left out) or other tensors, as somebody who vouches for them."""
    with safe_open(path, "pt") as opened:
        document = json.loads(opened.metadata()["card"]) | (card or {})
    document = {key: value for key, value in document.items() if value is not None}
    found: dict[str, torch.Tensor | None] = {**load_file(path), **{f"seed-1/{name}": t for name, t in tensors.items()}}
    kept = {name: t for name, t in found.items() if t is not None}
    with suppress(ValidationError):  # else it is refused before its digest is looked at
        document["sha256"] = weights.digest(Card.model_validate_json(json.dumps(document)), kept)
    save_file(kept, path, {"card": json.dumps(document)})


def test_what_is_no_complete_model_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"nowhere.safetensors: no such model; make one with `python -m pipeline export"):
        load(tmp_path / "nowhere.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "model.pt")
    with pytest.raises(ModelUnusable, match="not a complete safetensors file"):
        load(tmp_path / "model.pt")
    (tmp_path / "cut").write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelUnusable, match="not a complete safetensors file"):
        load(tmp_path / "cut")
    save_file({"a": torch.zeros(1)}, tmp_path / "bare")
    with pytest.raises(ModelUnusable, match="expected metadata with the entry 'card', found none"):
        load(tmp_path / "bare")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"normalize": None}, "normalize: Field required"),
        ({"version": 2}, "version: Input should be 1"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"seeds": [1, 2]}, "incomplete: 30 of 30 tensors are missing"),
        ({"seeds": [2]}, "expected weights of seeds 2 only"),
        ({"dataset": "kinetics"}, "unknown data set 'kinetics'"),
        ({"format": "ntu120"}, "data set 'demo', format 'ntu120'"),
        ({"normalize": {"order": "left_first"}}, "does not fit this version"),
        ({"params": {"model": {"hidden": 9}}}, "no network can be built from the settings"),
        ({"params": {"model": {"hidden": 9, "layers": 3, "attention_hidden": 8}}}, r"expected shape \[36, "),
        ({"params": {"model": {"colour": 9}}}, "expected the settings of a stage"),
        ({"switches": {"spatial": True}}, "does not fit this version"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(card: dict[str, Any], message: str, file: Path) -> None:
    changed(file, card)
    with pytest.raises(ModelUnusable, match=f"m.safetensors: .*{message}"):
        load(file)


def test_damage_within_a_file_of_the_right_form_is_noticed(file: Path) -> None:
    """One bit of one weight, and one word of the card: the file still opens, and its numbers are finite."""
    with safe_open(file, "pt") as opened:
        bias = opened.get_tensor("seed-1/main.z.bias").numpy().tobytes()
    raw, cell = file.read_bytes(), b"demo-sbu-sta-lstm"
    at = raw.index(bias)
    for damaged in (raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :], raw.replace(cell, cell.replace(b"sta", b"stb"), 1)):
        assert len(damaged) == len(raw) and damaged != raw
        file.write_bytes(damaged)
        with pytest.raises(ModelUnusable, match="damaged: its weights or its card are not those that were written"):
            load(file)


def test_tensors_that_do_not_fit_are_refused(file: Path) -> None:
    whole = file.read_bytes()
    for tensors, message in (
        ({"main.z.bias": None}, "incomplete: 1 of 30 tensors are missing, first main.z.bias"),
        ({"main.z.bias": torch.zeros(9)}, r"tensor main.z.bias: expected shape \[8\], found \[9\]"),
        ({"main.extra": torch.zeros(9)}, "tensor main.extra: the network of its card has no such weights"),
        ({"main.z.bias": torch.full((8,), torch.nan)}, "tensor main.z.bias: expected finite numbers"),
        ({"main.z.bias": torch.zeros(8, dtype=torch.int64)}, "tensor main.z.bias: expected finite numbers"),
    ):
        file.write_bytes(whole)
        changed(file, **tensors)
        with pytest.raises(ModelUnusable, match=message):
            load(file)


# --- raw files --------------------------------------------------------------------------------------------------------


def test_names_of_files_are_free(file: Path, tmp_path: Path) -> None:
    """A file, a folder and a zip, under other names, give the same; what is no clip beside them is left alone."""
    with zipfile.ZipFile("data/raw/demo/sbu/s01s02.zip") as archive:
        text = archive.read("s01s02/03/001/skeleton_pos.txt")
    folder = tmp_path / "mine" / "deep"
    folder.mkdir(parents=True)
    (folder / "Tuesday take 2.TXT").write_bytes(text)
    (folder / "README.txt").write_text("mine")
    (folder / ".hidden.txt").write_text("no clip")
    (folder / "picture.png").write_bytes(b"no clip")
    (tmp_path / "no suffix at all").write_bytes(text)
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("a/clip.txt", text)
        archive.writestr("__MACOSX/a/._clip.txt", b"no clip")
    model = load(file)
    one = model.predict(tmp_path / "no suffix at all")
    places = [tmp_path / "mine", tmp_path / "more.zip", tmp_path / "no suffix at all"]
    found = list(model.predict_all(places))
    assert [p.clip.removeprefix(f"{tmp_path}/") for p in found] == [
        "mine/deep/Tuesday take 2.TXT",
        "more.zip:a/clip.txt",
        "no suffix at all",
    ]
    assert all((p.logits == pytest.approx(one.logits, rel=1e-5, abs=1e-6)) and p.true is None for p in found)
    [known] = model.predict_all([zipped(tmp_path / "like.zip", "s01s02/03/001/skeleton_pos.txt", text)])
    assert known.true == "kicking"


def zipped(path: Path, name: str, text: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)
    return path


def section(name: str) -> dict[str, Any]:
    return dict(parameters.read(ROOT / "params.yaml")["normalize"][name])


def random_model(dataset: str, form: str, meta: Meta) -> Model:
    """A model of a data set's format with untrained weights."""
    from pipeline.core.training import phases  # noqa: PLC0415
    from pipeline.predict.card import Card, skeleton_of  # noqa: PLC0415

    card = Card.model_validate(
        {
            **{"version": 1, "cell": "made-up", "dataset": dataset, "format": form, "store": form, "protocol": "none"},
            **{"recipe": "none", "method": "sta-lstm", "switches": {"spatial": True, "temporal": True, "staged": True}},
            "params": {"model": {"hidden": 4, "layers": 1, "attention_hidden": 4}, "training": {"frames": 7}},
            **{"skeleton": skeleton_of(meta), "normalize": section(dataset), "fold": 1, "seeds": (1,)},
            **{"data": {"store_sha256": "", "split_sha256": ""}, "accuracy": {"correct": 0, "samples": 1}},
            **{"weights": "float32", "fingerprint": {}, "commit": ""},
        }
    )
    method = cells.Method(**card.switches)
    network = phases.build(phases.finetune_phases(method, card.settings)[-1], method, card.settings, meta)
    return Model(card, {1: network.state_dict()}, "made-up")


def florence(folder: Path) -> Path:
    both = florence_lines(1, 1, 2, florence_walk(4)) + florence_lines(2, 3, 9, florence_walk(5))
    (folder / "freely.txt").write_text(both)
    return folder / "freely.txt"


def nw_ucla(folder: Path) -> Path:
    unseen = nw_ucla_walk(6)
    unseen[2, 7] = 0
    (folder / "mine.json").write_bytes(json.dumps({"skeletons": unseen.tolist()}).encode())
    (folder / "a12_s03_e00_v02.json").write_bytes(nw_ucla_recording(nw_ucla_walk(6)))
    return folder


def utkinect(folder: Path) -> Path:
    lines = [f"{frame} " + " ".join(f"0.1 {k / 10} {joint / 10}" for joint in range(20)) for k, frame in enumerate((3, 4, 4, 9))]
    (folder / "mine.txt").write_text("\n".join(lines))
    return folder / "mine.txt"


MENDED: dict[str, list[dict[str, int]]] = {
    "florence3d": [],
    "nw_ucla": [{"joint that was not seen: interpolated": 1}],
    "utkinect": [{"second skeleton of a frame: left out": 1}],
}


@pytest.mark.parametrize(
    ("dataset", "write", "expected"),
    [
        ("florence3d", florence, [("freely.txt:v001_a01_c02", 4, "drink from a bottle"), ("freely.txt:v002_a03_c09", 5, "bow")]),
        ("nw_ucla", nw_ucla, [("a12_s03_e00_v02.json", 6, "carry"), ("mine.json", 6, None)]),
        ("utkinect", utkinect, [("mine.txt", 3, None)]),
    ],
)
def test_every_format_is_read(dataset: str, write: Callable[[Path], Path], expected: list[Any], tmp_path: Path) -> None:
    """With the repairs of the model: of UTKinect's two skeletons of frame 4 the first stays; classes where files say them."""
    [(form, module)] = registry.load(dataset).FORMATS.items()
    (tmp_path / "raw").mkdir()
    found = list(random_model(dataset, form, module.META).predict_all([write(tmp_path / "raw")]))
    assert [(p.clip.removeprefix(f"{tmp_path}/raw/"), len(p.frames), p.true) for p in found] == expected
    assert all(p.frames.dtype == np.float32 and p.alpha is not None and len(p.alpha) == 7 for p in found)
    assert [p.repaired for p in found if p.repaired] == MENDED[dataset]


def repairs_of(store: Path) -> dict[str, tuple[int, int]]:
    """Samples and frames of each repair that `normalize` counted."""
    return {row["repair"]: (int(row["samples"]), int(row["frames"])) for row in lines_of(store / "repairs.csv")}


def summed(clips: Iterable[Mapping[str, int]]) -> dict[str, tuple[int, int]]:
    """Of what was mended in clips: how many of them, and frames."""
    found: dict[str, tuple[int, int]] = {}
    for clip in clips:
        for repair, frames in clip.items():
            before = found.get(repair, (0, 0))
            found[repair] = before[0] + 1, before[1] + frames
    return found


def test_what_was_mended_is_said(inside: Path, tmp_path: Path) -> None:
    """The numbers of `repairs.csv`, clip by clip; in the table, in full, and in a word at the end."""
    counts: dict[str, dict[str, tuple[int, int]]] = {}
    for name, raw in (("demo-sbu-sta-lstm", "sbu"), ("demo-ntu-cs-sta-lstm", "ntu")):
        model = exported(name, tmp_path / "m.safetensors")
        told = predict.main(model, [Path("data/raw/demo", raw)], predict.Wanted(tmp_path / "t.csv"))
        predict.main(model, [Path("data/raw/demo", raw)], predict.Wanted(tmp_path / "t.json"))
        counts[raw] = summed(clip["repaired"] for clip in json.loads((tmp_path / "t.json").read_text())["clips"])
        assert all(f"; {repair}, in {clips}" in told for repair, (clips, _) in counts[raw].items())
        assert sum(row["repaired"] != "" for row in lines_of(tmp_path / "t.csv")) > 0
    assert counts["sbu"] == {"order of people: changed": repairs_of(Path("data/skeletons/demo/sbu"))["order"]}
    known = {repair: both for repair, both in repairs_of(Path("data/skeletons/demo/ntu")).items() if repair in RULES and both[0]}
    assert counts["ntu"] == known and known


REAL = {"florence3d": "florence3d", "utkinect": "utkinect", "nw-ucla": "nw_ucla", "sbu": "sbu"}


@pytest.mark.parametrize("folder", ["florence3d", "nw-ucla", "sbu"])
def test_real_files_read_alone_are_those_of_the_store(folder: str, real: Callable[[str], Path], tmp_path: Path) -> None:
    """The clips that `normalize` writes, from the published files one by one, and their classes."""
    dataset, source = REAL[folder], real(folder)
    form = reader(dataset, dataset)
    settings = form.SECTION(**section(dataset))
    module = registry.load(dataset)
    download_settings = parameters.read(ROOT / "params.yaml")["download"][dataset] | {"source": str(source)}
    module.fetch(tmp_path / "raw", module.DOWNLOAD(**download_settings))
    module.FORMATS[dataset].normalize(tmp_path / "raw" / dataset, tmp_path / "store", settings, 300)
    store = Store(tmp_path / "store")
    frames: dict[str, tuple[Frames, int]] = {}
    mended: list[Mapping[str, int]] = []
    with inputs.Contents() as contents:
        for file in inputs.find([source], form.SUFFIX, form.SAYS):
            for clip in form.read(contents.of(file), str(file), settings):
                name = clip.part or sample(str(file)).rpartition("all_sqe/")[2].removesuffix(".json")
                frames[name] = clip.frames, clip.action
                mended.append(clip.repaired)
    assert set(frames) == set(store.index["name"])
    for i, (name, action) in enumerate(zip(store.index["name"], store.index["action"], strict=True)):
        assert (frames[name][0] == store.clip(i)).all() and frames[name][1] == action
    rule = {"sbu": "order", "nw_ucla": "zero_joints"}.get(dataset)
    assert list(summed(mended).values()) == ([repairs_of(tmp_path / "store")[rule]] if rule else [])


def test_real_ntu_files_are_read(real: Callable[[str], Path]) -> None:
    form = reader("ntu", "ntu")
    found = [form.read(p.read_bytes(), str(p), form.SECTION(**section("ntu")))[0] for p in sorted(real("ntu").glob("*.skeleton"))]
    assert [clip.frames.shape[:2] for clip in found] == [(103, 1), (70, 2), (100, 1)]
    assert [clip.action for clip in found] == [1, 58, 3]


def lines_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.read_text())))


# --- the command ------------------------------------------------------------------------------------------------------


def test_tables_have_a_line_a_clip_and_json_all_of_it(file: Path, tmp_path: Path) -> None:
    model, raw = load(file), Path("data/raw/demo/sbu/s01s02.zip")
    told = predict.main(model, [raw], predict.Wanted(tmp_path / "t.csv"))
    assert told.startswith("8 clip(s) by demo-sbu-sta-lstm, fold 1, seed 1; ")
    assert "the model learned from SYNTHETIC data" in told
    predict.main(model, [raw], predict.Wanted(tmp_path / "t.json"))
    rows = lines_of(tmp_path / "t.csv")
    document = json.loads((tmp_path / "t.json").read_text())
    assert document["synthetic"] is True and document["model"]["cell"] == "demo-sbu-sta-lstm"
    assert len(rows) == len(document["clips"]) == 8
    for prediction, row, clip in zip(model.predict_all([raw]), rows, document["clips"], strict=True):
        assert row["clip"] == clip["clip"] == prediction.clip
        assert row["predicted"] == clip["predicted"] == prediction.predicted
        assert float(row["probability"]) == pytest.approx(prediction.probabilities[prediction.predicted], abs=1e-4)
        assert list(clip["probabilities"]) == document["classes"] and len(document["gates"]) == 30
        assert prediction.alpha is not None and prediction.beta is not None
        assert clip["alpha"] == pytest.approx(prediction.alpha, abs=1e-6)
        assert clip["beta"] == pytest.approx(prediction.beta, abs=1e-6)
        assert row["joint"] == document["gates"][int(prediction.alpha.mean(0).argmax())]
        assert float(row["joint_alpha_times_k"]) == pytest.approx(30 * prediction.alpha.mean(0).max(), abs=1e-3)
        assert int(row["frame"]) == int(prediction.beta.argmax()) + 1


def test_a_model_without_attention_leaves_its_columns_empty(inside: Path, tmp_path: Path) -> None:
    model = exported("demo-sbu-lstm", tmp_path / "m.safetensors")
    predict.main(model, [Path("data/raw/demo/sbu/s01s02.zip")], predict.Wanted(tmp_path / "t.csv"))
    assert {(row["joint"], row["frame"]) for row in lines_of(tmp_path / "t.csv")} == {("", "")}


WRONG = {
    "no such file": (None, "no such file or folder; expected a skeleton_pos.txt of SBU"),
    "another format": (
        b'{"skeletons": []}',
        "line 1: expected 91 numbers separated by commas, found 1; made-up reads a skel",
    ),
    "fewer joints": (b"1" + b",0.5" * 45 + b"\n", "line 1: expected 91 numbers separated by commas, found 46"),
    "empty": (b"", "line 1: expected frames, found an empty file"),
    "not a zip": (b"PK\x03\x04 cut", "clip.zip: not a complete zip archive"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("written", ["t.csv", "t.json", "t.html"])
def test_a_wrong_file_is_one_error_and_nothing_is_written(kind: str, written: str, tmp_path: Path) -> None:
    content, message = WRONG[kind]
    model = random_model("sbu", "sbu", registry.load("sbu").FORMATS["sbu"].META)
    place = tmp_path / "in" / ("clip.zip" if kind == "not a zip" else "clip.txt")
    place.parent.mkdir()
    if content is not None:
        place.write_bytes(content)
    out = tmp_path / "out" / written
    out.parent.mkdir()
    out.write_text("of before")
    wanted = predict.Wanted(html=out) if out.suffix == ".html" else predict.Wanted(to=out)
    with pytest.raises(Exception, match=message):
        predict.main(model, [place], wanted)
    assert [path.name for path in out.parent.iterdir()] == [written] and out.read_text() == "of before"


def test_one_path_is_one_path(file: Path, tmp_path: Path) -> None:
    """A string too: not its letters. A byte order mark, as some editors write it, is no fault."""
    with zipfile.ZipFile("data/raw/demo/sbu/s01s02.zip") as archive:
        text = archive.read("s01s02/01/001/skeleton_pos.txt")
    (tmp_path / "marked.txt").write_bytes(codecs.BOM_UTF8 + text)
    (tmp_path / "plain.txt").write_bytes(text)
    marked, plain = (list(load(file).predict_all(str(tmp_path / name))) for name in ("marked.txt", "plain.txt"))
    assert len(marked) == len(plain) == 1 and (marked[0].logits == plain[0].logits).all()
    assert len(list(load(file).predict_all(Path("data/raw/demo/sbu/s01s02.zip")))) == 8


def test_a_folder_that_cannot_be_read_is_named(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_self: Path, _pattern: str) -> Any:
        raise FileNotFoundError(2, "No such file or directory", "in/it")

    monkeypatch.setattr(Path, "rglob", gone)
    with pytest.raises(InputUnusable, match=r"in/it: cannot be read \(No such file or directory\)"):
        load(file).files(tmp_path)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("demo-sbu-stalstm", "params.yaml: the grid has no cell 'demo-sbu-stalstm'; in use are demo-sbu-lstm"),
        ("sbu-paper-sta-lstm", "sbu-paper-sta-lstm: its group is not in use; run `python -m pipeline use demo sbu`"),
    ],
)
def test_a_cell_that_is_not_in_use_is_one_clear_error(cell: str, message: str, tmp_path: Path) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "x.txt").write_text("")
    for arguments in (["predict", "x.txt", "--cell", cell], ["export", cell]):
        run = command(tmp_path, *arguments)
        assert run.returncode == 2 and f"error: {message}" in run.stderr and "Traceback" not in run.stderr


def test_a_damaged_member_of_a_zip_is_named_and_can_be_left_out(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile("data/raw/demo/sbu/s01s02.zip") as archive:
        texts = {name: archive.read(name) for name in archive.namelist()[:2]}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    data = bytearray(path.read_bytes())
    data[200] ^= 1  # in the first member
    path.write_bytes(data)
    with pytest.raises(InputUnusable, match=r"two.zip: s01s02/01/001/skeleton_pos.txt cannot be read"):
        list(load(file).predict_all([path]))
    told = predict.main(load(file), [path], predict.Wanted(tmp_path / "t.csv", unreadable=1))
    assert told.startswith("1 clip(s)") and [row["true"] for row in lines_of(tmp_path / "t.csv")] == ["departing"]


def test_some_files_may_be_unreadable(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.txt").write_text("1,2,3\n")
    paths = [tmp_path / "bad.txt", Path("data/raw/demo/sbu/s01s02.zip")]
    told = predict.main(load(file), paths, predict.Wanted(unreadable=1))
    captured = capsys.readouterr()
    assert "1 file(s) left out" in told and "bad.txt, line 1" in captured.err
    assert len(list(csv.DictReader(io.StringIO(captured.out)))) == 8
    with pytest.raises(InputUnusable, match=r"none of 1 file\(s\) can be read"):
        predict.main(load(file), paths[:1], predict.Wanted(unreadable=1))
    with pytest.raises(InputUnusable, match=r"bad.txt, line 1"):
        predict.main(load(file), paths, predict.Wanted())


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_command_works_outside_of_a_project_and_in_its_folders(file: Path, inside: Path, tmp_path: Path) -> None:
    raw = inside / "data" / "raw" / "demo" / "sbu" / "s01s02.zip"
    outside = command(tmp_path, "predict", str(raw), "--model", "m.safetensors")
    assert outside.returncode == 0 and len(outside.stdout.splitlines()) == 9
    within = command(raw.parent, "predict", raw.name, "--cell", "demo-sbu-sta-lstm", "--to", "mine.csv")
    assert within.returncode == 0 and (raw.parent / "mine.csv").exists(), within.stderr
    (raw.parent / "mine.csv").unlink()


def test_the_command_says_what_it_needs(file: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (["x.txt"], "expected --model FILE or --cell NAME; in models/: none"),
        (["x.txt", "--model", "m.safetensors", "--cell", "a"], "expected --model FILE or --cell NAME, not both"),
        (["x.txt", "--model", "m.safetensors", "--fold", "2"], "--fold goes with --cell"),
        (["x.html", "--model", "m.safetensors", "--html", "x.html"], "--html x.html: it is an input, and would be overwritten"),
        (["x.txt", "--model", "m.csv", "--to", "m.csv"], "--to m.csv: it is an input, and would be overwritten"),
        (["x.txt", "--model", "m.safetensors", "--html", "page.txt"], "expected a name that ends with .html"),
        (["x.txt", "--model", "m.safetensors", "--to", "t.xlsx"], "expected a name that ends with .csv or .json"),
        (["x.txt", "--model", "other.safetensors"], "error: other.safetensors: no such model"),
        (["x.txt", "--model", "m.safetensors"], "error: x.txt: no such file or folder"),
        (["x.txt", "--model", "m.safetensors", "--clips", "3"], "--clips is of the page that --html writes"),
        (["x.txt", "--model", "m.safetensors", "--to", "no/t.csv"], "--to no/t.csv: no folder no; make it first"),
    ):
        run = command(tmp_path, "predict", *arguments)
        assert run.returncode == 2 and message in run.stderr and "Traceback" not in run.stderr
    assert not (tmp_path / "no").exists()


# --- the package ------------------------------------------------------------------------------------------------------


def test_three_lines_of_python(file: Path) -> None:
    with zipfile.ZipFile("data/raw/demo/sbu/s01s02.zip") as archive:
        (file.parent / "skeleton_pos.txt").write_bytes(archive.read("s01s02/01/001/skeleton_pos.txt"))
    code = """
import sys
import pipeline
assert not {"torch", "numpy", "pandas", "pydantic"} & set(sys.modules)
from pipeline import load
model = load("m.safetensors")
print(model.predict("skeleton_pos.txt").predicted in model.classes)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=file.parent, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == "True\n"
    with pytest.raises(InputUnusable, match="expected one clip, found 8; `predict_all` predicts all of them"):
        load(file).predict("data/raw/demo/sbu/s01s02.zip")
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        import pipeline  # noqa: PLC0415

        pipeline.lode  # type: ignore[attr-defined]  # noqa: B018


def test_types_are_shipped() -> None:
    import tomllib  # noqa: PLC0415

    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["pipeline"]
    assert {"py.typed", "**/*.js", "**/*.css", "**/*.j2"} <= set(data) and (ROOT / "pipeline" / "py.typed").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*.safetensors")), ids=lambda path: path.stem)
def test_committed_models_open_and_are_of_synthetic_data(path: Path) -> None:
    assert load(path).synthetic and path.stat().st_size < 400_000
    assert cli.commands.keys() >= {"export", "predict"} and weights.CARD == "card" and resolve.main
