"""A package's modules as syntax trees, their imports of each other, and the circles and chains of these.

No module is imported.

An import counts for the module that it names. ``from package import name`` is an import of ``package.name`` where
that is a module, and of the package's own ``__init__`` otherwise. An import of a submodule is not an import of the
packages above it, although Python runs their ``__init__``: the importing module uses nothing of it, and one that
re-exports its submodules would be in a circle with each of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

Graph = Mapping[str, Set[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef

DUNDER = ("__init__", "__main__")


class SourceTree:
    """The modules below the folder ``package``, each by its whole name."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.files = {_module_name(package, path): path for path in sorted(package.rglob("*.py"))}
        self.trees = {name: ast.parse(path.read_text()) for name, path in self.files.items()}

    def short(self, module: str) -> str:
        """The name below the package, as lists show it."""
        return module.removeprefix(f"{self.package.name}.")

    def imports(self, *, run_time: bool) -> Graph:
        """The imports of each module.

        ``run_time``: only those that importing it runs: not those for type checking, and not those in functions.
        """
        return {name: self._imports_of(name, run_time) for name in self.trees}

    def _imports_of(self, module: str, run_time: bool) -> set[str]:
        named = (name for node in statements(self.trees[module], run_time) for name in self._named(node))
        return {name for name in named if name != module}

    def _named(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in self.trees)
        elif isinstance(node, ast.ImportFrom) and node.module in self.trees:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in self.trees else node.module


def statements(tree: ast.AST, run_time: bool) -> Iterator[ast.AST]:
    """Every node below ``tree``; with ``run_time`` only what importing the module runs."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        if run_time and isinstance(node, Function):
            continue
        if run_time and isinstance(node, ast.If) and last_name(node.test) == "TYPE_CHECKING":
            pending += node.orelse
            continue
        pending += ast.iter_child_nodes(node)


def last_name(node: ast.AST | None) -> str:
    """``name`` of ``name``, ``a.name``, ``name[…]`` and ``name(…)``; empty for anything else."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def circles(graph: Graph) -> list[list[str]]:
    """The sets of several modules that all reach each other, the largest first."""
    found = [sorted(group) for group in _components(graph) if len(group) > 1]
    return sorted(found, key=lambda group: (-len(group), group))


def longest_chain(graph: Graph) -> list[frozenset[str]]:
    """The longest path from a module down its imports; a circle is one step of it."""
    home = {name: group for group in _components(graph) for name in group}
    longest: dict[frozenset[str], list[frozenset[str]]] = {}
    for group in dict.fromkeys(home.values()):  # a group comes after the groups that it imports
        below = {home[imported] for name in group for imported in graph[name]} - {group}
        chains = (longest[each] for each in sorted(below, key=sorted))
        longest[group] = [group, *max(chains, key=len, default=[])]
    return max(longest.values(), key=len, default=[])


def reachable(graph: Graph, start: str) -> set[str]:
    """``start`` and all that it imports, directly or not."""
    found: set[str] = set()
    pending = [start]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += graph[name]
    return found


def _components(graph: Graph) -> list[frozenset[str]]:
    """Every module with the modules of its circle, each group after the groups that it imports."""
    reach = {name: reachable(graph, name) for name in graph}
    groups = {frozenset(other for other in reach[name] if name in reach[other]): len(reach[name]) for name in graph}
    return sorted(groups, key=lambda group: (groups[group], sorted(group)))


def _module_name(package: Path, path: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
