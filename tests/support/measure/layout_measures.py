"""What is measured of the package's layout; `layout.py` prints it. Source text alone is read."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.measure.source_tree import DUNDER, Function, SourceTree, circles, last_name, longest_chain

IMPORT_STEPS = ("_import_in_worker", "enabled", "_log_notes")
"""The functions that have a worker import a plugin, filter what it declares, and explain what was odd about it. A
module that calls two of them has the procedure "import a plugin, record it, filter it, explain it" in it.
"""

CONFLICT_STEPS = ("_shared", "_explanation")
"""The functions that group plugins or models by name, and that explain such a group. Whoever calls one of them finds
conflicts; to call what finds them (`plugin_conflicts`, `model_conflicts`, `shared_names`) is not counted.
"""

CONFIG_CLASSES = ("HostConfig", "ModelSettings", "ShmPolicy", "Tables")
"""The classes that hold configured values before they are put together for one model."""

CONFIG_ATTRIBUTE = "config"
"""The attribute that others read the configuration from (``registry.config``)."""

OTHER_CONFIGS = ("dtype", "image")
"""What has an attribute of that name which is not the configuration: a tensor's type, a plan of an image."""

CONFIG_PARTS = ("cli", "config", "config_file", "config_tables", "host.model_settings", "merging", "settings")
"""Modules, and packages with all that is in them, that are the configuration or read it from the command line."""

CALLABLE = "Callable"
CONSTRUCTOR_DECORATORS = ("define", "frozen", "mutable", "attrs", "s", "dataclass")


class StaleName(Exception):
    """A table of this file has a name that the package does not define: it was renamed, and the table was not."""


class Found(NamedTuple):
    """A measure's figure and what was counted, one line each."""

    figure: int
    details: list[str]


def largest_folder(tree: SourceTree) -> Found:
    """The most modules in one folder. Sources in C are named below it, a source and its header once, not counted."""
    sizes = {folder: sum(path.stem not in DUNDER for path in folder.glob("*.py")) for folder in _folders(tree)}
    lines = [
        f"{_shown(tree, folder)}: {size}{_c_sources(folder)}"
        for folder, size in sorted(sizes.items(), key=lambda each: -each[1])
    ]
    return Found(max(sizes.values(), default=0), lines)


def loose_modules(tree: SourceTree) -> Found:
    """The modules in the root of the package."""
    return _listed(path.stem for path in tree.files.values() if path.parent == tree.package and path.stem not in DUNDER)


def import_circles(tree: SourceTree) -> Found:
    """Sets of modules that all reach each other by any imports, those for type checking and in functions too."""
    found = circles(tree.imports(run_time=False))
    return _listed((f"{len(group)}: {' '.join(map(tree.short, group))}" for group in found), sort=False)


def import_depth(tree: SourceTree) -> Found:
    """The modules on the longest chain of imports that run when its first module is imported; a circle is one."""
    chain = longest_chain(tree.imports(run_time=True))
    return _listed((" ".join(map(tree.short, sorted(group))) for group in chain), sort=False)


def constructor_callbacks(tree: SourceTree) -> Found:
    """Parameters of constructors that are a Callable, or an alias of one, also where they may be None.

    Fields of attrs classes, data classes and named tuples are such parameters.
    """
    return _listed(
        f"{tree.short(module)}.{each}"
        for module, source in tree.trees.items()
        for each in _callbacks(source, _callable_names(tree, module))
    )


def import_procedures(tree: SourceTree) -> Found:
    """The modules with two or more of the steps that importing a plugin takes, by `IMPORT_STEPS`."""
    return _callers(tree, IMPORT_STEPS, least=2)


def conflict_searches(tree: SourceTree) -> Found:
    """The modules that find two plugins, or two models of plugins, with one name, by `CONFLICT_STEPS`."""
    return _callers(tree, CONFLICT_STEPS, least=1)


def configuration_path(tree: SourceTree) -> Found:
    """The modules that handle configured values before those are put together for one model.

    These name one of `CONFIG_CLASSES`, an import aside, or read an attribute ``config``. `CONFIG_PARTS` are left out.
    """
    defined = {node.name for each in tree.trees.values() for node in ast.walk(each) if isinstance(node, ast.ClassDef)}
    _refuse_stale("CONFIG_CLASSES", CONFIG_CLASSES, defined)
    return _listed(
        tree.short(module)
        for module, source in tree.trees.items()
        if not _is_part(tree.short(module), CONFIG_PARTS) and any(map(_handles_config, ast.walk(source)))
    )


