"""The `use:` line of `params.yaml`: which groups of cells run."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import ParamsError
from pipeline.params import FILE, read


def switch(groups: list[str], path: Path = FILE) -> str:
    """Rewrite the `use:` line of the file for these groups of cells and return it; nothing else in the file changes.

    The data sets are those of the cells. Raises `ParamsError` for a group that the section `cells` does not have.
    """
    known = read(path)["cells"]
    if unknown := sorted(set(groups) - set(known)) or (not groups and ["(none)"]):
        raise ParamsError(f"{path}: no group of cells {', '.join(unknown)}; there are {', '.join(known)}")
    datasets = dict.fromkeys(cell["dataset"] for group in groups for cell in known[group].values())
    aliases = ", ".join(f"*{name}" for name in groups)
    line = f"use: {{datasets: [{', '.join(datasets)}], cells: {{<<: [{aliases}]}}}}"
    text, count = re.subn(r"(?m)^use:.*$", lambda _: line, path.read_text())
    if count != 1:
        raise ParamsError(f"{path}: expected one line that starts with 'use:', found {count}")
    path.write_text(text)
    return line
