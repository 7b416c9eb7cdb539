"""A project folder with results as the stages write them, small enough to compute by hand, for the tests of the report."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.core.skeletons import Meta
from pipeline.stages import resolve

ROOT = Path(__file__).parent.parent
META = Meta(
    joints=("head", "left hand", "right hand", "left foot"),
    bones=((1, 0), (2, 0), (3, 0)),
    mirror=(0, 2, 1, 3),
    actions=("up", "down", "aside & back"),
    bodies=2,
    fps=15.0,
    unit="metres",
)


EARLIER = (
    *("raw-skeleton-yun2012", "joint-feature-yun2012", "hbrnn", "co-occurrence-rnn", "deep-lstm", "p-lstm"),
    *("lie-group", "skeletal-quads", "dynamic-skeletons", "raw-skeleton-ji2014", "joint-feature-ji2014"),
)
LATER = ("sgn", "hcn")


def attentions(method: str) -> tuple[bool, bool]:
    """Whether a method has spatial and temporal attention, by its name; an unknown one has both, one of another paper none."""
    if method in EARLIER + LATER:
        return False, False
    base = method.removesuffix("-noreg").removesuffix("-scratch")
    return {"lstm": (False, False), "sa-lstm": (True, False), "ta-lstm": (False, True)}.get(base, (True, True))


Right = Callable[[str, int, int], bool]  # (sequence, its place in the fold, seed) -> is the prediction right?


@dataclass
class Project:
    """A data set `toy`: two folds of 6 test sequences (two of each class), seeds 1 and 2, time in 4 bins."""

    root: Path
    meta: Meta = META
    protocol: str = "toy-sbu"
    folds: int = 2
    tests: int = 6
    seeds: tuple[int, ...] = (1, 2)
    bins: int = 4
    cells: dict[str, str] = field(default_factory=dict)  # cell -> its line of the grid in params.yaml
    recipes: list[str] = field(default_factory=lambda: ["warm: {training: {batch: 99}}"])

    @property
    def split(self) -> Path:
        return self.root / "data" / "splits" / "toy" / f"{self.protocol}.csv"

    def results(self, key: str) -> Path:
        """Of cell `toy-<key>`: the key is the method, or `<recipe>-<method>` for another recipe than `paper`."""
        return self.root / "data" / "results" / "toy" / f"toy-{key}"

    def names(self, fold: int) -> list[str]:
        return [f"f{fold}-{i:03}" for i in range(self.tests)]

    def prepare(self) -> Project:
        """Write the split, the tables of repairs and the paper's numbers."""
        rows = [(f, n, "test" if g == f else "train") for f in self.each() for g in self.each() for n in self.names(g)]
        self.split.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=["fold", "name", "part"]).to_csv(self.split, index=False)
        store = self.root / "data" / "skeletons" / "toy" / "sbu"
        store.mkdir(parents=True, exist_ok=True)
        (store / "repairs.csv").write_text(
            "repair,rule,samples,frames\nperson order,left_first,9,214\nsmoothing,savgol5,12,300\n"
        )
        (store / "set_aside.csv").write_text("file,line,reason\n")
        (self.root / "reports").mkdir(exist_ok=True)
        shutil.copy(ROOT / "reports" / "paper.csv", self.root / "reports" / "paper.csv")
        return self

    def each(self) -> range:
        return range(1, self.folds + 1)

    def cell(
        self,
        method: str,
        right: Right,
        *,
        recipe: str = "paper",
        key: str = "",
        store: str = "sbu",
        switch_of: str = "",
        few: bool = False,
        **history: Any,
    ) -> None:
        """Write the results of a method that is right where `right` says so, else names the next class; `few`: seed 1 alone."""
        key = key or (method if recipe == "paper" else f"{recipe}-{method}")
        folder, seeds = self.results(key), self.seeds[: 1 if few else None]
        self.predictions(folder, right, seeds)
        self.attention(folder, *attentions(method))
        self.history(folder, seeds, attentions(method)[1], **history)
        digest = hashlib.sha256(self.split.read_bytes()).hexdigest()
        run = {
            "fingerprint": {"pretrain": "a" * 12, "finetune": "b" * 12},
            "data": {"store_sha256": "c" * 64, "split_sha256": digest},
            "runs": [{"fold": f, "seed": s} for f in self.each() for s in seeds],
        }
        (folder / "run.json").write_text(json.dumps(run))
        line = f"names: toy-{key}, protocols: [{self.protocol}], methods: [{method}], recipes: [{recipe}]"
        line += f", stores: [{store}], seeds: {'toy-few' if few else 'toy'}"
        self.cells[f"toy-{key}"] = f"{{{line}{f', switch_of: toy-{switch_of}' if switch_of else ''}}}"
        self.write_params()

    def predictions(self, folder: Path, right: Right, seeds: tuple[int, ...]) -> None:
        classes, rows = len(self.meta.actions), []
        for fold in self.each():
            for seed in seeds:
                for i, name in enumerate(self.names(fold)):
                    label = i % classes
                    predicted = label if right(name, i, seed) else (label + 1) % classes
                    rows.append((fold, seed, name, label, predicted, *np.eye(classes)[predicted]))
        (folder / "evaluate").mkdir(parents=True, exist_ok=True)
        columns = ["fold", "seed", "name", "label", "predicted", *(f"logit_{c}" for c in range(classes))]
        pd.DataFrame(rows, columns=columns).to_csv(folder / "evaluate" / "predictions.csv", index=False)

    def attention(self, folder: Path, spatial: bool, temporal: bool) -> None:
        """Half of alpha on gate 1, the rest spread evenly; beta 3 in the second bin, 1 elsewhere."""
        gates, labels = self.meta.bodies * len(self.meta.joints), range(len(self.meta.actions))
        weight = [0.5 if g == 1 else 0.5 / (gates - 1) for g in range(gates)]
        alpha = [(c, b, g, weight[g], 4) for c in labels for b in range(self.bins) for g in range(gates) if spatial]
        beta = [(c, b, 3.0 if b == 1 else 1.0, 4) for c in labels for b in range(self.bins) if temporal]
        folder = folder / "evaluate"
        pd.DataFrame(alpha, columns=["label", "bin", "joint", "weight", "clips"]).to_csv(folder / "alpha.csv", index=False)
        pd.DataFrame(beta, columns=["label", "bin", "weight", "clips"]).to_csv(folder / "beta.csv", index=False)

    def history(
        self,
        folder: Path,
        seeds: tuple[int, ...],
        temporal: bool,
        *,
        dead: bool = False,
        infinite: tuple[int, int] | None = None,
        epochs: int = 3,
        fitted: bool = False,
    ) -> None:
        """Two phases; the loss halves each epoch. `infinite` names the (fold, seed) whose loss is lost.

        `fitted`: as of a support vector machine, one row with its loss and training accuracy and nothing else.
        """
        rows = []
        for fold in self.each():
            for seed in seeds:
                for step in range(1, 2 * epochs + 1):
                    loss = float("nan") if (fold, seed) == infinite and step == 2 * epochs else 2.0 ** (1 - step)
                    phase, epoch = ("main", step) if step <= epochs else ("joint", step - epochs)
                    beta = (0.0 if dead else 0.5, 1.0 if dead else 0.0) if temporal else (None, None)
                    shares = (1 - 0.5**step, 0.75 if step == 2 * epochs - 1 else 0.5)
                    rows.append(
                        (fold, seed, "finetune", phase, epoch, step, loss, loss, 0.0, 0.0, 0.0, *shares, 0.001, 1.0, *beta)
                    )
        columns = (
            "fold,seed,stage,phase,epoch,step,loss,cross_entropy,spatial_term,temporal_term,l1_term,train_accuracy,"
            "validation_accuracy,learning_rate,gradient_norm,beta_mean,beta_dead"
        )
        table = pd.DataFrame(rows, columns=columns.split(","))
        if fitted:
            table = table.groupby(["fold", "seed"]).head(1).assign(phase="joint")
            kept = ["fold", "seed", "stage", "phase", "epoch", "step", "loss", "train_accuracy"]
            table = table[kept].reindex(columns=columns.split(","))
        table.to_csv(folder / "history.csv", index=False)

    def write_params(self) -> None:
        """The project's own `params.yaml` with the cells of this data set alone, resolved as for its report."""
        text = (ROOT / "params.yaml").read_text()
        text = text.replace("  variants:", "  variants:\n    toy:\n      sbu-turned:\n        order: file  # [ours] test", 1)
        for head, new in (
            ("seeds:", [f"  toy: [{', '.join(map(str, self.seeds))}]", f"  toy-few: [{self.seeds[0]}]"]),
            ("recipes:\n  paper: {}", [f"  {line}" for line in self.recipes]),
        ):
            text = text.replace(f"\n{head}\n", "\n".join(["", head, *new, ""]), 1)
        for section, own in (
            ("protocols", f"\n  {self.protocol}: {{dataset: toy, store: sbu}}"),
            ("grid", "".join(["\n  toy:", *(f"\n    - {line}" for line in self.cells.values())])),
            ("use", " {groups: [toy], datasets: {toy: pipeline/datasets}}"),
        ):
            text, found = re.subn(rf"(?m)^{section}:.*\n(?:[ \t].*\n)*", f"{section}:{own}\n", text)
            assert found == 1, section
        (self.root / "params.yaml").write_text(text.replace("  time_bins: 20", f"  time_bins: {self.bins}"))
        with contextlib.chdir(self.root):
            resolve.main()

    def module(self, synthetic: bool = True) -> SimpleNamespace:
        """What `registry.load` would return; gate 1 and the second quarter of the clip carry the class."""
        return SimpleNamespace(
            FORMATS={"sbu": SimpleNamespace(META=self.meta)},
            SYNTHETIC=synthetic,
            LICENCE="Made up for a test.",
            EVIDENCE={"sbu": SimpleNamespace(gates=(1,), window=(0.25, 0.5))} if synthetic else {},
        )

    def install(self, monkeypatch: pytest.MonkeyPatch, synthetic: bool = True) -> Project:
        """Make this the current project, and its data set the one that is found."""
        monkeypatch.chdir(self.root)
        monkeypatch.setattr("pipeline.datasets.shared.registry.load", lambda _name: self.module(synthetic))
        return self
