"""Stage `resolve`: what each stage reads of `params.yaml`, one small file each, on which DVC lets that stage depend.

So a change of `params.yaml` makes stale what reads it, and nothing else.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.config.resolve import documents
from pipeline.core.files import read_json, sha256, whole_folder, write_json
from pipeline.core.places import PARAMS, SOURCE

NOTHING = "nothing in use reads what changed (a recipe sets it, no method here has a use for it, or it is a comment)"


def main(target: str = "") -> None:
    """Write `data/params/`, and say which cells in use read something that changed."""
    config, own = parameters.load(), sha256(parameters.FILE)
    found, source = documents(config), _source()
    before = {name: _before(PARAMS / f"{name}.json") for name in found}
    with whole_folder(PARAMS) as folder:
        for name, document in found.items():
            write_json(document, folder / f"{name}.json", sort_keys=False)
        (folder / SOURCE).write_text(own + "\n")
    changed = [name for name, document in found.items() if before[name] != document]
    if not source:
        print(f"params.yaml: what each stage reads of it is written to {PARAMS}")
    elif changed or source != own:
        print(changes(config, changed))
    else:
        print("params.yaml: nothing changed")


def _source() -> str:
    """The SHA-256 of the `params.yaml` that `data/params/` was made from; empty where it was not made."""
    try:
        return (PARAMS / SOURCE).read_text().strip()
    except OSError:
        return ""


def _before(path: Path) -> object:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


def changes(config: Config, changed: list[str]) -> str:
    """Which cells and data sets in use have a stage that reads something else than before, in words."""
    found = [name.split("/") for name in changed]
    owners = dict.fromkeys(owner for owner, stage in found if stage != "report")
    used = [owner for owner in owners if owner in config.cells or owner in config.params.use.datasets]
    shown = [owner for owner, stage in found if stage == "report"]
    told = f"read otherwise than before by {', '.join(used)}" if used else NOTHING
    return f"params.yaml: {told}" + (f"; shown in the report of {', '.join(shown)}" if shown else "")
