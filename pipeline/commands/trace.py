"""Command `trace`: what the results of a cell were made from, and the command that makes them again. It changes nothing.

What is known comes from `run.json` (parameters, data, fingerprints), DVC's lock (versions of data and code), `params.yaml`
(provenance), git (the commit that recorded the results), the note of this machine (libraries, machine) and MLflow.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.commands import baseline, recorded
from pipeline.commands.pipelines import folder_of
from pipeline.config import params as parameters
from pipeline.config import resolve
from pipeline.config.params import Config
from pipeline.core import cell as cells
from pipeline.core import made
from pipeline.core.errors import PipelineError, ResultsMissing
from pipeline.core.files import flatten, read_json

Tracking = Callable[[Path, str], str]
"""The MLflow run of a fingerprint, or why there is none, in words; the command line hands it in."""


def main(root: Path, name: str, tracking: Tracking) -> Iterator[str]:
    """Lines about a cell of the grid. Raises `ParamsError` where there is no such cell, `ResultsMissing` without results.

    Of a cell whose results are not on disk, as in a fresh clone, what the repository has is told.
    """
    config = parameters.load(root / parameters.FILE)
    cell, _ = parameters.for_cell(config, name)
    results = root / "data/results" / cell.dataset / name
    lock, place = _lock(root, name, config)
    again = f"again: python -m pipeline use {cell.group} && dvc repro {place.parent.relative_to(root).as_posix()}/dvc.yaml"
    if not (results / "run.json").exists() and (told := list(_of_repository(config, name, lock))):
        yield from [*told[:2], *_commit(root, lock, place), *told[2:], *_parameters(root, _now(config, name), config), again]
        return
    run = _read(results / "run.json", name)
    yield f"{name}: protocol {run['protocol']}, recipe {run['recipe']}, method {run['method']}, data set {run['dataset']}"
    yield from _numbers(results)
    yield from _commit(root, lock, place)
    yield from _data(run, lock)
    yield from _code(name, run, lock)
    yield from _machine(name, run)
    yield f"MLflow: {tracking(root, run['fingerprint']['finetune'])}"
    yield from _parameters(root, run, config)
    yield again


def _of_repository(config: Config, name: str, lock: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Of a cell whose predictions are committed: those, its runs, and the versions in its lock. Nothing of another."""
    cell = config.every[name]
    path = baseline.file_of(cell.dataset)
    if not path.exists() or (table := baseline.read(cell.dataset).get(name)) is None:
        return
    where = f"protocol {cell.protocol}, recipe {cell.recipe}, method {cell.method}, data set {cell.dataset}"
    yield f"{name}: {where}; its results are not on disk, and this is what the repository has of them"
    right = (table["label"] == table["predicted"]).groupby(table["fold"]).mean()
    yield f"accuracy: {100 * right.mean():.2f} %, mean of {len(right)} folds; {len(table)} predictions in {path}"
    yield from _data({"data": {}}, lock)
    yield from _code(name, {"fingerprint": {}}, lock)
    runs = (recorded.read(cell.dataset)["cell"] == name).sum()
    yield f"runs: {runs} of them in {recorded.TABLES / cell.dataset}.csv, with SHA-256 of weights, history and predictions"
    key, text = f"data/params/{name}/finetune.json", json.dumps(resolve.of_cell(config, name)["finetune"], indent=1) + "\n"
    same = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() == lock.get("finetune", {}).get(key)
    yield f"parameters: as params.yaml has them now, {'the same as' if same else 'NOT those'} in the lock"


def _now(config: Config, name: str) -> dict[str, Any]:
    """What `finetune` and `evaluate` read of `params.yaml` now, in the form of `run.json`."""
    documents = resolve.of_cell(config, name)
    found = {key: value for stage in ("evaluate", "finetune") for key, value in flatten(documents[stage]["params"]).items()}
    return {"recipe": config.every[name].recipe, "params": dict(sorted(found.items()))}


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = read_json(path)
        missing = {"protocol", "recipe", "method", "dataset", "fingerprint", "params", "data", "runs"} - set(content)
    except (OSError, ValueError, TypeError) as error:
        advice = f"run `dvc repro`, or `dvc pull` where a remote has it ({error})"
        raise ResultsMissing(f"{path}: expected the results of {name}; {advice}") from error
    if missing:
        raise ResultsMissing(f"{path}: has no {', '.join(sorted(missing))}; run `dvc repro`")
    return content


