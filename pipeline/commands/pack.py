"""Command `pack`: what a reader needs to check a run of a data set, in one zip: predictions, report, parameters, locks, versions.

Nothing of the recordings is in it: a prediction is a fold, a seed, the name of a sample and two classes. `manifest.json` has the
SHA-256 of every file, the commit, and what the run was made with. The same results on one machine give the same bytes. Where raw
files were taken from is left out: it says where somebody keeps things.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.commands import locks
from pipeline.commands.baseline import as_csv, fresh, selected
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core.errors import ResultsMissing
from pipeline.core.files import whole

MOMENT = (1980, 1, 1, 0, 0, 0)  # of every entry: the time of packing is no part of a result
README = """# Results of {dataset}

`manifest.json`: commit, Python, packages and machine that they were made with, and the SHA-256 of every file here.
`predictions/`: fold, seed, sample, class and predicted class, a line a prediction: every accuracy can be computed from it.
`reports/`: the report with its tables. `params.yaml`, `dvc.yaml`, `dvc.lock`, `cells/`: what DVC ran, with hashes of all that
went in and came out.

To compare with a run of your own: check out the commit, run the groups in `use` of `params.yaml` with `dvc repro`, then
`python -m pipeline pack {dataset}`. Equal runs have the same SHA-256 of `predictions/`; others can be joined by
fold, seed and sample.
"""
SOURCE = re.compile(r"(?m)^(\s+source:).*?(\s+#.*)?$")
PACKAGES = ("dvc", "mlflow", "numba", "numpy", "pandas", "scikit-learn", "scipy", "torch")


def main(dataset: str, to: Path) -> str:
    """Write the zip and say what is in it. Raises `ResultsMissing` where a cell in use, or the report, has no results."""
    config = parameters.load()
    [dataset] = selected(config, [dataset])  # by the name of a group, too
    names = selected(config)[dataset]
    locks.refuse_stale(config, names)
    found = dict(_entries(config, dataset, names))
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
    manifest = json.dumps({"dataset": dataset, "cells": names, **made_with(), "sha256": hashes}, indent=1, sort_keys=True) + "\n"
    with whole(to) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name, data in sorted({**found, "manifest.json": manifest.encode()}.items()):
            archive.writestr(zipfile.ZipInfo(name, MOMENT), data, zipfile.ZIP_DEFLATED)
    size = to.stat().st_size / 1e6
    return f"{to}: {len(found) + 1} files of {dataset}, {len(names)} cell(s), {size:.1f} MB, nothing of the recordings"


def _entries(config: Config, dataset: str, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    yield f"predictions/{dataset}.csv.gz", predictions(names)
    folder = Path("reports", dataset)
    if not (folder / "metrics.json").exists():
        raise ResultsMissing(f"{folder}: expected a report of these results, found none; run `dvc repro report@{dataset}`")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    locks = [Path("cells", config.cells[name].group, name, file) for name in names for file in ("dvc.yaml", "dvc.lock")]
    for path in [*files, *locks, Path("dvc.yaml"), Path("dvc.lock"), Path("constraints.txt")]:
        if path.exists():
            yield path.as_posix(), path.read_bytes()
    yield "README.md", README.format(dataset=dataset).encode()
    yield "params.yaml", SOURCE.sub(r'\1 ""\2', Path("params.yaml").read_text()).encode()


def predictions(names: Sequence[str]) -> bytes:
    """The predictions of these cells as `reports/baseline` has them: `cell,fold,seed,name,label,predicted`, sorted."""
    return as_csv({name: fresh(name) for name in names})


def made_with() -> dict[str, object]:
    """Commit, Python, packages and machine: what a reader compares first where numbers differ."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    machine = {"system": platform.system(), "machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count()}
    return {"commit": commit(), "python": platform.python_version(), "packages": packages, "machine": machine}


def _processor() -> str:
    """The model of the processor as Linux names it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def commit() -> str:
    """The commit, with `+` where files that git tracks differ from it; empty without git."""
    git = ["git", "-c", "core.fsmonitor=false"]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed.stdout.strip() else "")
