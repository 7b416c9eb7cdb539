"""Log what MLflow lacks: one experiment a protocol, a parent run a cell, a child run a fold and seed.

Runs are found again by their fingerprints, so that doing it twice adds nothing. `rows_<stage>` on a child counts the epochs
that MLflow has; it is written with them, so that an interrupted fill goes on where it was. Several machines may fill one server
with the same cells at a time: see `Fill.claim`.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tracking import contents
from pipeline.tracking.histories import Document, Epoch, Run, Stamp, Trained, find
from pipeline.tracking.store import failures, home, lock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment
    from mlflow.entities import Run as MlflowRun

PARENT = "mlflow.parentRunId"
STAGES = ("pretrain", "finetune")
ORIGIN = ("git_commit", "git_dirty", "backfilled", "mlflow.source.git.commit")
BATCH = 900  # MLflow takes at most 1000 metrics in one call
ACCURACY = "test_accuracy"


@dataclass
class Counts:
    """What a `sync` added, and the folders that it could not read, with the reason."""

    experiments: int = 0
    parents: int = 0
    children: int = 0
    epochs: int = 0
    accuracies: int = 0
    unreadable: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """In words, for the command line."""
        return (
            f"{self.experiments} experiment(s), {self.parents} cell(s), {self.children} run(s), "
            f"{self.epochs} epoch(s), {self.accuracies} test accuracy value(s)"
        )


def sync(root: Path, client: MlflowClient, seen: set[Stamp] | None = None, accuracies: bool = True) -> Counts:
    """Log everything on disk that MLflow lacks, and return what was added; a second time, nothing.

    `seen` remembers what need not be looked at again. `accuracies=False` is for use beside a training: until it is evaluated,
    the test accuracy on disk is that of the training before. Raises `TrackingUnavailable` where MLflow fails or another process
    keeps it busy; what was added until then stays.
    """
    with failures(root), lock(root):
        fill = Fill(root, client, accuracies)
        for source in find(root):
            try:
                stamp = source.stamp()
                if seen is not None and stamp in seen:
                    continue
                trained = source.read()
            except (OSError, ValueError, KeyError, TypeError) as error:  # training may be writing or removing it
                if source.folder.exists():
                    fill.counts.unreadable.append(f"{source.folder}: {type(error).__name__}: {error}")
                continue
            fill.add(trained)
            if seen is not None:
                seen.add(stamp)
        return fill.counts


@dataclass
class Fill:
    """One pass over the disk."""

    root: Path
    client: MlflowClient
    accuracies: bool
    counts: Counts = field(default_factory=Counts)
    experiments: dict[str, str] = field(default_factory=dict)
    reports: set[tuple[str, str]] = field(default_factory=set)

    @cached_property
    def commit(self) -> dict[str, str]:
        """The commit and whether code or parameters differ from it (DVC itself changes dvc.lock); empty without git."""
        try:
            sha = self.git("rev-parse", "HEAD")
            changed = self.git("status", "--porcelain", "--", "pipeline", "params.yaml")
        except (OSError, subprocess.SubprocessError):
            return {}
        return {"git_commit": sha, "git_dirty": str(bool(changed)).lower(), "mlflow.source.git.commit": sha}

    def origin(self, trained: Trained) -> dict[str, str]:
        """The commit as tags; `backfilled` says that it is that of the logging, and perhaps not that of the training."""
        return self.commit if trained.live else {**self.commit, "backfilled": "true"}

    def git(self, *arguments: str) -> str:
        """What git prints."""
        run = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True, timeout=30)
        return run.stdout.strip()

    def add(self, trained: Trained) -> None:
        """Log a cell: its parent run and its children."""
        document = trained.document
        experiment = self.experiment(document.protocol)
        parent, is_new = self.claim(
            lambda own: self.parent(experiment, document, own),
            lambda: self.create(experiment, document.cell, trained, self.origin(trained)),
        )
        self.counts.parents += is_new
        if not is_new:
            self.complete(parent, trained)
        children = {} if is_new else {place(run): run for run in self.search(experiment, child_of(parent))}
        before = self.counts.epochs
        for run in self.expected(trained):
            self.child(experiment, parent, children.get(run), run, trained)
        self.accuracy(parent, trained.accuracy, 0, trained)
        if self.accuracies and not trained.live:
            contents.evaluation(self.client, parent, document, trained.folder, int(1000 * trained.changed))
            self.report(experiment, document.dataset)
        self.status(parent, trained, grown=self.counts.epochs > before)

    def report(self, experiment: str, dataset: str) -> None:
        """Log the report of a data set in an experiment, once a pass."""
        if (experiment, dataset) not in self.reports:
            self.reports.add((experiment, dataset))
            known = self.search(experiment, f"tags.dataset = '{dataset}' and attributes.run_name = 'report'")
            contents.report(self.client, experiment, known[0] if known else None, self.root, dataset)

    def claim(self, look: Callable[[str], MlflowRun | None], make: Callable[[], MlflowRun]) -> tuple[MlflowRun, bool]:
        """The run that `look` finds, else a new one by `make`; and whether it is new. `look` leaves out the run with an id.

        MLflow cannot say "create unless it exists", and another machine may do the same now. So who finds another's run after
        making one takes its own away and looks again: of two that made one, at least the later sees the other's.
        """
        while (found := look("")) is None:
            own = make()
            if look(own.info.run_id) is None:
                return own, True
            self.client.delete_run(own.info.run_id)
            time.sleep(random.uniform(0.1, 1.0))  # noqa: S311 (so that two do not go on in step)
        return found, False

    def parent(self, experiment: str, document: Document, own: str) -> MlflowRun | None:
        """The parent run of a cell other than `own`, or None."""
        runs = self.search(experiment, f"tags.fingerprint_pretrain = '{document.fingerprint['pretrain']}'")
        others = [run for run in runs if PARENT not in run.data.tags and run.info.run_id != own]
        return choose(others, document.fingerprint)

    def experiment(self, name: str) -> str:
        """The id of an experiment, made or brought back where it is not there."""
        if name not in self.experiments:
            found = self.client.get_experiment_by_name(name) or self.new_experiment(name)
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
            for key, value in contents.KIND.items():
                if found.tags.get(key) != value:
                    self.client.set_experiment_tag(found.experiment_id, key, value)
            self.experiments[name] = found.experiment_id
        return self.experiments[name]

    def new_experiment(self, name: str) -> Experiment:
        """A new experiment, or the one that another machine made at the same time."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        ours = not os.environ.get("MLFLOW_TRACKING_URI")  # any other place has its own rule for artifacts
        place = (home(self.root) / "mlruns" / name).as_uri() if ours else None
        try:
            made = self.client.get_experiment(self.client.create_experiment(name, artifact_location=place))
        except MlflowException:
            if (found := self.client.get_experiment_by_name(name)) is None:
                raise
            return found
        self.counts.experiments += 1
        return made

    def search(self, experiment: str, condition: str) -> list[MlflowRun]:
        """All runs of an experiment that meet a condition."""
        runs: list[MlflowRun] = []
        token: str | None = None
        while token is None or token:
            page = self.client.search_runs([experiment], condition, max_results=1000, page_token=token)
            runs, token = [*runs, *page], page.token or ""
        return runs

    def expected(self, trained: Trained) -> list[Run]:
        """The runs to have: of a finished cell all, of a growing one those that have an epoch."""
        named = [] if trained.live else trained.document.runs
        return sorted({*named, *(run for run, epochs in trained.epochs.items() if epochs)})

    def create(self, experiment: str, name: str, trained: Trained, tags: dict[str, str]) -> MlflowRun:
        """A new run with the cell's tags and parameters, and other tags."""
        tags = {**cell_tags(trained.document), **tags}
        run = self.client.create_run(experiment, start_time=int(1000 * trained.began), tags=tags, run_name=name)
        self.client.log_inputs(run.info.run_id, contents.inputs(trained.document))
        self.complete(run, trained)
        return run

    def complete(self, run: MlflowRun, trained: Trained) -> None:
        """Log the parameters that a run lacks; give a run of `pretrain` the tags of the `finetune` that goes on with it."""
        from mlflow.entities import Param, RunTag  # noqa: PLC0415

        known, document = run.data.tags, trained.document
        new = [Param(key, str(value)) for key, value in sorted(document.params.items()) if key not in run.data.params]
        adopted = "finetune" in document.fingerprint and "fingerprint_finetune" not in known
        for start in range(0, len(new), 100):  # as many as MLflow takes in one call
            self.client.log_batch(run.info.run_id, params=new[start : start + 100])
        if adopted:
            tags = {**cell_tags(document), **(self.commit if trained.live else {})}
            self.client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def child(self, experiment: str, parent: MlflowRun, known: MlflowRun | None, run: Run, trained: Trained) -> None:
        """Log the run of a fold and seed, as far as MLflow lacks it."""
        fold, seed = run
        if known is None:
            origin = self.commit if trained.live else {k: v for k, v in parent.data.tags.items() if k in ORIGIN}
            tags = {PARENT: parent.info.run_id, "fold": str(fold), "seed": str(seed), **origin}
            condition = f"{child_of(parent)} and tags.fold = '{fold}' and tags.seed = '{seed}'"
            known, is_new = self.claim(
                lambda own: next((other for other in self.search(experiment, condition) if other.info.run_id != own), None),
                lambda: self.create(experiment, f"{trained.document.cell} fold {fold} seed {seed}", trained, tags),
            )
            self.counts.children += is_new
        else:
            self.complete(known, trained)
        epochs = trained.epochs.get(run, [])
        grown = [self.curves(known, stage, epochs, trained) for stage in STAGES]
        last = max((epoch.step for epoch in epochs), default=0)
        self.accuracy(known, trained.accuracies.get(run), last, trained)
        self.status(known, trained, grown=any(grown))

    def curves(self, run: MlflowRun, stage: str, epochs: list[Epoch], trained: Trained) -> bool:
        """Log the epochs of a stage that MLflow lacks, with their count in the same call; whether there were any."""
        from mlflow.entities import Metric, RunTag  # noqa: PLC0415

        rows = sorted((epoch for epoch in epochs if epoch.stage == stage), key=lambda epoch: epoch.step)
        first = int(run.data.tags.get(f"rows_{stage}", 0))
        size = max(1, BATCH // max((len(epoch.values) for epoch in rows), default=1))
        # What two machines log of a finished run is the same to MLflow, which keeps it once, only if the times are equal too.
        at = int(1000 * trained.changed) if trained.live else run.info.start_time
        for start in range(first, len(rows), size):
            some = rows[start : start + size]
            metrics = [Metric(k, v, at, epoch.step) for epoch in some for k, v in epoch.values.items()]
            tags = [RunTag(f"rows_{stage}", str(start + len(some))), RunTag("phase", some[-1].phase)]
            self.client.log_batch(run.info.run_id, metrics=metrics, tags=tags)
            self.counts.epochs += len(some)
        return len(rows) > first

    def accuracy(self, run: MlflowRun, value: float | None, step: int, trained: Trained) -> None:
        """Log a test accuracy, per cent, unless the run has it."""
        if self.accuracies and value is not None and run.data.metrics.get(ACCURACY) != value:
            self.client.log_metric(run.info.run_id, ACCURACY, value, int(1000 * trained.changed), step)
            self.counts.accuracies += 1

    def status(self, run: MlflowRun, trained: Trained, grown: bool) -> None:
        """Set the status. A finished run stays so unless it grew: its history may be made anew with the same result."""
        if run.info.status == trained.status or (run.info.status == "FINISHED" and not grown):
            return
        if trained.status == "RUNNING":
            self.client.update_run(run.info.run_id, status="RUNNING")
        else:
            self.client.set_terminated(run.info.run_id, trained.status, end_time=int(1000 * trained.changed))


def cell_tags(document: Document) -> dict[str, str]:
    """Who a run is: cell, recipe, data version, DVC stage, fingerprints."""
    tags = {key: getattr(document, key) for key in ("protocol", "method", "recipe", "dataset")}
    tags |= {"dvc_stage": document.stage, **document.data, **contents.source(document)}
    tags |= {f"fingerprint_{stage}": value for stage, value in document.fingerprint.items()}
    experiment = os.environ.get("DVC_EXP_NAME")
    return tags | ({"dvc_experiment": experiment} if experiment else {})


def choose(parents: list[MlflowRun], fingerprint: dict[str, str]) -> MlflowRun | None:
    """Of parents with this fingerprint of `pretrain`, the one that is meant, or None.

    With a `finetune`: that very one, else one that no `finetune` went on with yet. Without: the latter, else any, for a
    `pretrain` that is repeated.
    """
    later = {run.data.tags.get("fingerprint_finetune", ""): run for run in parents}
    if "finetune" in fingerprint:
        return later.get(fingerprint["finetune"]) or later.get("")
    return later.get("") or next(iter(later.values()), None)


def child_of(parent: MlflowRun) -> str:
    """MLflow's search condition for the children of a run."""
    return f"tags.`{PARENT}` = '{parent.info.run_id}'"


def place(run: MlflowRun) -> Run:
    """Fold and seed of a child."""
    return int(run.data.tags["fold"]), int(run.data.tags["seed"])