def _lock(root: Path, name: str, config: Config) -> tuple[dict[str, dict[str, str]], Path]:
    """By stage of the cell the hash that DVC's lock has of each dependency and output, and the lock's path."""
    place = root / folder_of(name, config.every[name]) / "dvc.lock"
    try:
        stages = parameters.parse(place.read_text(encoding="utf-8"))["stages"]
        return {s: {e["path"]: e["md5"] for e in (*d.get("deps", ()), *d.get("outs", ()))} for s, d in stages.items()}, place
    except Exception:  # there is none, or it is cut: the rest is told all the same
        return {}, place


def _numbers(results: Path) -> Iterator[str]:
    try:
        document = read_json(results / "evaluate/metrics.json")
        samples = sum(run["samples"] for run in document["runs"])
        share: dict[int, list[float]] = {}
        for run in document["runs"]:
            share.setdefault(run["fold"], []).append(100 * run["correct"] / run["samples"])
        mean = fmean(fmean(seeds) for seeds in share.values())
        together = f"{document['accuracy']:.2f} % of {samples} predictions together"
        yield f"accuracy: {mean:.2f} %, mean of {len(share)} folds; {together}"
    except (OSError, ValueError, LookupError, TypeError) as error:
        yield f"accuracy: not evaluated ({type(error).__name__}: {error})"


def _commit(root: Path, lock: Mapping[str, Mapping[str, str]], place: Path) -> Iterator[str]:
    """The last commit that changed the hash of the evaluation in the lock: the one that recorded these results."""
    evaluated = next((h for path, h in lock.get("evaluate", {}).items() if path.endswith("/evaluate")), "")
    command = ["git", "log", "-1", "--format=%H %cs %s", f"-S{evaluated}", "--", str(place.relative_to(root))]
    found = ""
    if evaluated:
        try:
            found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            found = ""
    yield f"commit: {found or 'no commit has these results in its lock'}"


def _data(run: Mapping[str, Any], lock: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    yield from (f"data: {key} {value}" for key, value in run["data"].items())
    known = {path: h for stage in lock.values() for path, h in stage.items() if path.startswith("data/")}
    yield from (f"data: {path} md5 {h}" for path, h in sorted(known.items()))


def _code(name: str, run: Mapping[str, Any], lock: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for stage, known_as in run["fingerprint"].items():
        try:
            now = cells.fingerprint(cells.load(name, stage), stage)
            same = "as on disk" if now == known_as else f"on disk it is {now}: parameters, data or code changed since"
        except (PipelineError, OSError) as error:
            same = f"cannot be compared here ({error})" if stage != "pretrain" else "the method has no such stage"
        yield f"fingerprint of {stage}: {known_as}, {same}"
    known = {path: h for stage in lock.values() for path, h in stage.items() if path.startswith("pipeline/")}
    yield from (f"code: {path} md5 {h}" for path, h in sorted(known.items()))


def _machine(name: str, run: Mapping[str, Any]) -> Iterator[str]:
    noted = made.noted(name, "finetune")
    if noted.get("fingerprint") != run["fingerprint"]["finetune"]:
        which = "as of results that came from elsewhere or out of DVC's cache"
        yield f"machine: not noted here, {which}; constraints.txt of their commit has the libraries"
        return
    yield "machine: " + ", ".join(f"{key} {value}" for key, value in noted["machine"].items())
    yield "libraries: " + ", ".join(f"{key} {value}" for key, value in noted["libraries"].items())


def _parameters(root: Path, run: Mapping[str, Any], config: Config) -> Iterator[str]:
    """A line a parameter: its value, provenance and reason; and whether the recipe set it, in place of what the reason is of."""
    known = {key: (tag, reason) for key, _, tag, reason in parameters.provenance(root / parameters.FILE)}
    changed = flatten(config.params.recipes.get(run["recipe"], {}))
    for key, value in run["params"].items():
        by = f" (recipe {run['recipe']})" if key in changed else ""
        plain = ("ours", f"what recipe {run['recipe']} sets") if key in changed else known.get(key, ("", ""))  # not of its value
        tag, reason = known.get(f"recipes.{run['recipe']}.{key}", plain)
        told = f"  [{tag}] {reason}" if tag else ""
        yield f"parameter: {key} = {value}{by}{told}"
