"""Command `use`: which groups of cells run. It writes `use:` in `params.yaml`, `.dvcignore`, and the pipelines of cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline.commands import pipelines
from pipeline.config.params import FILE, Config, build, read
from pipeline.core.errors import ParamsError
from pipeline.core.files import whole


def switch(groups: list[str], path: Path = FILE) -> str:
    """Use these groups of cells in the folder of `path`, and say what follows; an error leaves all files as they were.

    Raises `ParamsError` for a group that the grid does not have, and for cells that cannot run together.
    """
    document, groups = read(path), list(dict.fromkeys(groups))
    check_known(groups or ["(none)"], list(document.get("grid") or {}), str(path))
    every = build(document | {"use": {"groups": [], "datasets": {}}}, str(path))
    use = {"groups": groups, "datasets": pipelines.datasets_of(every, groups)}
    config = build(document | {"use": use}, str(path))
    text = _with_line(path, line_of(config))
    root, seen = path.parent, path.parent / pipelines.IGNORE
    ignored = pipelines.ignored(seen.read_text() if seen.exists() else "", groups)
    hidden = [g for g in _in_use(document) if g not in groups and any((root / pipelines.CELLS / g).glob("*/dvc.lock"))]
    changed = pipelines.write(config, groups, root)
    _replace(path, text)
    _replace(seen, ignored)
    return "\n".join([f"{path}: {line_of(config)}", *_notes(changed, hidden)])


def check_known(groups: Sequence[str], known: Sequence[str], where: str) -> None:
    """`ParamsError` for groups that the grid does not have, with those of nearly the same name, and all."""
    if unknown := sorted(set(groups) - set(known)):
        near = dict.fromkeys(name for group in unknown for name in get_close_matches(group, known))
        meant = f"; did you mean {' or '.join(near)}?" if near else ";"
        raise ParamsError(f"{where}: no group of cells {', '.join(unknown)}{meant} there are {', '.join(known)}")


def check(root: Path) -> None:
    """`ParamsError` where `use:` was edited by hand and DVC shows other groups of cells."""
    groups, seen = _in_use(read(root / FILE)), root / pipelines.IGNORE
    shown = pipelines.shown(seen.read_text()) if seen.exists() else groups
    if set(shown) != set(groups):
        raise ParamsError(
            f"{FILE}: use.groups are {', '.join(groups)}, but {pipelines.IGNORE} shows {', '.join(shown) or 'none'};"
            f" run `python -m pipeline use {' '.join(groups)}`"
        )


def _in_use(document: dict[str, Any]) -> list[str]:
    """The groups in use before, as far as the section can be read: this command mends one that cannot."""
    use = document.get("use")
    groups = use.get("groups") if isinstance(use, dict) else None
    return [str(group) for group in groups] if isinstance(groups, list) else []


def line_of(config: Config) -> str:
    """The one line of `params.yaml`."""
    use = config.params.use
    datasets = ", ".join(f"{name}: {code}" for name, code in use.datasets.items())
    return f"use: {{groups: [{', '.join(use.groups)}], datasets: {{{datasets}}}}}"


def _with_line(path: Path, line: str) -> str:
    """The file's text with the section `use` replaced, whether it stands in one line or, after DVC wrote the file, in several."""
    text, count = re.subn(r"(?m)^use:.*\n(?:[ \t-].*\n)*", lambda _: f"{line}\n", path.read_text(encoding="utf-8"))
    if count != 1:
        raise ParamsError(f"{path}: expected one section that starts with 'use:', found {count}")
    return text


def _replace(path: Path, text: str) -> None:
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _notes(changed: list[str], hidden: list[str]) -> list[str]:
    notes = [f"cells/: pipelines written of {', '.join(changed)}"] if changed else []
    if hidden:
        notes.append(f"no longer in use: {', '.join(hidden)}. Their results stay, but `dvc gc -w` would delete them: docs/dvc.md")
    return notes
