"""Typed view of `params.yaml`: an unknown key or an impossible value is a `ParamsError` that names the key.

`load()` reads the file as it is; `for_cell()` lays the overlays of a cell's recipe and method over it; the types are in
`sections.py`. The file is YAML 1.2, as DVC reads and writes it: `1e-5` is a number.
What a parameter means and where its value comes from (`[paper]`, `[same-lab]`, `[re-implementation]`, `[ours]`) stands
beside it in `params.yaml`; `provenance()` reads those comments back for the report's ledger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from pipeline.addresses import shown
from pipeline.config import grid, named
from pipeline.config.commands import Answer, Check, Knockout, Saliency, Search
from pipeline.config.sections import GridCell, Normalize, Params
from pipeline.core.errors import ParamsError
from pipeline.core.files import flatten
from pipeline.section import Section

FILE = Path("params.yaml")
SETTINGS = ("model", "objective", "training", "augment", "pretrain", "finetune", "evaluate")
UNREGULARISED = {"lambda1": 0.0, "lambda2": 0.0, "lambda3": 0.0}
MOST_VALUES = 100_000
"""Of a YAML file with its aliases written out; params.yaml has some 1,500."""
_S = TypeVar("_S", bound=Section)


@dataclass(frozen=True)
class Config:
    """`params.yaml`, checked: its sections, all cells of its grid, and those in use."""

    params: Params
    every: dict[str, GridCell]
    cells: dict[str, GridCell]
    where: str

    @property
    def search(self) -> Search:
        """The section of the command; what a report reads has none."""
        return _present(self.params.search, "search", self.where)

    @property
    def answer(self) -> Answer:
        """The section of the command, what it names checked; what a report reads has none."""
        section = _present(self.params.answer, "answer", self.where)
        named.answer(section, self.params, self.where)
        return section

    def unit(self, protocol: str) -> Literal["sequence", "subject"]:
        """What is drawn anew in the intervals of a protocol: the subject where folds leave one out, else the sequence."""
        return "subject" if self.params.answer is not None and protocol in self.params.answer.subjects else "sequence"

    @property
    def check(self) -> Check:
        """The section of the command, what it names checked; what a report reads has none."""
        section = _present(self.params.check, "check", self.where)
        named.check(section, self.params, self.every, self.where)
        return section

    @property
    def knockout(self) -> Knockout:
        """The section of the command; what a report reads has none."""
        return _present(self.params.knockout, "knockout", self.where)

    @property
    def saliency(self) -> Saliency:
        """The section of the command; what a report reads has none."""
        return _present(self.params.saliency, "saliency", self.where)


def _present(section: _S | None, name: str, where: str) -> _S:
    if section is None:
        raise ParamsError(f"{where}: expected a section {name}, found none")
    return section


def parse(text: str) -> Any:
    """YAML 1.2, read with the library and the rules that DVC reads it with.

    Raises `YAMLError` with the line, also where it is nested too deeply, or its aliases stand for more than `MOST_VALUES` values
    in all.
    """
    try:
        if "&" in text:
            _check_aliases(text)
        return YAML(typ="safe").load(text)
    except RecursionError:
        raise YAMLError("nested too deeply") from None
    except MarkedYAMLError as error:
        raise YAMLError(_told(error)) from error


def _told(error: MarkedYAMLError) -> str:
    """A line; the library's own message has six, and how to let a key stand there twice."""
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    if isinstance(error, DuplicateKeyError):
        return f"{place}{error.problem}; a key may stand once, so remove one of the two"
    return f"{place}{' '.join(part for part in (error.problem, error.context) if part)}"


def _check_aliases(text: str) -> None:
    """Count values with aliases written out: a few lines of aliases to aliases can stand for more than a machine holds."""
    sizes: dict[str, int] = {}
    around = [0]  # values in each collection that is open, the document's first
    anchors: list[str | None] = []
    for event in YAML(typ="safe").parse(text):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, CollectionStartEvent):
            anchors.append(anchor)
            around.append(1)
            continue
        if isinstance(event, CollectionEndEvent):
            anchor, size = anchors.pop(), around.pop()
        elif isinstance(event, AliasEvent):
            anchor, size = None, sizes.get(str(anchor), MOST_VALUES)  # an anchor that is still open refers to itself
        else:
            size = int(isinstance(event, ScalarEvent))
        around[-1] += size
        if anchor is not None:
            sizes[str(anchor)] = size
        if around[-1] > MOST_VALUES:
            line = event.start_mark.line + 1
            raise YAMLError(f"line {line}: aliases (& and *) stand for more than {MOST_VALUES:,} values in all")


