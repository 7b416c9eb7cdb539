"""Names in the sections of commands: what they name is there. A misspelt cell would be guarded by nothing, without a word."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from pipeline.config.commands import Answer, Check
from pipeline.config.sections import GridCell, Params
from pipeline.core.errors import ParamsError


def check(section: Check, params: Params, every: dict[str, GridCell], where: str) -> None:
    """`ParamsError` for a guarded cell of a data set of the grid that there is none of."""
    for dataset in {cell.dataset for cell in every.values()} & set(section.guarded):
        own = [name for name, cell in every.items() if cell.dataset == dataset]
        _known(section.guarded[dataset], own, f"cell of {dataset}", f"{where}: check.guarded.{dataset}")
    datasets = {protocol.dataset for protocol in params.protocols.values()}
    if not datasets & set(section.guarded):  # not one of them: then it is no choice of data sets, but another spelling
        _known(section.guarded, datasets, "data set", f"{where}: check.guarded")


def answer(section: Answer, params: Params, where: str) -> None:
    """`ParamsError` for a protocol, group or recipe that there is none of."""
    for key in ("subjects", "people", "copies"):
        _known(getattr(section, key), params.protocols, "protocol", f"{where}: answer.{key}")
    _known(section.inputs, params.grid, "group of the grid", f"{where}: answer.inputs")
    for group, recipes in section.inputs.items():
        _known(recipes.model_dump().values(), params.recipes, "recipe", f"{where}: answer.inputs.{group}")


def _known(names: Collection[str], known: Collection[str], what: str, where: str) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name, list(known), n=3, cutoff=0.5) or list(known)[:3]
            raise ParamsError(f"{where}: there is no {what} {name!r}; do you mean {', '.join(near) or 'none'}?")
