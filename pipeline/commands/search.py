"""The search behind a recipe: nested validation, in which no fold is scored or chosen for by anything that saw it.

For every pair of folds one network a seed learns from all the other folds and answers for both. So inside an outer fold f,
every other fold d is answered by a network that saw neither f nor d, and the score of a candidate inside f is its mean accuracy
over all d. The choice of f is the candidate with the best score inside f: no sample of f had a part in it.

Networks are remembered in `.work/search`, so an interrupted search goes on where it was. Each is scored with every number of
views that the search lists. The recipe of the project was searched for with STA-LSTM; `--method` gives another method the same
candidates and the same budget, in a record of its own, which the answers are made from and no report of a data set.
"""

from __future__ import annotations

import gzip
import json
import shutil
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import params as parameters
from pipeline.config.commands import Candidate, Search
from pipeline.config.resolve import plain
from pipeline.core import cell as cells
from pipeline.core.cell import Cell
from pipeline.core.errors import ParamsError, ResultsMissing
from pipeline.core.files import fingerprint, flatten, sha256, whole, write_json
from pipeline.core.places import WORK as SCRATCH
from pipeline.core.settings import Method, Settings
from pipeline.core.skeletons import Store
from pipeline.core.training.job import Job
from pipeline.running import runs

OUT, OF_METHODS, WORK = Path("reports/search"), Path("reports/searched"), SCRATCH / "search"
SEVERAL = ", "  # between the name of a candidate and its number of views
RULE = (
    "Inside an outer fold, every other fold is answered by networks that saw neither; the candidate with the best mean accuracy"
    " there is the fold's choice, the earlier one of equals. The recipe is frozen as the choice of the most folds, of equals the"
    " one with the better mean over all folds."
)


@dataclass(frozen=True)
class Task:
    """A network to train: the folds that it must not see, its jobs, where folds are looked up and answers remembered.

    `pair` is two folds, or 0 and one for a network that answers for an outer fold.
    """

    pair: tuple[int, int]
    pretrain: Job
    views: tuple[int, ...]
    folds: Path
    memory: Path

    @property
    def finetune(self) -> Job:
        """The second job, which starts from the weights of the first."""
        target = self.pretrain.target.with_name("finetune")
        live, checkpoint = target.with_suffix(".csv"), target.with_suffix(".pt")
        start = self.pretrain.target if self.is_pretrained else None
        return replace(self.pretrain, stage="finetune", start=start, target=target, live=live, checkpoint=checkpoint)

    @property
    def is_pretrained(self) -> bool:
        """Whether the method has a first job at all."""
        return cells.has_pretraining(self.pretrain.method)

    @property
    def fold(self) -> int:
        """For messages: the number of the inner split."""
        return self.pretrain.fold

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.pretrain.seed


@dataclass(frozen=True)
class Plan:
    """What is searched for: section `search`, its cell, and the method with stages and from scratch."""

    cell: Cell
    section: Search
    method: str
    scratch: str

    def method_of(self, candidate: Candidate) -> str:
        """The method of a candidate."""
        return self.method if candidate.staged else self.scratch


def main(only: list[str], method: str | None = None) -> None:
    """Train and score every candidate of section `search` that is not remembered; write its record and its nested predictions.

    The record is `reports/search/<dataset>.json`, from which the report tells how a recipe was chosen; that of a `method` is
    `reports/searched/<dataset>-<method>.json`. The predictions are `reports/searched/<dataset>-<method>.csv.gz` of either. With
    names in `only`, score these alone and write nothing.
    """
    plan = plan_of(method)
    cell, section = plan.cell, plan.section
    if unknown := sorted(set(only) - set(section.candidates)):
        raise ParamsError(f"params.yaml: search.candidates has no {', '.join(unknown)}; it has {', '.join(section.candidates)}")
    if not cell.split.exists():
        raise ResultsMissing(f"{cell.split}: expected a split, found none; run `dvc repro split@{cell.dataset}` first")
    split = write_pairs(cell)
    folds = sorted(pd.read_csv(split)["fold"].unique().tolist())
    todo = {name: tasks(plan, name, split, folds, section.seeds) for name in only or section.candidates}
    answers = dict(zip(todo, answer(list(todo.values()), f"search@{cell.name}"), strict=True))
    outcome = summarise(plan, answers)
    if not only:
        stem = f"{cell.dataset}-{plan.method}"
        outcome["outer"] = outer(plan, outcome["chosen"], OF_METHODS / f"{stem}.csv.gz")
        write_json(outcome, OUT / f"{cell.dataset}.json" if method is None else OF_METHODS / f"{stem}.json")
    print(as_text(outcome))


