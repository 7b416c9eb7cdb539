"""Which module of a package imports which, read from the source: lazy imports count, those under TYPE_CHECKING do not."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Module:
    """A module by its dotted name: the modules of the package that it names, and the top-level names of other packages."""

    name: str
    path: Path
    inside: frozenset[str]
    outside: frozenset[str]


Graph = dict[str, Module]


def read(package: Path) -> Graph:
    """All modules of a package."""
    paths = {dotted(path, package): path for path in sorted(package.rglob("*.py"))}
    return {name: read_module(name, path, paths) for name, path in paths.items()}


def dotted(path: Path, package: Path) -> str:
    """`pipeline/core/cell.py` -> `pipeline.core.cell`; a package is named by its folder."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_module(name: str, path: Path, known: Iterable[str]) -> Module:
    """One module."""
    base = name if path.name == "__init__.py" else name.rpartition(".")[0]
    targets = {target for node in executed(ast.parse(path.read_text())) for target in targets_of(node, base, known)}
    top = name.partition(".")[0]
    inside = {target for target in targets if target.partition(".")[0] == top}
    return Module(name, path, frozenset(inside - {name}), frozenset(t.partition(".")[0] for t in targets - inside))


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those of `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield from (other, *executed(other))
        else:
            yield node
            yield from executed(node)


def targets_of(node: ast.AST, base: str, known: Iterable[str]) -> list[str]:
    """The modules that an import statement names; `from a import b` names `a.b` where that is a module, else `a`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    above = base.split(".")[: len(base.split(".")) - node.level + 1] if node.level else []
    start = ".".join([*above, *([node.module] if node.module else [])])
    return [f"{start}.{alias.name}" if f"{start}.{alias.name}" in known else start for alias in node.names]


def cycle(graph: Graph) -> list[str] | None:
    """Modules that import each other in a circle, or None."""
    try:
        graphlib.TopologicalSorter({name: module.inside for name, module in graph.items()}).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return None


def closure(start: str, graph: Graph, dynamic: Mapping[str, Iterable[str]] | None = None) -> set[str]:
    """What runs when a module is imported and all its functions are called: imports of imports, and the packages around them.

    `dynamic` adds what a module imports by a name that it computes.
    """
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        parent = name.rpartition(".")[0]
        todo += [*graph[name].inside, *((dynamic or {}).get(name, ())), *([parent] if parent else [])]
    return seen


def is_bare_package(module: Module) -> bool:
    """Whether a module is an `__init__.py` that runs nothing: a docstring, perhaps `__version__`, names for type checkers, and a
    `__getattr__` that imports what is asked for.
    """
    return module.path.name == "__init__.py" and all(_runs_nothing(node) for node in ast.parse(module.path.read_text()).body)


def _runs_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING") and not node.orelse
    if isinstance(node, ast.ImportFrom):
        return node.module == "typing"
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__version__"
    return isinstance(node, ast.Expr) or (isinstance(node, ast.FunctionDef) and node.name == "__getattr__")