def _handles_config(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == CONFIG_ATTRIBUTE:
        return last_name(node.value) not in OTHER_CONFIGS
    return isinstance(node, ast.Name) and node.id in CONFIG_CLASSES


def _is_part(module: str, parts: Sequence[str]) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in parts)


def _callers(tree: SourceTree, steps: Sequence[str], least: int) -> Found:
    """The modules that call so many of ``steps``, with the functions that do."""
    defined = {node.name for each in tree.trees.values() for node in ast.walk(each) if isinstance(node, Function)}
    _refuse_stale("steps", steps, defined)
    calls = {module: sorted(set(_calls(source, steps))) for module, source in tree.trees.items()}
    return _listed(
        f"{tree.short(module)}: {', '.join(f'{caller} calls {step}' for caller, step in found)}"
        for module, found in calls.items()
        if len({step for _, step in found}) >= least
    )


def _calls(source: ast.Module, steps: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The functions and methods of a module in which a step is called, each with that step."""
    for outer in ast.walk(source):
        if isinstance(outer, Function):
            called = (last_name(node.func) for node in ast.walk(outer) if isinstance(node, ast.Call))
            yield from ((outer.name, step) for step in called if step in steps)


def _refuse_stale(table: str, names: Sequence[str], defined: set[str]) -> None:
    if stale := set(names) - defined:
        raise StaleName(f"{table}: {', '.join(sorted(stale))} not found in the package; update {Path(__file__).name}")


def _callbacks(source: ast.Module, names: set[str]) -> Iterator[str]:
    for node in ast.walk(source):
        if isinstance(node, ast.ClassDef):
            parameters = _constructor_parameters(node)
            yield from (f"{node.name}: {name}" for name, kind in parameters if _is_callback(_unquoted(kind), names))


def _unquoted(annotation: ast.expr | None) -> ast.expr | None:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def _constructor_parameters(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    generated = any(last_name(each) in CONSTRUCTOR_DECORATORS for each in node.decorator_list)
    if generated or any(last_name(base) == "NamedTuple" for base in node.bases):
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and not _is_left_out(field):
                yield field.target.id, field.annotation
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            arguments = method.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                yield argument.arg, argument.annotation


def _is_left_out(field: ast.AnnAssign) -> bool:
    keywords = field.value.keywords if isinstance(field.value, ast.Call) else []
    return any(each.arg == "init" and getattr(each.value, "value", None) is False for each in keywords)


def _is_callback(annotation: ast.expr | None, names: set[str]) -> bool:
    if isinstance(annotation, ast.BinOp):
        return _is_callback(annotation.left, names) or _is_callback(annotation.right, names)
    if isinstance(annotation, ast.Subscript) and last_name(annotation) in ("Optional", "Union"):
        inner = annotation.slice
        return any(_is_callback(each, names) for each in (inner.elts if isinstance(inner, ast.Tuple) else [inner]))
    return last_name(annotation) in names


def _callable_names(tree: SourceTree, module: str) -> set[str]:
    """``Callable``, and the aliases of one that the module defines or imports by name."""
    names = {CALLABLE} | _aliases(tree.trees[module])
    for node in ast.walk(tree.trees[module]):
        if isinstance(node, ast.ImportFrom) and node.module in tree.trees:
            aliases = _aliases(tree.trees[node.module])
            names |= {each.asname or each.name for each in node.names if each.name in aliases}
    return names


def _aliases(source: ast.Module) -> set[str]:
    assigned = [node for node in source.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return {
        last_name(target)
        for node in assigned
        if _is_callback(node.value, {CALLABLE})
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }


def _folders(tree: SourceTree) -> list[Path]:
    return sorted({path.parent for path in tree.files.values()})


def _shown(tree: SourceTree, folder: Path) -> str:
    return f"{folder.relative_to(tree.package.parent)}"


def _c_sources(folder: Path) -> str:
    names = sorted({path.stem for path in folder.iterdir() if path.suffix in (".c", ".h")})
    return f" (and {len(names)} in C: {' '.join(names)})" if names else ""


def _listed(lines: Iterable[str], *, sort: bool = True) -> Found:
    details = sorted(lines) if sort else list(lines)
    return Found(len(details), details)
