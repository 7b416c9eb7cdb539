"""Command `export`: the trained networks of a cell in one file that others can use without this project's data.

One run is exported unless several seeds are named: the numbers in reports are those of single networks, and alpha and beta are
then those of one network. Of several seeds logits and attention are averaged. Runs of several folds are never averaged: what is
test in one is training in the others, so no accuracy would be known. Without a wish it is fold 1 and the first seed of the cell,
whatever their accuracy: the best of them would be chosen by looking at test data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands import locks
from pipeline.commands.pack import commit
from pipeline.config import params as parameters
from pipeline.core import cell as cells
from pipeline.core.cell import Cell
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.files import read_json, sha256
from pipeline.core.places import DATA, PARAMS
from pipeline.core.skeletons import Store
from pipeline.core.training.job import Job
from pipeline.datasets.shared import registry
from pipeline.predict.card import Accuracy, Card, Data, skeleton_of

if TYPE_CHECKING:
    from pipeline.core.training.files import State

FOLDER = Path("models")


@dataclass(frozen=True)
class Run:
    """Which trained networks: a fold, its seeds (none: the cell's first), and whether 16 bits of each weight are enough."""

    fold: int = 1
    seeds: tuple[int, ...] = ()
    half: bool = False


def main(name: str, run: Run, to: Path | None = None) -> str:
    """Write the file (default `models/<cell>.safetensors`) and say what is in it.

    Raises `ParamsError` for a run that the cell does not have, `ResultsMissing` where weights, data or predictions are not on
    disk or do not belong together.
    """
    from pipeline.predict import weights  # noqa: PLC0415 (torch)

    card, states = packed(name, run)
    path = to or FOLDER / f"{name}.safetensors"
    weights.write(path, card, states)
    right, synthetic = card.accuracy, " (synthetic data)" if card.skeleton.synthetic else ""
    size = path.stat().st_size / 1000
    told = f"{right.correct} of {right.samples} test samples right ({100 * right.correct / right.samples:.1f} %)"
    return f"{path}: {card.title}{synthetic}, {card.weights}, {told}, {size:.0f} kB"


def described(name: str, path: Path) -> tuple[tuple[int, ...], int, dict[str, str], tuple[str, ...]]:
    """Write the default run of a cell to `path`; shape of a frame, number of classes, tags and requirements for a registry.

    The shape is that of `[M, J, 3]`, -1 for the bodies, of which a clip may have fewer than the network takes.
    """
    from pipeline.predict import weights  # noqa: PLC0415 (torch)

    card, states = packed(name, Run())
    weights.write(path, card, states)
    skeleton, right = card.skeleton, card.accuracy
    tags = {key: str(getattr(card, key)) for key in ("protocol", "recipe", "method", "fold", "commit")}
    tags |= {"seeds": ", ".join(map(str, card.seeds)), "synthetic": str(skeleton.synthetic).lower(), **card.data.model_dump()}
    tags |= {"test_accuracy": f"{100 * right.correct / right.samples:.2f}", "test_samples": str(right.samples)}
    needs = tuple(f"{package}=={version(package)}" for package in ("sta-lstm-pipeline", "torch", "numpy", "safetensors"))
    return (-1, len(skeleton.joints), 3), len(skeleton.actions), tags, needs


def packed(name: str, run: Run) -> tuple[Card, dict[int, State]]:
    """The card and weights of runs of a cell, from what is on disk."""
    from pipeline.core.training.run import restore  # noqa: PLC0415 (torch)
    from pipeline.predict import weights  # noqa: PLC0415
    from pipeline.predict.model import Model  # noqa: PLC0415

    locks.refuse_stale(parameters.load(), [name])
    cell = cells.load(name, "evaluate")
    seeds = tuple(dict.fromkeys(run.seeds)) or cell.seeds[:1]
    jobs = jobs_of(cell, run.fold, seeds)
    store = Store(cell.store)
    states = {job.seed: restore(job, store).state_dict() for job in jobs}
    card = card_of(cell, store, run.fold, seeds)
    if not run.half:
        return card, states
    rounded = {seed: weights.rounded(state) for seed, state in states.items()}
    right = accuracy_again(Model(card, rounded, name), jobs[0])
    return card.model_copy(update={"weights": "float16", "accuracy": right}), rounded


def jobs_of(cell: Cell, fold: int, seeds: Sequence[int]) -> list[Job]:
    """The runs, checked to be there."""
    for path in (cell.store / "meta.json", cell.split):
        if not path.exists():
            raise ResultsMissing(
                f"{path}: expected the data of {cell.name}, found none; run `dvc repro split@{cell.dataset}` first"
            )
    found = {(job.fold, job.seed): job for job in cells.jobs(cell, "finetune")}
    if unknown := [seed for seed in seeds if (fold, seed) not in found]:
        folds, own = registry.ranges(cell.folds()), registry.ranges(cell.seeds)
        raise ParamsError(f"{cell.name} has no run of fold {fold}, seed {unknown[0]}; its folds are {folds}, its seeds {own}")
    jobs = [found[fold, seed] for seed in seeds]
    for job in jobs:
        if not (path := job.target / "model.pt").exists():
            advice = "run `dvc repro`, or `dvc pull` where a remote has it"
            raise ResultsMissing(f"{path}: expected the weights of a trained run, found none; {advice}")
    return jobs


def card_of(cell: Cell, store: Store, fold: int, seeds: Sequence[int]) -> Card:
    """What is known of the runs; `ResultsMissing` where they were trained on other data than those on disk."""
    trained = _read(cell.results / "run.json")
    data = {"store_sha256": store.sha256, "split_sha256": sha256(cell.split)}
    if trained.get("data") != data:
        raise ResultsMissing(
            f"{cell.results}/run.json: {cell.name} was trained on other data than those on disk; run `dvc repro`"
        )
    made = registry.params_of(cell.dataset, "normalize")["stores"][cell.store_name]
    skeleton = skeleton_of(store.meta)
    synthetic = registry.synthetic(cell.dataset, DATA / "skeletons" / cell.dataset)
    document = _read(PARAMS / cell.name / "evaluate.json")
    card = Card(
        version=1,
        cell=cell.name,
        dataset=cell.dataset,
        format=made["format"],
        store=cell.store_name,
        protocol=cell.protocol,
        recipe=cell.recipe,
        method=cell.method_name,
        switches=document["method"],
        params=document["params"],
        skeleton=skeleton.model_copy(update={"synthetic": synthetic}),
        normalize=made["section"],
        fold=fold,
        seeds=tuple(seeds),
        data=Data(**data),
        accuracy=accuracy(cell, fold, seeds),
        weights="float32",
        fingerprint=trained["fingerprint"],
        commit=commit(),
    )
    card.check(cell.name)
    return card


def accuracy(cell: Cell, fold: int, seeds: Sequence[int]) -> Accuracy:
    """Of the logits averaged over seeds, from the predictions of the stage `evaluate`."""
    import pandas as pd  # noqa: PLC0415

    path = cell.results / "evaluate" / "predictions.csv"
    if not path.exists():
        raise ResultsMissing(f"{path}: expected predictions, found none; run `dvc repro`")
    table = pd.read_csv(path, dtype={"name": str}, keep_default_na=False)
    own = table[(table["fold"] == fold) & table["seed"].isin(list(seeds))]
    means = own.groupby("name")[[column for column in own.columns.astype(str) if column.startswith("logit_")]].mean()
    labels = own.groupby("name")["label"].first()
    return Accuracy(correct=int((means.to_numpy().argmax(1) == labels.to_numpy()).sum()), samples=len(means))


def accuracy_again(model: Any, job: Job) -> Accuracy:
    """Of a model whose weights were rounded, on the test samples of its fold."""
    from pipeline.core.training.files import clips_of  # noqa: PLC0415 (torch)

    clips = clips_of(job, "test")
    right = model.answer(clips).logits.argmax(1) == clips.labels
    return Accuracy(correct=int(right.sum()), samples=len(clips))


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read_json(path)
    except (OSError, ValueError) as error:
        raise ResultsMissing(f"{path}: expected the record of a trained cell ({error}); run `dvc repro`") from error
    return found
