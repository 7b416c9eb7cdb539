"""A table once, written as CSV (raw values), LaTeX, Markdown and HTML (formatted text)."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from pipeline.report import text

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column for people: its title, and how a row's text is made.

    Numeric columns are aligned right; these and `whole` ones are never broken into lines. Text in backquotes is code.
    """

    title: str
    text: Callable[[Row], str]
    numeric: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    `key` is the file name without ending; every row has the same keys, which are the columns of the CSV (`fields` where there
    are no rows); `columns` are what people see; `strong` are the places of the rows in bold; `note` stands below.
    `warning` is what LaTeX, which has the caption elsewhere, says as the last row.
    """

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    note: str = ""
    strong: frozenset[int] = frozenset()
    fields: tuple[str, ...] = ()
    warning: str = ""

    def texts(self) -> list[list[str]]:
        """The cells as text, row by row."""
        return [[column.text(row) for column in self.columns] for row in self.rows]


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


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    text.MINUS: "$-$",
    text.MISSING: "--",
    "±": r"$\pm$",
    "\N{DAGGER}": r"\textdagger{}",
    "\N{DOUBLE DAGGER}": r"\textdaggerdbl{}",
    "\N{SECTION SIGN}": r"\S{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
    "\N{GREEK CAPITAL LETTER DELTA}": r"$\Delta$",
    "\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$",
    "\N{GREEK SMALL LETTER BETA}": r"$\beta$",
}


def to_latex(table: Table) -> str:
    """A `tabular` for `booktabs`, to be put into a `table` by `\\input`."""
    align = "".join("r" if column.numeric else "l" for column in table.columns)
    head = [latex(column.title) for column in table.columns]
    body = [
        [rf"\textbf{{{latex(cell)}}}" if place in table.strong else latex(cell) for cell in cells]
        for place, cells in enumerate(table.texts())
    ]
    lines = [rf"\begin{{tabular}}{{{align}}}", r"\toprule", _latex_row(head), r"\midrule", *map(_latex_row, body)]
    if table.warning:
        lines.append(rf"\multicolumn{{{len(table.columns)}}}{{l}}{{\textbf{{{latex(table.warning)}}}}} \\")
    return "\n".join([f"% {table.key}: needs \\usepackage{{booktabs}}", *lines, r"\bottomrule", r"\end{tabular}", ""])


def latex(value: str) -> str:
    """Text with LaTeX's special characters escaped, and backquoted parts as code."""
    escaped = "".join(_LATEX.get(character, character) for character in value)
    return re.sub(r"`(.+?)`", r"\\texttt{\1}", escaped)


def _latex_row(cells: list[str]) -> str:
    # a cell that begins with [ would be taken for the optional length of the line break before it
    return " & ".join("{" + cell + "}" if cell.startswith("[") else cell for cell in cells) + r" \\"


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


def to_html(table: Table) -> str:
    """A `<table>` with a caption and header cells, its note in a paragraph; the classes are `number`, `whole` and `strong`."""
    if not table.rows:
        return f"<p><strong>{escape(table.caption)}</strong>: none. {escape(table.note)}</p>"
    head = "".join(f'<th scope="col"{_kind(column)}>{escape(column.title)}</th>' for column in table.columns)
    body = []
    for place, cells in enumerate(table.texts()):
        marks = ' class="strong"' if place in table.strong else ""
        inner = "".join(f"<td{_kind(column)}>{_code(cell)}</td>" for column, cell in zip(table.columns, cells, strict=True))
        body.append(f"<tr{marks}>{inner}</tr>")
    note = f'\n<p class="note">{escape(table.note)}</p>' if table.note else ""
    rows = "\n".join(body)
    caption = f"<caption>{escape(table.caption)}</caption>"
    label = escape(table.caption, quote=True)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table>{caption}\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>{note}"
    )


def _kind(column: Column) -> str:
    return ' class="number"' if column.numeric else ' class="whole"' if column.whole else ""


def _code(value: str) -> str:
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escape(value))


def write(table: Table, folder: Path) -> None:
    """Write `<key>.csv` and `<key>.tex`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{table.key}.csv").write_text(to_csv(table))
    (folder / f"{table.key}.tex").write_text(to_latex(table))