def read(path: Path = FILE) -> dict[str, Any]:
    """The file as it stands; `ParamsError` where it has no sections."""
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ParamsError(f"{path}: cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ParamsError(f"{path}: expected sections of parameters, found {type(document).__name__}")
    return document


def build(document: Mapping[str, Any], where: str = str(FILE)) -> Config:
    """Check a document and return it typed; raises `ParamsError` with every wrong key, its value and what was expected."""
    params = _validated(Params, document, where)
    for dataset, stores in params.normalize.variants.items():
        for store in stores:
            section_of(params.normalize, dataset, store, where)
    _check_changes(params, where)
    every = grid.cells(params, where)
    cells = grid.used(params, every, where)
    grid.check(params, cells, where)
    return Config(params, every, cells, where)


def _check_changes(params: Params, where: str) -> None:
    """What recipes and candidates change must be possible, whether something in use takes them or not."""
    plain = params.model_dump(exclude={"grid", "search", "recipes", "methods", "use"})
    laid = {f"recipes.{name}": (plain, changes) for name, changes in params.recipes.items()}
    if search := params.search:
        base = overlay(plain, search.base, "search.base")
        laid["search.base"] = plain, search.base
        laid |= {f"search.candidates.{name}.changes": (base, made.changes) for name, made in search.candidates.items()}
    for key, (below, changes) in laid.items():
        document = overlay(below, changes, key)
        for section in changes:
            known = getattr(params, section)
            if isinstance(known, Section):
                _validated(type(known), document[section], f"{where}: {key}.{section}")


def _validated(model: type[_S], document: object, where: str) -> _S:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = [(".".join(map(str, e["loc"])), e["msg"], shown(repr(e["input"]))) for e in error.errors()]
        lines = [f"  {key}{': ' if key else ''}{message} (found {value:.60})" for key, message, value in found]
        raise ParamsError("\n".join([f"{where}: {len(lines)} value(s) cannot be used:", *lines])) from error


def raw_format(section: Normalize, dataset: str, store: str) -> str:
    """The raw format that a store is made from: that of its name, or the first part of a variant's name."""
    return store.partition("-")[0] if store in section.variants.get(dataset, {}) else store


def section_of(section: Normalize, dataset: str, store: str, where: str = str(FILE)) -> dict[str, Any]:
    """What a store is made with: its raw format's section, and for a variant its changes laid over it.

    Raises `ParamsError` where a variant's name begins with no raw format, or a change is impossible.
    """
    form, key = raw_format(section, dataset, store), f"normalize.variants.{dataset}.{store}"
    plain = section.format(form)
    if plain is None:
        raise ParamsError(f"{where}: {key}: expected a name that begins with a raw format: {'-, '.join(section.formats)}-")
    changed = overlay(plain, section.variants.get(dataset, {}).get(store) or {}, key)
    known = getattr(section, form)
    if isinstance(known, Section):
        _validated(type(known), changed, f"{where}: {key}")
    return changed


def load(path: Path = FILE) -> Config:
    """Read and check `params.yaml`."""
    return build(read(path), str(path))


def overlay(document: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A copy of `document` with nested `changes` laid over it; a key that is not there already is a `ParamsError`."""
    result = dict(document)
    for key, value in changes.items():
        if key not in result:
            raise ParamsError(f"params.yaml: {where}.{key}: there is no such parameter to change")
        nested = isinstance(value, Mapping) and isinstance(result[key], dict)
        result[key] = overlay(result[key], value, f"{where}.{key}") if nested else value
    return result


def for_cell(config: Config, name: str) -> tuple[GridCell, Params]:
    """The cell called `name`, of those in use or not, and the parameters as its recipe and its method change them.

    A method without regularisers has all lambdas 0. Raises `ParamsError` where the grid has no such cell.
    """
    if name not in config.every:
        near = ", ".join(config.cells)
        raise ParamsError(f"{config.where}: the grid has no cell {name!r}; in use are {near}")
    cell, params = config.every[name], config.params
    document = overlay(params.model_dump(), params.recipes[cell.recipe], f"recipes.{cell.recipe}")
    if not params.methods[cell.method].regularised:
        document["objective"] |= UNREGULARISED
    return cell, _validated(Params, document, f"{config.where}, cell {name}")


@cache
def _line_pattern() -> re.Pattern[str]:
    return re.compile(r"^(?P<indent> *)(?P<key>[\w-]+):(?P<value>[^#]*)(?:#\s*\[(?P<tag>[\w-]+)\]\s*(?P<reason>.*))?")


def provenance(path: Path = FILE) -> list[tuple[str, str, str, str]]:
    """(dotted key, value, tag, reason) of every commented parameter of the file, in its order."""
    rows: list[tuple[str, str, str, str]] = []
    parents: list[str] = []
    text = path.read_text(encoding="utf-8")
    values = flatten(parse(text))
    for line in text.splitlines():
        if not (match := _line_pattern().match(line)):
            continue
        depth = len(match["indent"]) // 2
        parents = [*parents[:depth], match["key"]]
        if match["tag"]:
            key = ".".join(parents)
            value = match["value"].strip() or str(values.get(key, ""))  # a list below its key, as DVC writes it
            rows.append((key, value, match["tag"], match["reason"].strip()))
    return rows