def plan_of(method: str | None) -> Plan:
    """The search of params.yaml, for its cell's method or another.

    `ParamsError` where params.yaml has no such method, or no gradient trains it: what the candidates change it does not read.

    From scratch a method is called `<method>-scratch`; one that has no stages anyway stays itself.
    """
    config = parameters.load()
    name, methods = config.every[config.search.cell].method if method is None else method, config.params.methods
    scratch = f"{name}-scratch" if name in methods and methods[name].staged else name
    if name not in methods:
        raise ParamsError(f"params.yaml: methods has no {name!r}; it has {', '.join(methods)}")
    if scratch not in methods:
        raise ParamsError(
            f"params.yaml: methods.{name} is trained in stages, and candidates without them need a method {scratch!r}, which is"
            " not there; search for a method that has it, such as sta-lstm, or add it"
        )
    if not methods[name].by_gradient:
        raise ParamsError(
            f"params.yaml: methods.{name}: no gradient trains it, and the candidates of `search` change how networks learn"
        )
    return Plan(cells.load(config.search.cell, "finetune"), config.search, name, scratch)


def answer(todo: list[list[Task]], title: str) -> list[list[dict[str, Any]]]:
    """What the networks get right, in the order of the tasks; those that are not remembered are trained first."""
    missing = {task.memory: task for each in todo for task in each if not task.memory.exists()}
    runs.run_all(train_and_score, list(missing.values()), title)
    return [[json.loads(task.memory.read_text()) for task in each] for each in todo]


def outer(plan: Plan, chosen: dict[str, str], path: Path) -> dict[str, Any]:
    """The nested estimate: accuracy in per cent of each outer fold, by its own choice, trained on all of the other folds.

    The predictions behind it go to `path`, in the columns of `reports/baseline`; `cell` is the method there.
    """
    split, seeds = WORK / plan.cell.name / "outer.csv", plan.section.nested_seeds
    shutil.copyfile(plan.cell.split, split)
    todo = [tasks(plan, name.partition(SEVERAL)[0], split, [int(fold)], seeds) for fold, name in chosen.items()]
    found = list(zip(chosen.items(), answer(todo, f"search@{plan.cell.name}, outer folds"), strict=True))
    write_predictions(plan, found, path)
    folds = {fold: round(mean(each, fold, views_of(name)), 2) for (fold, name), each in found}
    return {"folds": folds, "mean": round(float(np.mean(list(folds.values()))), 2), "seeds": seeds}


def write_predictions(plan: Plan, found: list[tuple[tuple[str, str], list[dict[str, Any]]]], path: Path) -> None:
    """The predictions of the outer folds' networks as a table: cell, fold, seed, name, label, predicted."""
    labels = Store(plan.cell.store).index.set_index("name")["action"]
    rows = [
        (plan.method, int(fold), answer["seed"], name, int(labels[name]), predicted)
        for (fold, choice), answers in found
        for answer in answers
        for name, predicted in answer["predicted"][str(views_of(choice))].items()
    ]
    table = pd.DataFrame(rows, columns=["cell", "fold", "seed", "name", "label", "predicted"])
    text = table.sort_values(["fold", "seed", "name"]).to_csv(index=False, lineterminator="\n")
    with whole(path, path.parent) as unfinished:
        unfinished.write_bytes(gzip.compress(text.encode(), mtime=0))


