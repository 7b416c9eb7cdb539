"""What the weights of a stage's runs were when it ended, by SHA-256, so that the stage that reads them notices others.

Those of `finetune` stand in `run.json`, those of `pretrain` in a note of this machine under `.work/`, with the fingerprint of
what they were made from. torch's files say nothing of the run that they are of.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.errors import WeightsUnfit
from pipeline.core.files import read_json, sha256, write_json
from pipeline.core.places import WORK

PACKAGES = ("numpy", "pandas", "scipy", "torch")
Files = Mapping[tuple[int, int], Path]
"""`model.pt` by fold and seed."""


def note_of(cell: str, stage: str) -> Path:
    """Where this machine notes what a stage of a cell made."""
    return WORK / "made" / cell / f"{stage}.json"


def digests(files: Files) -> list[dict[str, Any]]:
    """An entry a run: its fold, its seed, and the digest of its weights where they are there."""
    return [
        {"fold": fold, "seed": seed} | ({"weights": sha256(path)} if path.exists() else {})
        for (fold, seed), path in files.items()
    ]


def note(cell: str, stage: str, fingerprint: str, files: Files) -> None:
    """Write down what a stage has made, and on what."""
    libraries = {name: importlib.metadata.version(name) for name in PACKAGES}
    machine = {"system": platform.platform(), "processor": platform.machine(), "python": platform.python_version()}
    content = {"fingerprint": fingerprint, "runs": digests(files), "libraries": libraries, "machine": machine}
    write_json(content, note_of(cell, stage))


def noted(cell: str, stage: str) -> dict[str, Any]:
    """What this machine noted of a stage; empty where it noted nothing that can be read."""
    try:
        content = read_json(note_of(cell, stage))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def check(runs: object, files: Files, where: Path) -> None:
    """`WeightsUnfit` where weights are not those in the entries of `digests`; what has no digest is not looked at."""
    entries = [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []
    known = {(run.get("fold"), run.get("seed")): run["weights"] for run in entries if "weights" in run}
    for run, path in files.items():
        if run in known and path.exists() and (found := sha256(path)) != known[run]:
            others = [f"fold {f}, seed {s}" for (f, s), digest in known.items() if digest == found]
            whose = f"they are those of {others[0]}" if others else f"SHA-256 {found[:12]}, expected {str(known[run])[:12]}"
            raise WeightsUnfit(
                f"{path}: not the weights that {where} has of fold {run[0]}, seed {run[1]}: {whose}; run `dvc repro`"
            )
