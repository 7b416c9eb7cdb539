"""The committed predictions, by protocol and cell."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.grid import chosen_by_test
from pipeline.config.params import Config
from pipeline.config.sections import GridCell
from pipeline.core.errors import ResultsMissing
from pipeline.core.files import check_digest
from pipeline.datasets.shared import registry as datasets
from pipeline.report.analysis import role
from pipeline.report.switches import changes
from pipeline.results.statistics import Outcomes, outcomes, subset

FOLDER = Path("reports/baseline")
TYPES = {"cell": "str", "fold": "int64", "seed": "int64", "name": "str", "label": "int64", "predicted": "int64"}


@dataclass(frozen=True)
class Study:
    """A protocol of a data set: predictions of its cells in the order of `params.yaml`.

    `recipes`: recipe -> role (a key of `pipeline.report.analysis.ROLES`) -> predictions, without earlier methods and switches.
    """

    dataset: str
    protocol: str
    cells: dict[str, tuple[GridCell, Outcomes]]
    recipes: dict[str, dict[str, Outcomes]]

    def fresh(self, config: Config) -> dict[str, dict[str, Outcomes]]:
        """As `recipes`, of cells that differ from another one in their seeds alone."""
        found: dict[str, dict[str, Outcomes]] = {}
        for name, (cell, outcome) in self.cells.items():
            known = role(config.params.methods[cell.method])
            if known is not None and is_fresh(config, name):
                found.setdefault(cell.recipe, {})[known] = outcome
        return found

    def with_fresh(self, config: Config) -> list[dict[str, Outcomes]]:
        """The recipes under which methods can be compared, each method with its fresh seeds as well where they have been run."""
        again = self.fresh(config)
        return [
            {known: joined(one, again.get(recipe, {}).get(known)) for known, one in group.items()}
            for recipe, group in self.compared.items()
        ]

    @property
    def compared(self) -> dict[str, dict[str, Outcomes]]:
        """The recipes under which methods can be compared: more than one has been run."""
        return {recipe: group for recipe, group in self.recipes.items() if len(group) > 1}

    @property
    def whole(self) -> dict[str, dict[str, Outcomes]]:
        """The recipes that have all four methods of the 2 x 2 design, by name."""
        return {recipe: group for recipe, group in self.recipes.items() if {"lstm", "sa", "ta", "sta"} <= set(group)}

    @property
    def complete(self) -> list[dict[str, Outcomes]]:
        """The same without their names."""
        return list(self.whole.values())


def joined(one: Outcomes, other: Outcomes | None) -> Outcomes:
    """The seeds of both, of the same test sequences."""
    if other is None:
        return one
    predicted = np.concatenate([one.predicted, other.predicted])
    return replace(one, seeds=one.seeds + other.seeds, predicted=predicted)


def counted(studies: Sequence[Study]) -> list[Study]:
    """Of each data set the first protocol with all four methods: another one divides the same recordings, and adds no data."""
    found: dict[str, Study] = {}
    for study in studies:
        if study.complete:
            found.setdefault(study.dataset, study)
    return list(found.values())


def is_fresh(config: Config, name: str) -> bool:
    """Whether a cell is another one with other seeds, to see whether its effect comes again."""
    cell = config.every[name]
    return cell.switch_of in config.every and not changes(config, name, cell.switch_of)


def studies(config: Config, *, synthetic: bool = False) -> list[Study]:
    """Every protocol with committed predictions, in the order of `params.yaml`: of real data sets, or of synthetic ones alone."""
    found = []
    for dataset in dict.fromkeys(protocol.dataset for protocol in config.params.protocols.values()):
        path = FOLDER / f"{dataset}.csv.gz"
        if path.exists() and datasets.load(dataset).SYNTHETIC is synthetic:
            found += list(_of_dataset(config, dataset, read(path)))
    return found


def read(path: Path) -> pd.DataFrame:
    """A table of predictions, a line a prediction; `ResultsMissing` where it cannot be read."""
    try:
        check_digest(path)
        return pd.read_csv(path, dtype=TYPES, keep_default_na=False, usecols=list(TYPES))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ResultsMissing(f"{path}: expected a table of predictions ({error}); take it from git again") from error


def _of_dataset(config: Config, dataset: str, table: pd.DataFrame) -> Iterator[Study]:
    cells = {str(name): part for name, part in table.groupby("cell")}
    for protocol in [name for name, of in config.params.protocols.items() if of.dataset == dataset]:
        unit = config.unit(protocol)
        own = {name: cell for name, cell in config.every.items() if name in cells and cell.protocol == protocol}
        found = {
            name: (cell, _without(outcomes(cells[name], unit), config.answer.copies.get(protocol))) for name, cell in own.items()
        }
        if found:
            yield Study(dataset, protocol, found, _recipes(config, found))


def _without(found: Outcomes, copies: str | None) -> Outcomes:
    """Without test sequences that are copies of training sequences."""
    if copies is None:
        return found
    return subset(found, np.array([re.fullmatch(copies, name) is None for name in found.names]))


def _recipes(config: Config, cells: dict[str, tuple[GridCell, Outcomes]]) -> dict[str, dict[str, Outcomes]]:
    recipes: dict[str, dict[str, Outcomes]] = {}
    for cell, found in cells.values():
        known = role(config.params.methods[cell.method])
        if known is not None and not cell.switch_of and not chosen_by_test(config.params, cell.recipe):
            recipes.setdefault(cell.recipe, {}).setdefault(known, found)
    return recipes
