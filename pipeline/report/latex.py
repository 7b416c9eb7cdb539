"""A table in LaTeX: a float that fits a column of a paper, and a `longtable` of all columns.

The float has the columns that stay where there is little room, in a `tabularx` as wide as the column, whatever that is; it was
made for 3.3 inches (AAAI). The `longtable` is for a text width of 6.5 inches, outside of two-column mode.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from pipeline.report import text
from pipeline.report.tables import Column, Row, Table

ROOM, COLUMN = 66, 68  # lines of a page of AAAI in the type of a float, and characters in one of its two columns
LEAST, WIDE = 6, 16  # characters: the least of a column, and beyond which one of text may break lines in the long table
SIZES = {"scriptsize": 112, "tiny": 136}  # characters in 6.5 inches, where a row may be bold
GAP = 2  # characters: the space beside a column

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


def to_float(table: Table, page: str = "") -> str:
    """A `table` for one column of a paper, with caption, label and note; needs `booktabs` and `tabularx`."""
    columns = [table.body[place] for place in table.major]
    align = "".join("r" if column.numeric else r">{\raggedright\arraybackslash}X" for column in columns)
    lines = [
        f"% {table.key}: needs \\usepackage{{booktabs,tabularx}}; all columns are in {table.key}-long.tex",
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{2.5pt}",
        rf"\caption{{{latex(table.caption)}}}\label{{{_label(table, page)}}}",
        rf"\begin{{tabularx}}{{\columnwidth}}{{@{{}}{align}@{{}}}}",
        *_top(table, columns, brief=True),
        *_body(table, columns, brief=True),
        r"\end{tabularx}",
        *_note(table, r"\par\smallskip\parbox{\columnwidth}{\scriptsize %s}"),
        r"\end{table}",
    ]
    return "\n".join([*lines, ""])


def to_long(table: Table, page: str = "") -> str:
    """A `longtable` of all columns but those that name groups; needs `booktabs`, `longtable` and `array`."""
    top, (size, line) = _top(table, table.body, brief=False), _size(table)
    lines = [
        f"% {table.key}: needs \\usepackage{{booktabs,longtable,array}}, and 6.5 inches",
        rf"\begingroup\{size}\setlength{{\tabcolsep}}{{2pt}}",
        rf"\begin{{longtable}}{{@{{}}{''.join(_widths(table, line))}@{{}}}}",
        rf"\caption{{{latex(table.caption)}}}\label{{{_label(table, page)}-long}}\\",
        *(*top, r"\endfirsthead", *top, r"\endhead"),
        *_body(table, table.body, brief=False),
        r"\end{longtable}",
        *_note(table, r"\noindent %s\par"),
        r"\endgroup",
    ]
    return "\n".join([*lines, ""])


def _note(table: Table, form: str) -> list[str]:
    return [form % latex(table.note)] if table.note else []


def _top(table: Table, columns: Sequence[Column], brief: bool) -> list[str]:
    """The titles; those of numbers in as many lines as keep them about as narrow as the numbers."""
    titles = [_stacked(_lines(table, column, brief)) if column.numeric else latex(column.title) for column in columns]
    return [r"\toprule", _row(titles), r"\midrule"]


def _lines(table: Table, column: Column, brief: bool) -> list[str]:
    width = max([LEAST, *(len(_text(column, row, brief)) for row in table.rows)])
    return textwrap.wrap(column.title, width, break_long_words=False) or [""]


def _stacked(lines: Sequence[str]) -> str:
    """Lines above each other, aligned right."""
    if len(lines) == 1:
        return latex(lines[0])
    return r"\begin{tabular}[b]{@{}r@{}}" + r"\\".join(map(latex, lines)) + r"\end{tabular}"


def _text(column: Column, row: Row, brief: bool) -> str:
    return text.brief(column.text(row)) if brief else column.text(row)


def _body(table: Table, columns: Sequence[Column], brief: bool) -> list[str]:
    """A line above each group, the rows, the warning."""
    lines = []
    for place, row in enumerate(table.rows):
        if name := table.heading(place):
            lines += [r"\addlinespace"] * bool(place) + [_across(columns, rf"\emph{{{latex(name)}}}")]
        cells = [latex(_text(column, row, brief)) for column in columns]
        lines.append(_row([rf"\textbf{{{cell}}}" for cell in cells] if place in table.strong else cells))
    if table.warning:
        lines.append(_across(columns, rf"\textbf{{{latex(table.warning)}}}"))
    return [*lines, r"\bottomrule"]


def _across(columns: Sequence[Column], cell: str) -> str:
    return rf"\multicolumn{{{len(columns)}}}{{@{{}}p{{\linewidth}}@{{}}}}{{\raggedright {cell}}} \\"


def _row(cells: Sequence[str]) -> str:
    # a cell that begins with [ would be taken for the optional length of the line break before it
    return " & ".join("{" + cell + "}" if cell.startswith("[") else cell for cell in cells) + r" \\"


def _size(table: Table) -> tuple[str, int]:
    """The size of the type that holds the long table's numbers and longest words, and the characters of its line."""
    return next(
        (size for size in SIZES.items() if sum(_least(table, c) + GAP for c in table.body) <= size[1]), list(SIZES.items())[-1]
    )


