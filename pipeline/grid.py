"""What the cells in use must be: every name that they give exists, switches can be compared, no cell stands there twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ParamsError

if TYPE_CHECKING:
    from pipeline.sections import Params


def check(params: Params, formats: tuple[str, ...], where: str) -> None:
    """Raise `ParamsError` with the first cell in use that cannot be; `formats` are the raw formats that there are."""
    if "switches" in params.recipes:
        raise ParamsError(f"{where}: recipes.switches: `switches` stands for other cells in metrics.json; use another name")
    for name in params.use.cells:
        _check_cell(params, name, formats, where)
    _check_once(params, where)


def _check_cell(params: Params, name: str, formats: tuple[str, ...], where: str) -> None:
    """Everything that a cell in use names is there."""
    cell = params.use.cells[name]
    for value, allowed, key in (
        (cell.dataset, params.use.datasets, "dataset"),
        (cell.store, [*formats, *params.normalize.variants.get(cell.dataset, {})], "store"),
        (cell.method, params.methods, "method"),
        (cell.recipe, params.recipes, "recipe"),
        (cell.seeds, params.seeds, "seeds"),
    ):
        if value not in allowed:
            raise ParamsError(f"{where}: use.cells.{name}: {key} {value!r} is none of {', '.join(allowed)}")
    if cell.switch_of:
        _check_switch(params, name, where)
    elif chosen_by_test(params, cell.recipe):
        raise ParamsError(
            f"{where}: use.cells.{name}: its recipe {cell.recipe!r} chooses by test data; only a cell with `switch_of` may do so"
        )


def _check_switch(params: Params, name: str, where: str) -> None:
    """A switch has the same test sequences as its reference, and the reference is in use and no switch itself."""
    cell = params.use.cells[name]
    other, key = params.use.cells.get(cell.switch_of), f"{where}: use.cells.{name}: switch_of {cell.switch_of!r}"
    if other is None:
        raise ParamsError(f"{key} is not in use; use the group of that cell too")
    if other.switch_of or (other.dataset, other.protocol) != (cell.dataset, cell.protocol):
        raise ParamsError(f"{key}: expected a cell of {cell.protocol} that is no switch itself")


def _check_once(params: Params, where: str) -> None:
    """Only switches may share protocol, recipe and method with another cell."""
    seen: dict[tuple[str, ...], str] = {}
    for name, cell in params.use.cells.items():
        if cell.switch_of:
            continue
        first = seen.setdefault((cell.dataset, cell.protocol, cell.recipe, cell.method), name)
        if first != name:
            raise ParamsError(f"{where}: use.cells.{name}: protocol, recipe and method are those of {first}; set `switch_of`")


def chosen_by_test(params: Params, recipe: str) -> bool:
    """Whether a recipe lets test data choose the epoch, which no number beside another may have done."""
    changed = params.recipes[recipe].get("training") or {}
    return str(changed.get("select", params.training.select)) == "test"
