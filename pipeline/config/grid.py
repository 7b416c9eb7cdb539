"""The grid: its lines as cells with names. Every name in them exists, switches can be compared, no cell stands there twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING

from pipeline.config.sections import GridCell, Line
from pipeline.core.errors import ParamsError

if TYPE_CHECKING:
    from pipeline.config.sections import Params

PLAIN, SWITCH, VARIANT = "{protocol}-{recipe}-{method}", "{protocol}-{recipe}", "{protocol}-{recipe}-{variant}"


def cells(params: Params, where: str) -> dict[str, GridCell]:
    """All cells of the grid by name; `ParamsError` for a line that names what is not there, and for a name that comes twice."""
    found: dict[str, GridCell] = {}
    for group, lines in params.grid.items():
        for number, line in enumerate(lines):
            key = f"{where}: grid.{group}.{number}"
            for name, cell in _cells_of(params, group, line, key):
                if name in found:
                    raise ParamsError(f"{key}: cell {name} is in group {found[name].group} already; give the line other `names`")
                found[name] = cell
    return found


def _cells_of(params: Params, group: str, line: Line, key: str) -> Iterator[tuple[str, GridCell]]:
    """The cells of one line by name; the methods of a recipe stand together, and the recipes of a protocol."""
    for protocol, recipe, method in product(line.protocols, line.recipes, line.methods):
        _check_known(params, key, protocol=protocol, recipe=recipe, method=method, seeds=line.seeds)
        of = params.protocols[protocol]
        for store in line.stores or [of.store]:
            names = {"protocol": protocol, "recipe": recipe, "method": method, "variant": store.partition("-")[2]}
            name = (line.names or (PLAIN if not line.switch_of else VARIANT if line.stores else SWITCH)).format(**names)
            yield (
                name,
                GridCell(
                    group=group,
                    dataset=of.dataset,
                    store=store,
                    protocol=protocol,
                    method=method,
                    recipe=recipe,
                    seeds=line.seeds,
                    switch_of=line.switch_of.format(**names),
                ),
            )


def _check_known(params: Params, key: str, **names: str) -> None:
    tables: dict[str, Mapping[str, object]] = {
        "protocol": params.protocols,
        "recipe": params.recipes,
        "method": params.methods,
        "seeds": params.seeds,
    }
    for what, name in names.items():
        if name not in tables[what]:
            raise ParamsError(f"{key}: {what} {name!r} is none of {', '.join(tables[what])}")


def used(params: Params, every: dict[str, GridCell], where: str) -> dict[str, GridCell]:
    """The cells of the groups in use; `ParamsError` for a group that is none, and for data sets that are not theirs."""
    if unknown := [group for group in params.use.groups if group not in params.grid]:
        raise ParamsError(f"{where}: use.groups: no group {', '.join(unknown)}; there are {', '.join(params.grid)}")
    found = {name: cell for name, cell in every.items() if cell.group in params.use.groups}
    if {cell.dataset for cell in found.values()} != set(params.use.datasets):
        raise ParamsError(
            f"{where}: use.datasets are not those of its groups; run `python -m pipeline use {' '.join(params.use.groups)}`"
        )
    return found


def check(params: Params, found: dict[str, GridCell], where: str) -> None:
    """Raise `ParamsError` with the first cell in use that cannot be."""
    if "switches" in params.recipes:
        raise ParamsError(f"{where}: recipes.switches: `switches` stands for other cells in metrics.json; use another name")
    for name, cell in found.items():
        _check_pretraining(params, cell, f"{where}: cell {name}")
        stores = [*params.normalize.formats, *params.normalize.variants.get(cell.dataset, {})]
        if cell.store not in stores:
            raise ParamsError(f"{where}: cell {name}: store {cell.store!r} is none of {', '.join(stores)}")
        if cell.switch_of:
            _check_switch(found, name, where)
        elif chosen_by_test(params, cell.recipe):
            raise ParamsError(
                f"{where}: cell {name}: its recipe {cell.recipe!r} chooses by test data; only a cell with `switch_of` may do so"
            )
    _check_once(found, where)


def _check_pretraining(params: Params, cell: GridCell, key: str) -> None:
    """A staged method with one attention goes through its first step alone, one with both through all."""
    method, changed = params.methods[cell.method], params.recipes[cell.recipe].get("pretrain") or {}
    parts = [method.spatial, method.temporal].count(True) if method.staged else 0
    steps = {0: (), 1: ("attention",), 2: ("attention", "main", "tune")}[parts]
    lengths = params.pretrain.model_dump() | changed
    if steps and not any(lengths[step] for step in steps):
        raise ParamsError(
            f"{key}: method {cell.method} is pretrained, but {', '.join(f'pretrain.{step}' for step in steps)} of recipe"
            f" {cell.recipe} {'is' if len(steps) == 1 else 'are'} 0: give one a length, or use a method with `staged: false`"
        )


def _check_switch(found: dict[str, GridCell], name: str, where: str) -> None:
    """A switch has the same test sequences as its reference, and the reference is in use and no switch itself."""
    cell = found[name]
    other, key = found.get(cell.switch_of), f"{where}: cell {name}: switch_of {cell.switch_of!r}"
    if other is None:
        raise ParamsError(f"{key} is not in use; use the group of that cell too")
    if other.switch_of or (other.dataset, other.protocol) != (cell.dataset, cell.protocol):
        raise ParamsError(f"{key}: expected a cell of {cell.protocol} that is no switch itself")


def _check_once(found: dict[str, GridCell], where: str) -> None:
    """Only switches may share protocol, recipe and method with another cell."""
    seen: dict[tuple[str, ...], str] = {}
    for name, cell in found.items():
        if cell.switch_of:
            continue
        first = seen.setdefault((cell.dataset, cell.protocol, cell.recipe, cell.method), name)
        if first != name:
            raise ParamsError(f"{where}: cell {name}: protocol, recipe and method are those of {first}; set `switch_of`")


def chosen_by_test(params: Params, recipe: str) -> bool:
    """Whether a recipe lets test data choose the epoch, which no number beside another may have done."""
    changed = params.recipes[recipe].get("training") or {}
    return str(changed.get("select", params.training.select)) == "test"