def mean(answers: list[dict[str, Any]], fold: str, views: int) -> float:
    """Mean accuracy on a fold in per cent, over networks."""
    return float(np.mean([100 * a["right"][str(views)][fold][0] / a["right"][str(views)][fold][1] for a in answers]))


def views_of(name: str) -> int:
    """How many views a scored candidate has, by its name."""
    return int(name.partition(SEVERAL)[2].removesuffix(" views") or 1)


def write_pairs(cell: Cell) -> Path:
    """The inner splits of a cell's protocol as a table on disk."""
    path = WORK / cell.name / "pairs.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs(pd.read_csv(cell.split, dtype={"name": str})).to_csv(path, index=False, lineterminator="\n")
    return path


def pairs(split: pd.DataFrame) -> pd.DataFrame:
    """The inner splits, `fold,name,part`: fold 10a + b is test on the folds a and b, and trains on all the others.

    `split` is a protocol's, in which every sample is test in one fold; `ParamsError` where it has not three to nine folds.
    """
    own = split[split["part"] == "test"].set_index("name")["fold"]
    folds = sorted(own.unique())
    if not 3 <= len(folds) <= 9:
        raise ParamsError(f"params.yaml: search.cell: nested validation needs a protocol of 3 to 9 folds, not {len(folds)}")
    parts = []
    for a, b in combinations(folds, 2):
        part = np.where(own.isin([a, b]), "test", "train")
        parts.append(pd.DataFrame({"fold": 10 * a + b, "name": own.index, "part": part}))
    return pd.concat(parts, ignore_index=True)


def candidate_params(plan: Plan, candidate: Candidate) -> tuple[Method, Settings]:
    """A candidate's method, and the parameters of the file under the search's base and the candidate's changes."""
    document = parameters.load().params.model_dump()
    for changes in (plan.section.base, candidate.changes):
        document = parameters.overlay(document, changes, "search")
    return plain(parameters.build(document).params, plan.method_of(candidate))


def tasks(plan: Plan, name: str, split: Path, folds: list[int], seeds: list[int]) -> list[Task]:
    """A network of a candidate for each of these folds of a split, and seed."""
    cell, views = plan.cell, plan.section.views
    method, params = candidate_params(plan, plan.section.candidates[name])
    data = [sha256(cell.store / "meta.json"), sha256(split)]
    code = [file for path in cells.code_of(method, "finetune") for file in (path.rglob("*.py") if path.is_dir() else [path])]
    print_ = fingerprint([asdict(params), asdict(method), data, views], code)
    found = []
    for fold in folds:
        for seed in seeds:
            place = split.parent / f"{print_}-fold-{fold}-seed-{seed}"
            paths = place / "pretrain", place / "pretrain.csv", place / "pretrain.pt"
            pretrain = Job("pretrain", fold, seed, method, params, cell.store, split, None, 0, *paths)
            found.append(Task(divmod(fold, 10), pretrain, tuple(views), cell.split, place.with_suffix(".json")))
    return found


def train_and_score(task: Task) -> None:
    """Train one network, remember how many it gets right of each fold with each number of views, forget its weights."""
    from pipeline.core.training.augment import views  # noqa: PLC0415 (torch)
    from pipeline.core.training.files import clips_of  # noqa: PLC0415
    from pipeline.core.training.loop import device_of, predict_views  # noqa: PLC0415
    from pipeline.core.training.run import restore, train  # noqa: PLC0415

    start = time.process_time()
    if task.is_pretrained:
        train(task.pretrain)
    train(task.finetune)
    clips = clips_of(task.finetune, "test")
    model, device = restore(task.finetune, clips.store), device_of(task.finetune.params.training)
    model.to(device)
    names = clips.store.index["name"].to_numpy()[clips.rows]
    right, predicted = {}, {}
    for count in task.views:
        classes = predict_views(model, clips, 256, device, views(clips.store.meta, count)).logits.argmax(1)
        right[str(count)] = counts(pd.Series(classes == clips.labels, index=names), task.folds)
        predicted[str(count)] = dict(zip(names.tolist(), (classes + 1).tolist(), strict=True))
    seconds = round(time.process_time() - start, 1)
    found = {"pair": task.pair, "seed": task.seed, "right": right, "predicted": predicted, "seconds": seconds}
    write_json(found, task.memory)
    shutil.rmtree(task.memory.with_suffix(""), ignore_errors=True)


