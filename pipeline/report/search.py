"""How the tuned recipe was chosen: the record of a search, `reports/search/<dataset>.json`, as a section of the report.

What the file has is described in `reports/search/README.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.core.errors import ResultsMissing
from pipeline.report import text
from pipeline.report.ledger import as_yaml
from pipeline.report.tables import Column, Table, field, minor
from pipeline.report.tables import method as method_column

FOLDER = Path("reports/search")
NEXT = "take it from git again, or make the search again"


class Record(BaseModel):
    """Base of the record's parts; what the report does not show may stand in the file too."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Budget(Record):
    """What the search cost."""

    networks: int
    core_minutes: float


class Candidate(Record):
    """A recipe that was tried: `inner` is the validation accuracy in per cent within each outer fold, `mean` over these."""

    name: str
    round: int
    method: str
    changes: dict[str, Any]
    inner: dict[str, float]
    mean: float
    sd_seeds: float | None


class Outer(Record):
    """The nested estimate: test accuracy in per cent of each outer fold by its own choice, and their mean."""

    folds: dict[str, float]
    mean: float


class Search(Record):
    """A search: `chosen` names the candidate of each outer fold, `frozen` the one that became the recipe."""

    protocol: str
    method: str = ""
    seeds: list[int]
    budget: Budget
    rule: str
    folds: list[int]
    candidates: list[Candidate]
    chosen: dict[str, str]
    frozen: str
    outer: Outer | None = None


def load(dataset: str) -> Search | None:
    """The record of a data set's search; None where there is none, `ResultsMissing` where it cannot be read."""
    path = FOLDER / f"{dataset}.json"
    return read(path) if path.exists() else None


def read(path: Path) -> Search:
    """A record; `ResultsMissing` where it cannot be read."""
    try:
        return Search.model_validate_json(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsMissing(f"{path}: expected the record of a search ({error}); {NEXT}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        message = f"{path}: {where}: {first['msg']}; {FOLDER / 'README.md'} has the format; {NEXT}"
        raise ResultsMissing(message) from error


def paragraphs(search: Search) -> list[str]:
    """The rule and what was spent on it."""
    seeds = text.joined([str(seed) for seed in search.seeds])
    spent = f"{search.budget.networks} networks, {text.number(search.budget.core_minutes, 0)} core minutes"
    return [
        search.rule,
        f"Searched on {search.protocol}, {len(search.candidates)} candidates with seed{'s' * (len(search.seeds) > 1)} {seeds}:"
        f" {spent}. Frozen as the recipe: {search.frozen}.",
        *([_nested(search.outer)] if search.outer else []),
    ]


def _nested(outer: Outer) -> str:
    """The estimate that nested validation gives of the whole procedure, choosing included."""
    folds = ", ".join(f"fold {fold} {text.number(value, 1)}" for fold, value in outer.folds.items())
    return (
        f"Each outer fold tested by its own choice, trained on all of the other folds: mean {text.number(outer.mean)} %"
        f" ({folds}). This is what choosing and training together reach; the frozen recipe was chosen by the scores of several"
        " folds, among which every sample was answered."
    )


def table(search: Search) -> Table:
    """A row a candidate, in the order of the file; the chosen ones in bold."""
    rows: list[dict[str, Any]] = []
    for candidate in search.candidates:
        inner = {f"fold {fold}": candidate.inner.get(str(fold)) for fold in search.folds}
        row = {"round": candidate.round, "candidate": candidate.name, "method": candidate.method}
        changes = "; ".join(f"{key}: {as_yaml(value)}" for key, value in candidate.changes.items())
        row |= {"changes": changes, **inner, "mean": candidate.mean, "sd_seeds": candidate.sd_seeds}
        rows.append(row | {"chosen": _chosen(search, candidate.name)})
    columns = (
        *minor(field("round", "Round", 0)),
        field("candidate", "Candidate", whole=True),
        *minor(
            method_column(),
            field("changes", "Changes"),
            *(field(f"fold {fold}", f"Fold {fold}", 1) for fold in search.folds),
        ),
        field("mean", "Mean", 1),
        field("sd_seeds", "s.d. over seeds", 1),
        Column("Chosen", lambda row: row["chosen"], whole=True),
    )
    note = (
        "Validation accuracy in per cent within the training part of each outer fold, whose test part is not looked at."
        " Bold: chosen for an outer fold, or frozen as the recipe."
    )
    strong = frozenset(i for i, row in enumerate(rows) if row["chosen"])
    fields = ("round", "candidate", "method", "changes", "mean", "sd_seeds", "chosen")
    return Table("search", f"{search.protocol}: candidates", columns, rows, note, strong, fields)


def _chosen(search: Search, name: str) -> str:
    folds = [fold for fold in map(str, search.folds) if search.chosen.get(fold) == name]
    parts = [f"fold{'s' * (len(folds) > 1)} {', '.join(folds)}"] if folds else []
    return "; ".join([*parts, *(["frozen"] if search.frozen == name else [])])
