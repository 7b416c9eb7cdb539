"""Sphinx makes the site of these pages: `make docs`. Sphinx and MyST, because both are kept, read the Markdown that is here,
take docstrings as they are, and can treat every warning as an error.

The references of parameters and modules are written from `params.yaml` and the packages when the site is built. Equations become
MathML, so that the site needs no network.
"""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path
from typing import Any

import latex2mathml.converter
from docutils import nodes
from sphinx.application import Sphinx

import pipeline
from pipeline.config import params

ROOT = Path(__file__).parent.parent
project, author, release = "STA-LSTM, reproduced", "", pipeline.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
exclude_patterns = ["_build", "conf.py"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
suppress_warnings = ["ref.python"]  # a signature names a class by its last name, which two modules may have
autodoc_mock_imports = ["mlflow", "distributed", "captum", "vl_convert"]
PACKAGES = (
    "core",
    "networks",
    "datasets",
    "results",
    "report",
    "answers",
    "predict",
    "knockout",
    "saliency",
    "config",
    "running",
)


def write(path: Path, text: str) -> None:
    """Write a made page where it changed, so that nothing is built twice."""
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def parameters() -> str:
    """A section of `params.yaml` each, with the value, provenance and reason of every parameter."""
    lines = ["# Parameters", "", "From `params.yaml`, with where each value comes from.", ""]
    section = ""
    for key, value, tag, reason in params.provenance(ROOT / "params.yaml"):
        if key.split(".")[0] != section:
            section = key.split(".")[0]
            lines += ["", f"## {section}", "", "| parameter | value | from | reason |", "|---|---|---|---|"]
        cells = [f"`{key}`", f"`{value}`", tag, reason]
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def modules() -> str:
    """Every public module of the packages, by its docstrings."""
    names = [m.name for m in pkgutil.walk_packages(pipeline.__path__, "pipeline.") if m.name.split(".")[1] in PACKAGES]
    parts = ["Modules", "=======", ""]
    packages = {module.name for module in pkgutil.walk_packages(pipeline.__path__, "pipeline.") if module.ispkg}
    for name in ["pipeline.predict.model", *sorted(set(names) - {"pipeline.predict.model"})]:
        parts += [name, "-" * len(name), "", f".. automodule:: {name}", *["   :members:"] * (name not in packages), ""]
    return "\n".join(parts)


def leave(app: Sphinx, name: str, source: list[str]) -> None:
    """Links to files of the repository that are no pages become the names of these files."""
    if name.startswith("reference/"):
        return
    text = re.sub(r"\[([^\]]+)\]\((\w+\.ipynb)\)", r"{download}`\1 <\2>`", source[0])
    text = re.sub(r"(?<!!)\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)", r"\1 (`\2`)", text)
    source[0] = re.sub(r"\]\((?:docs/)?([\w-]+)\.md#([\w-]+)\)", r"](\1.md#\2)", text)


def docstrings(app: Sphinx, what: str, name: str, thing: object, options: Any, lines: list[str]) -> None:  # noqa: PLR0917
    """Docstrings are plain text with code in single backquotes, not reStructuredText: keep their lines as they are."""
    text = "\n".join(lines)
    text = re.sub(r"(?<!`)`([^`\n]+)`(?!`)", r"``\1``", re.sub(r"([*|\\])", r"\\\1", text))
    text = re.sub(r"``([^`]+)``", lambda found: "``" + re.sub(r"\\([*|\\])", r"\1", found[1]) + "``", text)
    lines[:] = ["| " + line.strip() if line.strip() else "" for line in re.sub(r"(\w)_(?=\W|$)", r"\1\\_", text).splitlines()]


def inline(self: Any, node: nodes.Element) -> None:
    """An equation within a line."""
    self.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def block(self: Any, node: nodes.Element) -> None:
    """An equation of its own."""
    self.body.append(f'<div class="math">{latex2mathml.converter.convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Write the references, and connect."""
    write(ROOT / "docs/reference/params.md", parameters())
    write(ROOT / "docs/reference/modules.rst", modules())
    app.connect("source-read", leave)
    app.connect("autodoc-process-docstring", docstrings)
    app.add_html_math_renderer("mathml", (inline, None), (block, None))


html_math_renderer = "mathml"
