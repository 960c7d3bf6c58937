"""The page of the classes that hooks get and return."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

from generator import page_head
from generator.sources import classes_of, docstring_parts, fields_of


def values_page() -> str:
    """Every class that a hook gets or returns: its fields and its methods."""
    from pytriton_plugins import values as package
    from pytriton_plugins.discovery import references
    from pytriton_plugins.model import declaration as models
    from pytriton_plugins.model import tensors

    values = _modules(package)
    nodes = [node for module in values for node in classes_of(module)]
    for module, name in ((models, "ModelDeclaration"), (tensors, "Tensor"), (references, "ModelReference")):
        nodes += [node for node in classes_of(module) if node.name == name]
    lines = [
        *page_head(
            "pytriton_plugins/values/ and others",
            "Values of hooks",
            "The classes that hooks get and return, with every field.",
            "from pytriton_plugins import Tensor",
            "from pytriton_plugins.models import ModelDeclaration",
            "from pytriton_plugins.values import Ports, ShmPolicy, Verdict",
            language="python",
        ),
        "All values are frozen; `attrs.evolve(value, field=…)` makes a changed copy.",
        "Import them from `pytriton_plugins.values`.",
        "The exceptions are `ModelDeclaration` (`pytriton_plugins.models`) and `Tensor` (`pytriton_plugins`).",
        "",
    ]
    aliases = ["## Unions\n", "| name | one of |", "|---|---|"]
    aliases += [f"| `{name}` | {kinds} |" for module in values for name, kinds in _aliases(module)]
    return "\n".join([*lines, *(_value(node) for node in nodes), *aliases]) + "\n"


def _modules(package: ModuleType) -> list[ModuleType]:
    """The modules in which the classes of ``package`` are written, in the order of their first class."""
    classes = [each for each in vars(package).values() if inspect.isclass(each)]
    names = dict.fromkeys(each.__module__ for each in classes if each.__module__.startswith(package.__name__))
    return [importlib.import_module(name) for name in names]


def _aliases(module: ModuleType) -> list[tuple[str, str]]:
    """`FullAction = Grow | Wait | Reject` and the like, and the texts of a Literal."""
    found = []
    for node in ast.parse(Path(str(module.__file__)).read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            kinds = ast.unparse(node.value).removeprefix("Literal[").removesuffix("]")
            if kinds[0].isalpha() or kinds[0] == "'":
                found.append((node.targets[0].id, ", ".join(f"`{kind}`" for kind in re.split(r" \| |, ", kinds))))
    return found


def _value(node: ast.ClassDef) -> str:
    paragraphs, _, _ = docstring_parts(ast.get_docstring(node) or "")
    lines = [f"## `{node.name}`\n", *(f"{each}\n" for each in paragraphs)]
    lines += ["| field | type | default |", "|---|---|---|"]
    fields = fields_of(node)
    for base in node.bases:
        fields = [*fields_of(_base(ast.unparse(base))), *fields]
    lines += [f"| `{name}` | `{kind}` | {f'`{default}`' if default else ''} |" for name, kind, default in fields]
    for member in node.body:
        described = ast.get_docstring(member) if isinstance(member, ast.FunctionDef) else None
        if isinstance(member, ast.FunctionDef) and described and not member.name.startswith(("_", "to_", "from_")):
            is_property = any(ast.unparse(each) == "property" for each in member.decorator_list)
            arguments = "" if is_property else f"({', '.join(each.arg for each in member.args.args[1:])})"
            lines.append(f"\n`{member.name}{arguments}`: {' '.join(docstring_parts(described)[0])}")
    return "\n".join(lines) + "\n"


def _base(name: str) -> ast.ClassDef:
    from pytriton_plugins.discovery import references

    return next(node for node in classes_of(references) if node.name == name)
