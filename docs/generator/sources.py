"""What the sources say of their classes: fields and docstrings."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType


def docstring_parts(text: str) -> tuple[list[str], dict[str, str], str]:
    """Paragraphs, parameters and what is returned, each in one line, with the code marks of Markdown."""
    marked = text.replace("``", "`")
    head, *fields = re.split(r"^:", marked, flags=re.MULTILINE)
    paragraphs = [" ".join(part.split()) for part in head.strip().split("\n\n")]
    parameters = {}
    returned = ""
    for field in fields:
        name, _, text = field.partition(":")
        description = " ".join(text.split())
        if name.startswith("param "):
            parameters[name.removeprefix("param ")] = description
        else:
            returned = description
    return paragraphs, parameters, returned


def classes_of(module: ModuleType) -> list[ast.ClassDef]:
    """The classes that are written at the top of a module."""
    tree = ast.parse(Path(str(module.__file__)).read_text())
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def fields_of(node: ast.ClassDef) -> list[tuple[str, str, str]]:
    """Name, type and default of each field as written in the class; "" for a field that must be given."""
    found = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            default = "" if item.value is None or isinstance(item.value, ast.Call) else ast.unparse(item.value)
            found.append((item.target.id, ast.unparse(item.annotation).replace("|", "\\|"), default))
    return found
