"""Typed view of `params.yaml`: an unknown key or an impossible value is a `ParamsError` that names the key.

`load()` reads the file as it is; `for_cell()` lays the overlays of a cell's recipe and method over it; the types are in
`sections.py`.
What a parameter means and where its value comes from (`[paper]`, `[same-lab]`, `[re-implementation]`, `[ours]`) stands
beside it in `params.yaml`; `provenance()` reads those comments back for the report's ledger.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from pipeline import grid
from pipeline.errors import ParamsError
from pipeline.sections import Cell, Normalize, Params, Section

FILE = Path("params.yaml")
FORMATS = tuple(name for name in Normalize.model_fields if name not in ("allow_malformed", "variants"))
_S = TypeVar("_S", bound=Section)


def read(path: Path = FILE) -> dict[str, Any]:
    """The file as it stands; `ParamsError` where it has no sections."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ParamsError(f"{path}: cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ParamsError(f"{path}: expected sections of parameters, found {type(document).__name__}")
    return document


def build(document: Mapping[str, Any], where: str = str(FILE)) -> Params:
    """Check a document and return it typed; raises `ParamsError` with every wrong key, its value and what was expected."""
    params = _validated(Params, document, where)
    for dataset, stores in params.normalize.variants.items():
        for store in stores:
            section_of(params.normalize, dataset, store, where)
    grid.check(params, FORMATS, where)
    return params


def _validated(model: type[_S], document: object, where: str) -> _S:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r:.60})" for e in error.errors()]
        raise ParamsError("\n".join([f"{where}: {len(lines)} value(s) cannot be used:", *lines])) from error


def raw_format(section: Normalize, dataset: str, store: str) -> str:
    """The raw format that a store is made from: that of its name, or the first part of a variant's name."""
    return store.partition("-")[0] if store in section.variants.get(dataset, {}) else store


def section_of(section: Normalize, dataset: str, store: str, where: str = str(FILE)) -> Section:
    """What a store is made with: its raw format's section, and for a variant its changes laid over it.

    Raises `ParamsError` where a variant's name begins with no raw format, or a change is impossible.
    """
    form, key = raw_format(section, dataset, store), f"normalize.variants.{dataset}.{store}"
    if form not in FORMATS:
        raise ParamsError(f"{where}: {key}: expected a name that begins with a raw format: {'-, '.join(FORMATS)}-")
    plain: Section = getattr(section, form)
    changes = section.variants.get(dataset, {}).get(store)
    return _validated(type(plain), overlay(plain.model_dump(), changes, key), f"{where}: {key}") if changes else plain


def load(path: Path = FILE) -> Params:
    """Read and check `params.yaml`; the environment's `SBU_SOURCE`, `NTU_SOURCE` and so on come before its `source` keys."""
    document = read(path)
    sections = document.get("download")
    for name, section in sections.items() if isinstance(sections, dict) else ():
        source = os.environ.get(f"{name.upper()}_SOURCE")
        if source and isinstance(section, dict) and "source" in section:
            section["source"] = source
    return build(document, str(path))


def overlay(document: dict[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A copy of `document` with nested `changes` laid over it; a key that is not there already is a `ParamsError`."""
    result = dict(document)
    for key, value in changes.items():
        if key not in result:
            raise ParamsError(f"params.yaml: {where}.{key}: there is no such parameter to change")
        nested = isinstance(value, Mapping) and isinstance(result[key], dict)
        result[key] = overlay(result[key], value, f"{where}.{key}") if nested else value
    return result


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; an empty mapping has none."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def for_cell(params: Params, name: str) -> tuple[Cell, Params]:
    """The cell called `name`, and the parameters as its recipe and its method change them.

    A method without regularisers has all lambdas 0. Raises `ParamsError` where `use.cells` has no such cell.
    """
    if name not in params.use.cells:
        raise ParamsError(f"params.yaml: use.cells has no {name!r}; it has {', '.join(params.use.cells)}")
    cell = params.use.cells[name]
    document = overlay(params.model_dump(), params.recipes[cell.recipe], f"recipes.{cell.recipe}")
    if not params.methods[cell.method].regularised:
        document["objective"] |= {"lambda1": 0.0, "lambda2": 0.0, "lambda3": 0.0}
    return cell, _validated(Params, document, f"{FILE}, cell {name}")


@cache
def _line_pattern() -> re.Pattern[str]:
    return re.compile(r"^(?P<indent> *)(?P<key>[\w-]+):(?P<value>[^#]*)(?:#\s*\[(?P<tag>[\w-]+)\]\s*(?P<reason>.*))?")


def provenance(path: Path = FILE) -> list[tuple[str, str, str, str]]:
    """(dotted key, value, tag, reason) of every commented parameter of the file, in its order."""
    rows: list[tuple[str, str, str, str]] = []
    parents: list[str] = []
    for line in path.read_text().splitlines():
        if not (match := _line_pattern().match(line)):
            continue
        depth = len(match["indent"]) // 2
        parents = [*parents[:depth], match["key"]]
        if match["tag"]:
            rows.append((".".join(parents), match["value"].strip(), match["tag"], match["reason"].strip()))
    return rows
