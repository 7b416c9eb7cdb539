"""A table once, written as CSV (raw values) and Markdown (formatted text); `latex` and `markup` write it for paper and page."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.report import text

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column for people: its title, and how a row's text is made.

    Numeric columns are aligned right; these and `whole` ones are never broken into lines where there is room. Text in backquotes
    is code. `minor` ones are left out where there is little room: on a phone, and in a column of a paper.
    """

    title: str
    text: Callable[[Row], str]
    numeric: bool = False
    whole: bool = False
    minor: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    `key` is the file name without ending; every row has the same keys, which are the columns of the CSV (`fields` where there
    are no rows); `columns` are what people see; `strong` are the places of the rows in bold; `note` stands below.
    `groups` is how many of the first columns name groups of rows that follow one another: page and paper have a heading above
    each group instead of these columns. `warning` is said in LaTeX as the last row, too.
    """

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    note: str = ""
    strong: frozenset[int] = frozenset()
    fields: tuple[str, ...] = ()
    warning: str = ""
    groups: int = 0

    @property
    def body(self) -> tuple[Column, ...]:
        """The columns that do not name groups."""
        return self.columns[self.groups :]

    @property
    def major(self) -> list[int]:
        """The places in `body` of the columns that stay where there is little room."""
        return [place for place, column in enumerate(self.body) if not column.minor]

    def heading(self, place: int) -> str:
        """The name of the group that begins with a row; empty where none begins."""
        named = self.columns[: self.groups]
        names = [column.text(self.rows[place]) for column in named]
        before = [column.text(self.rows[place - 1]) for column in named] if place else None
        said = [f"recipe {name}" if column.title == "Recipe" else name for column, name in zip(named, names, strict=True)]
        return "" if names == before else ", ".join(name for name in said if name)

    def texts(self) -> list[list[str]]:
        """The cells as text, row by row."""
        return [[column.text(row) for column in self.columns] for row in self.rows]


def minor(*columns: Column) -> tuple[Column, ...]:
    """The same columns, left out where there is little room."""
    return tuple(replace(column, minor=True) for column in columns)


def field(key: str, title: str, decimals: int | None = None, empty: str = text.MISSING, whole: bool = False) -> Column:
    """A column that shows the value of one key: numbers with `decimals`, text as it is, `empty` for None and NaN."""

    def show(row: Row) -> str:
        value = row[key]
        if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
            return empty
        if isinstance(value, float) and decimals is not None:
            return text.number(value, decimals)
        return str(value)

    return Column(title, show, decimals is not None, whole)


def method() -> Column:
    """The column of a method's name, from the key `method`."""
    return Column("Method", lambda row: text.label(row["method"]), whole=True)


def short(key: str, title: str, digits: int) -> Column:
    """A text column cut to so many characters, for fingerprints."""
    return Column(title, lambda row: row[key][:digits] or text.MISSING)


def yes_no(key: str, title: str) -> Column:
    """A column that shows a truth value as yes or no, None as a dash."""
    return Column(title, lambda row: text.MISSING if row[key] is None else "yes" if row[key] else "no")


def to_csv(table: Table) -> str:
    """Raw values; floats with up to four decimals, nothing for None and NaN."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.rows[0] if table.rows else table.fields)
    writer.writerows([_raw(value) for value in row.values()] for row in table.rows)
    return out.getvalue()


def _raw(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if math.isfinite(value) else ""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def to_markdown(table: Table) -> str:
    """A pipe table, its caption above and its note below."""
    rule = ["---:" if column.numeric else "---" for column in table.columns]
    body = [[f"**{c}**" if place in table.strong else c for c in map(_pipe, cells)] for place, cells in enumerate(table.texts())]
    rows = [[_pipe(column.title) for column in table.columns], rule, *body]
    if not table.rows:
        return f"**{table.caption}**: none. {table.note}".rstrip() + "\n"
    note = re.sub(r"^\*", r"\\*", table.note)  # a mark, not the bullet of a list
    lines = [f"**{table.caption}**", "", *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join([*lines, *(["", note] if table.note else []), ""])


def _pipe(value: str) -> str:
    return value.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def write(table: Table, folder: Path) -> None:
    """Write `<key>.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{table.key}.csv").write_text(to_csv(table))
