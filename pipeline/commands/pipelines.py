"""DVC's view of the grid: a small pipeline for each cell, and which groups DVC sees.

`cells/<group>/<cell>/dvc.yaml` has the stages of one cell and `dvc.lock` beside it what they were made from: DVC reads and writes
a few kilobytes for a stage, however large the grid is. `.dvcignore` hides the groups that are not in use.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from pipeline.commands import imports
from pipeline.config.params import Config, parse
from pipeline.config.resolve import stages_of, switches
from pipeline.config.sections import GridCell
from pipeline.core.cell import code_of
from pipeline.core.errors import ParamsError
from pipeline.core.files import whole
from pipeline.core.settings import Method

CELLS, IGNORE, ROOT_FILE = Path("cells"), Path(".dvcignore"), Path("dvc.yaml")
PACKAGE = Path(__file__).parents[1]
TITLES = {
    "pretrain": "Attention networks, steps 2 to 7 of Algorithm 1",
    "finetune": "Main network and joint training, steps 8 and 9",
    "evaluate": "Test logits, accuracy and mean attention",
}
HEAD = "# {name}. Written by `python -m pipeline use` from the grid of params.yaml; edit that. Re-runs nothing by itself.\n"


def folder_of(name: str, cell: GridCell) -> Path:
    """Where a cell's pipeline is."""
    return CELLS / cell.group / name


def pipeline_of(config: Config, name: str, push: bool) -> str:
    """The text of a cell's `dvc.yaml`; `push` as the root's `dvc.yaml` says."""
    cell = config.every[name]
    method = config.params.methods[cell.method]
    stages = stages_of(method)
    lines = [HEAD.format(name=name), "stages:\n"]
    for stage in stages:
        before = {"finetune": "pretrain", "evaluate": "finetune"}.get(stage)
        deps = [*code(Method(**switches(method)), stage), f"data/params/{name}/{stage}.json"]
        deps += [f"data/skeletons/{cell.dataset}/{cell.store}", f"data/splits/{cell.dataset}/{cell.protocol}.csv"]
        deps += [f"data/runs/{cell.dataset}/{name}/{before}"] if before in stages else []
        lines += [f"  {stage}:\n", f"    desc: {TITLES[stage]}\n", "    wdir: ../../..\n"]
        lines += [f"    cmd: python -m pipeline {stage} {name}\n", "    deps:\n", *(f"      - {dep}\n" for dep in deps)]
        lines += ["    outs:\n", *(f"      - {out}: {{push: {str(push).lower()}}}\n" for out in outs(cell, name, stage))]
    return "".join(lines)


def code(method: Method, stage: str) -> list[str]:
    """The code that a stage of a cell of this method depends on, as paths from the project's folder."""
    return [path.relative_to(PACKAGE.parent).as_posix() for path in code_of(method, stage)]


def outs(cell: GridCell, name: str, stage: str) -> list[str]:
    """What a stage of a cell writes."""
    runs, results = f"data/runs/{cell.dataset}/{name}", f"data/results/{cell.dataset}/{name}"
    if stage == "evaluate":
        return [f"{results}/evaluate"]
    own = [f"{runs}/{stage}"]
    return [*own, f"{results}/history.csv", f"{results}/run.json"] if stage == "finetune" else own


def may_push(root: Path) -> bool:
    """Whether the root's `dvc.yaml` declares that what is made of recordings may be pushed."""
    try:
        return bool(parse((root / ROOT_FILE).read_text())["vars"][0]["licensed"]["push"])
    except (OSError, LookupError, TypeError, YAMLError) as error:
        raise ParamsError(f"{root / ROOT_FILE}: expected a line `licensed: &licensed {{push: false}}` ({error})") from error


def write(config: Config, groups: list[str], root: Path) -> list[str]:
    """Write the pipelines of these groups where they differ, remove those of cells that are no more; returns what changed."""
    push, changed = may_push(root), []
    wanted = {root / folder_of(name, cell): name for name, cell in config.every.items() if cell.group in groups}
    for folder, name in wanted.items():
        path, text = folder / "dvc.yaml", pipeline_of(config, name, push)
        if not path.exists() or path.read_text() != text:
            with whole(path) as unfinished:
                unfinished.write_text(text, encoding="utf-8")
            changed.append(name)
    for folder in [path for group in groups for path in (root / CELLS / group).glob("*") if path.is_dir() and path not in wanted]:
        shutil.rmtree(folder)
        changed.append(folder.name)
    return changed


def ignored(text: str, groups: list[str]) -> str:
    """`.dvcignore` with these groups seen and all others hidden; the other lines stay.

    Without a slash at the end: DVC would show the folder then, and hide what is in it.
    """
    kept = [line for line in text.splitlines() if not line.lstrip("!").startswith(f"/{CELLS}/")]
    seen = [f"!/{CELLS}/{group}" for group in groups]
    return "\n".join([*kept, f"/{CELLS}/*", *seen]) + "\n"


def shown(text: str) -> list[str]:
    """The groups that `.dvcignore` shows."""
    return [line.removeprefix(f"!/{CELLS}/") for line in text.splitlines() if line.startswith(f"!/{CELLS}/")]


def code_of_dataset(name: str) -> str:
    """The code that reads a data set: its folder or module, or all data sets' where it reads the formats of others."""
    home = PACKAGE / "datasets"
    own = home / name if (home / name).is_dir() else home / f"{name}.py"
    if not own.exists():
        raise ParamsError(f"params.yaml: data set {name!r}: expected its code in {own.relative_to(PACKAGE.parent)}")
    graph = imports.read(PACKAGE)
    start = [module for module, found in graph.items() if found.path == own or own in found.path.parents]
    reached = {graph[other].path for module in start for other in imports.closure(module, graph)}
    shared = home / "shared"
    foreign = [p for p in reached if home in p.parents and p != own and not ({own, shared} & set(p.parents)) and p.parent != home]
    return (home if foreign else own).relative_to(PACKAGE.parent).as_posix()


def datasets_of(config: Config, groups: list[str]) -> dict[str, Any]:
    """The data sets of groups, with their code."""
    names = dict.fromkeys(cell.dataset for cell in config.every.values() if cell.group in groups)
    return {name: code_of_dataset(name) for name in names}
