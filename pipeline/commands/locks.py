"""DVC's entries of cells, by DVC's own interface: what a stage was made from, what of it is another now, and rewriting that."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.pipelines import folder_of
from pipeline.config import params as parameters
from pipeline.config.params import Config
from pipeline.core.errors import ParamsError, PipelineError, ResultsMissing

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

CODE = "pipeline/"
NO_CHANGE = ("deleted", "new", "not in cache")
"""What DVC says of a file that is not on disk, in no entry, or not kept elsewhere."""


@dataclass
class Entry:
    """A stage of a cell, and what differs from its entry: `code` by path, `other` with the reason; `missing` is not on disk."""

    stage: Stage
    code: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """`pretrain`, `finetune` or `evaluate`."""
        return str(self.stage.name)


@contextmanager
def opened() -> Iterator[Repo]:
    """The project's DVC repository, locked: no other DVC command of this project runs meanwhile.

    What DVC cannot do with it, as with a damaged lock, is a `PipelineError`.
    """
    from dvc.exceptions import DvcException  # noqa: PLC0415 (slow to import)
    from dvc.repo import Repo  # noqa: PLC0415

    logging.getLogger("dvc").setLevel(logging.WARNING)  # not a line for each entry
    try:
        with Repo() as repo, repo.lock:
            yield repo
    except DvcException as error:
        raise PipelineError(f"DVC: {error}") from error


def use_too(config: Config, group: str) -> str:
    """The command that brings a group into use beside those that are; `use` takes the whole list."""
    return f"`python -m pipeline use {' '.join(dict.fromkeys([*config.params.use.groups, group]))}`"


def entries(repo: Repo, folder: Path) -> list[Entry]:
    """The stages in a cell's folder with what of them is another than at the time of their entry."""
    return [compare(stage) for stage in repo.stage.load_all(str(folder / "dvc.yaml"))]


def compare(stage: Stage) -> Entry:
    """A stage against its entry. Outputs that are not on disk are no difference; a dependency made by another stage of the cell
    and not on disk is none either."""
    found = Entry(stage)
    if stage.cmd_changed:
        found.other.append("its command")
    for dep in stage.deps:
        path = str(dep.def_path)
        status = dep.status().get(str(dep), "")
        if not dep.hash_info:
            found.other.append(f"{path}: not in the entry")
        elif status == "deleted":
            found.missing.append(path)
        elif status:
            (found.code if path.startswith(CODE) else found.other).append(path)
    found.other += [f"{out.def_path}: not in the entry" for out in stage.outs if not out.hash_info]
    return found


def rewrite(entry: Entry) -> None:
    """Bring the entry of a stage to the code that is on disk; its outputs, and all else, stay as they are in the entry."""
    for dep in entry.stage.deps:
        if str(dep.def_path) in entry.code:
            dep.save()
    entry.stage.dump(update_pipeline=False)


def outputs_differ(stages: Sequence[Any]) -> list[str]:
    """The outputs of stages that are on disk with another content than in their entries, or not there."""
    return [str(out.def_path) for stage in stages for out in stage.outs if not out.exists or out.changed_checksum()]


def refuse_stale(config: Config, names: Sequence[str]) -> None:
    """`ResultsMissing` where results of cells are not those of the parameters, data and code that are on disk, by DVC's locks.

    What is not on disk does not count here, and outside of a DVC repository nothing is looked at.
    """
    if not Path(".dvc").is_dir() or not names:
        return
    for name in names:
        cell, _ = parameters.for_cell(config, name)
        if cell.group not in config.params.use.groups:  # DVC does not see it
            raise ParamsError(f"{name}: its group is not in use; run {use_too(config, cell.group)}")
    stages = {f"{folder_of(name, config.every[name])}/dvc.yaml:evaluate": name for name in names}
    found = {stage: reasons for stage, status in _status(list(stages)).items() if (reasons := _changed(stage, status))}
    if found:
        lines = [f"{stage}: {', '.join(reasons[:3])}" for stage, reasons in list(found.items())[:5]]
        more = [f"and {len(found) - 5} more stages"] if len(found) > 5 else []
        head = "results are not those of the parameters, data and code that are here; run `dvc repro` first:"
        raise ResultsMissing("\n  ".join([head, *lines, *more]))


def _status(stages: list[str]) -> dict[str, list[Any]]:
    """What DVC says of stages and of all before them."""
    from dvc.exceptions import DvcException  # noqa: PLC0415 (slow to import)
    from dvc.repo import Repo  # noqa: PLC0415

    logging.getLogger("dvc").setLevel(logging.ERROR)
    try:
        with Repo() as repo:
            found: dict[str, list[Any]] = repo.status(targets=stages, with_deps=True)
    except DvcException as error:
        raise PipelineError(f"DVC cannot say whether results are up to date: {error}") from error
    return found


def _recorded(stage: str) -> bool:
    """Whether a lock has an entry of a stage, such as `split@demo` or `cells/demo/x/dvc.yaml:evaluate`."""
    place, _, name = stage.rpartition(":")
    lock = Path(place or "dvc.yaml").with_name("dvc.lock")
    try:
        return name in parameters.parse(lock.read_text(encoding="utf-8"))["stages"]
    except (OSError, KeyError, TypeError):
        return False


def _changed(stage: str, status: list[Any]) -> list[str]:
    """What changed of a stage that has an entry, by path; each file of `resolve` counts where it is read."""
    if stage == "resolve" or not _recorded(stage):
        return []
    found = [part if isinstance(part, str) else "" for part in status]  # "changed command"
    for part in status:
        for changes in part.values() if isinstance(part, dict) else ():
            found += [path for path, how in changes.items() if how not in NO_CHANGE]
    return [text for text in found if text]
