"""A table in HTML: cells for people, a heading for each group, an anchor, and links to the files beside the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from pipeline.report import text
from pipeline.report.latex import ROOM, height
from pipeline.report.tables import Column, Table

SHORT = 16  # rows: on paper such tables stand side by side where they are narrow, and are not cut across pages
MARKS = ("number", "whole", "minor")


def to_html(table: Table, command: str = "") -> str:
    """A `<table>` with its note, where its files are and the command that makes it again.

    Cells have the classes `number`, `whole` and `minor` (not shown where there is little room), rows `strong` and `group`.
    """
    if not table.rows:
        return f"<p><strong>{escape(table.caption)}</strong>: none. {escape(table.note)}</p>"
    anchor = f"table-{table.key}"
    caption = f'<caption>{escape(table.caption)} <a class="anchor" href="#{anchor}" title="This table">#</a></caption>'
    head = "".join(f'<th scope="col"{_marks(column)}>{escape(column.title)}</th>' for column in table.body)
    rows = "\n".join(_rows(table))
    note = f'\n<p class="note">{escape(table.note)}</p>' if table.note else ""
    label, kind = escape(table.caption, quote=True), "table short" if len(table.rows) <= SHORT else "table"
    return (
        f'<div class="{kind}" id="{anchor}">\n'
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table>{caption}\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>{note}\n{_files(table, command)}</div>"
    )


def _rows(table: Table) -> Iterator[str]:
    for place, row in enumerate(table.rows):
        if name := table.heading(place):
            yield f'<tr class="group"><th scope="rowgroup" colspan="{len(table.body)}">{_code(name)}</th></tr>'
        first, *others = [(column, _cell(column.text(row), column.whole)) for column in table.body]
        inner = f'<th scope="row"{_marks(first[0])}>{first[1]}</th>'
        inner += "".join(f"<td{_marks(column)}>{cell}</td>" for column, cell in others)
        yield f'<tr class="strong">{inner}</tr>' if place in table.strong else f"<tr>{inner}</tr>"


def _marks(column: Column) -> str:
    names = [name for name, there in zip(MARKS, (column.numeric, column.whole, column.minor), strict=True) if there]
    return f' class="{" ".join(names)}"' if names else ""


def _cell(value: str, whole: bool) -> str:
    """The text; on a phone without how many runs there are after a number, and names may go on after a dot or underscore."""
    kept = text.brief(value)
    if whole:
        return re.sub(r"([._])(?=\w)", r"\1<wbr>", _code(kept))
    runs = escape(value[len(kept) :].strip())
    return _code(kept) + (f'<span class="minor"> <span class="kept">{runs}</span></span>' if runs else "")


def _code(value: str) -> str:
    """Backquoted code; intervals, a number with its spread (`whole` where there is room), and small p, in one line each."""
    code = re.sub(r"`(.+?)`", r"<code>\1</code>", escape(value))
    code = re.sub(r"^\[[^\[\]<>]+\]$|^[\d.]+ ± [\d.]+$", r'<span class="whole">\g<0></span>', code).replace("± ", "±&nbsp;")
    return re.sub(r"(?<=\S )\[[^\[\]<>]+\]$|^&lt; [\d.]+$", r'<span class="kept">\g<0></span>', code)


def _files(table: Table, command: str) -> str:
    """Where the numbers are for programs and papers; on a phone, which columns are not shown."""
    absent = [column.title for column in table.body if column.minor]
    less = f'<span class="narrow">Not shown at this width: {escape(", ".join(absent).rstrip("."))}. </span>' if absent else ""
    names = {"CSV": f"{table.key}.csv", "all columns": f"{table.key}-long.tex"}
    names |= {"one column": f"{table.key}.tex"} if height(table) <= ROOM else {}
    links = {title: f'<a href="tables/{name}">{title}</a>' for title, name in names.items()}
    paper = ", ".join(link for title, link in links.items() if title != "CSV")
    made = f" \N{MIDDLE DOT} made by <code>{escape(command)}</code>" if command else ""
    return f'<p class="files">{less}{links["CSV"]} \N{MIDDLE DOT} LaTeX: {paper}{made}</p>'