def counts(right: pd.Series, split: Path) -> dict[str, list[int]]:
    """(right, all) by fold, from whether each sample (the index) was right."""
    table = pd.read_csv(split, dtype={"name": str})
    own = table[table["part"] == "test"].set_index("name")["fold"]
    groups = right.groupby(own.loc[right.index].to_numpy())
    return {str(fold): [int(group.sum()), len(group)] for fold, group in groups}


def inner(answers: list[dict[str, Any]], views: int) -> dict[int, dict[int, float]]:
    """Score inside each outer fold by seed, per cent: mean over the other folds of the accuracy of networks that saw neither."""
    found: dict[tuple[int, int], list[float]] = {}
    for answer in answers:
        for outer, other in (answer["pair"], answer["pair"][::-1]):
            good, of = answer["right"][str(views)][str(other)]
            found.setdefault((outer, answer["seed"]), []).append(100 * good / of)
    folds, seeds = (sorted({key[i] for key in found}) for i in (0, 1))
    return {fold: {seed: float(np.mean(found[fold, seed])) for seed in seeds} for fold in folds}


def summarise(plan: Plan, answers: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The outcome as it is written: scores of every candidate inside every outer fold, choices, budget.

    `answers` are those of each candidate's networks.
    """
    seconds = [a["seconds"] for each in answers.values() for a in each]
    section = plan.section
    candidates = [score(plan, name, each, views) for name, each in answers.items() for views in section.views]
    chosen, frozen = choose(candidates)
    budget = {"networks": len(seconds), "core_minutes": round(sum(seconds) / 60, 1)}
    head = {"protocol": plan.cell.protocol, "method": plan.method, "seeds": section.seeds, "budget": budget}
    head |= {"rule": RULE, "base": section.base}
    return {**head, "folds": sorted(map(int, chosen)), "candidates": candidates, "chosen": chosen, "frozen": frozen}


def score(plan: Plan, name: str, answers: list[dict[str, Any]], views: int) -> dict[str, Any]:
    """The row of a candidate with a number of views."""
    candidate = plan.section.candidates[name]
    table = pd.DataFrame(inner(answers, views))  # seeds x folds
    spread = round(float(table.mean(axis=1).std(ddof=1)), 2) if len(table) > 1 else None
    changes = flatten(candidate.changes) | ({"evaluate.views": views} if views > 1 else {})
    return {
        "name": f"{name}{SEVERAL}{views} views" if views > 1 else name,
        "round": candidate.round,
        "method": plan.method_of(candidate),
        "changes": changes,
        "inner": {str(fold): round(value, 2) for fold, value in table.mean().items()},
        "mean": round(float(table.mean().mean()), 2),
        "sd_seeds": spread,
    }


def choose(candidates: list[dict[str, Any]]) -> tuple[dict[str, str], str]:
    """The choice of each outer fold, and the candidate that is frozen; see `RULE`."""
    folds = candidates[0]["inner"]
    chosen = {fold: max(candidates, key=lambda c: c["inner"][fold])["name"] for fold in folds}
    votes = Counter(chosen.values())
    frozen = max((c for c in candidates if c["name"] in votes), key=lambda c: (votes[c["name"]], c["mean"]))
    return chosen, frozen["name"]


def as_text(outcome: dict[str, Any]) -> str:
    """A table for the terminal."""
    rows = [{"candidate": c["name"], **c["inner"], "mean": c["mean"], "sd": c["sd_seeds"]} for c in outcome["candidates"]]
    lines = [pd.DataFrame(rows).to_string(index=False)]
    lines += [f"each outer fold by its own choice: {outcome['outer']}"] if "outer" in outcome else []
    lines += [f"choice of each outer fold: {outcome['chosen']}", f"frozen: {outcome['frozen']}", f"budget: {outcome['budget']}"]
    return "\n".join(lines)