def _widths(table: Table, line: int) -> list[str]:
    """How each column of the long table is aligned: where they do not all fit, those of text share what numbers leave."""
    lengths, least = ([of(table, column) for column in table.body] for of in (_length, _least))
    if sum(lengths) + GAP * len(lengths) <= line:
        return ["r" if column.numeric else "l" for column in table.body]
    rest, wanted = line - sum(least) - GAP * len(least), sum(lengths) - sum(least)
    return [
        "r" if column.numeric else _paragraph((short + max(0, rest) * (length - short) / max(1, wanted)) / line)
        for column, length, short in zip(table.body, lengths, least, strict=True)
    ]


def _least(table: Table, column: Column) -> int:
    """The characters that a column needs at least: a number, or the longest word that no line breaks."""
    if column.numeric:
        return _length(table, column)
    words = re.split(r"[\s-]|(?<=\w)[._](?=[a-z])", " ".join([column.title, *(column.text(row) for row in table.rows)]))
    return max(LEAST, *(len(word) + 1 for word in words))


def _length(table: Table, column: Column) -> int:
    """The characters of a column; of long text the square root counts, since it goes on in further lines."""
    found = max([LEAST, *(len(column.text(row)) for row in table.rows)])
    if column.numeric:
        return max(found, *map(len, _lines(table, column, brief=False)))
    return max(len(column.title), found if found <= WIDE else WIDE + round((found - WIDE) ** 0.5 * 4))


def _paragraph(share: float) -> str:
    return rf">{{\raggedright\arraybackslash}}p{{{share:.3f}\linewidth}}"


def latex(value: str) -> str:
    """Text with LaTeX's special characters escaped; backquoted parts are code, and names may break after dots and underscores."""
    escaped = "".join(_LATEX.get(character, character) for character in value)
    escaped = re.sub(r"(?<=\w)(\.|\\_)(?=[a-z])", r"\1\\allowbreak{}", escaped)
    return re.sub(r"`(.+?)`", r"\\texttt{\1}", escaped)


def height(table: Table) -> int:
    """Lines of the float, about: rows as high as their longest cell, whose column shares what numbers leave, and groups."""
    columns = [table.body[place] for place in table.major]
    words = [column for column in columns if not column.numeric]
    numbers = sum(max([0, *(len(_text(c, row, True)) for row in table.rows)]) for c in columns if c.numeric)
    width = max(LEAST, (COLUMN - numbers - GAP * len(columns)) // max(1, len(words)))
    rows = sum(max([1, *(len(textwrap.wrap(_text(c, row, True), width)) for c in words)]) for row in table.rows)
    return rows + 2 * sum(bool(table.heading(place)) for place in range(len(table.rows)))


def _label(table: Table, page: str) -> str:
    return f"tab:{page}-{table.key}" if page else f"tab:{table.key}"


def write(table: Table, folder: Path, page: str = "") -> None:
    """Write `<key>-long.tex`, and `<key>.tex` where the rows fit a float; their labels begin with the name of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    if height(table) <= ROOM:
        (folder / f"{table.key}.tex").write_text(to_float(table, page))
    (folder / f"{table.key}-long.tex").write_text(to_long(table, page))
