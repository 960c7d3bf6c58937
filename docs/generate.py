"""Writes docs/reference/ from the code: `python docs/generate.py`; a test compares its pages with what is there."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py from {source}; change that file and run it. -->\n\n"

RULES = {
    "choose": "The first answer that is not None wins; the built-in answer comes last.",
    "edit": "Each plugin gets the value that the one before it returned, and returns a new one or None.",
    "add": "The results of all plugins are gathered; a name that two of them give is a conflict that names both.",
    "check": "All plugins are asked, and all must agree; None is no objection.",
    "on": "All plugins are told; what they return is ignored.",
}


def pages() -> dict[str, str]:
    """The text of each page, by file name."""
    from pytriton_plugins.hooks import specs

    return {**hook_pages(specs, Path(specs.__file__).read_text()), "configuration.md": configuration_page()}


def hook_pages(specs: ModuleType, source: str) -> dict[str, str]:
    """A page for each family of hooks: a comment line in the specs begins one, the functions below it belong to it."""
    found: dict[str, list[str]] = {}
    family = ""
    for line in source.splitlines():
        if line.startswith("# "):
            family = line[2:].strip()
        elif match := re.match(r"def (pytriton_\w+)\(", line):
            found.setdefault(family, []).append(match[1])
    return {
        f"hooks-{family.lower().removeprefix('the ').replace(' ', '-')}.md": _family(family, specs, names)
        for family, names in found.items()
    }


def _family(family: str, specs: ModuleType, names: list[str]) -> str:
    parts = [NOTE.format(source="pytriton_plugins/hooks/specs.py"), f"# Hooks: {family[0].lower()}{family[1:]}\n"]
    parts += [_hook(name, getattr(specs, name)) for name in names]
    return "\n".join(parts)


def _hook(name: str, function: Any) -> str:
    text, parameters, returned = _docstring(inspect.getdoc(function) or "")
    signature = inspect.signature(function)
    verb = name.split("_")[1]
    lines = [f"## `{name}({', '.join(signature.parameters)})`\n", *[f"{each}\n" for each in text]]
    lines.append(f"`{verb}_`: {RULES[verb]}\n")
    lines += ["| parameter | type | |", "|---|---|---|"]
    for parameter in signature.parameters.values():
        said = parameters.get(parameter.name, "the plugin's own table of the configuration file, `[plugins.NAME]`")
        kind = str(parameter.annotation).replace("|", "\\|")
        lines.append(f"| `{parameter.name}` | `{kind}` | {said} |")
    kind = str(signature.return_annotation).replace("|", "\\|")
    lines.append(f"| returns | `{kind}` | {returned or 'nothing'} |\n")
    return "\n".join(lines)


def _docstring(text: str) -> tuple[list[str], dict[str, str], str]:
    """Paragraphs, parameters and what is returned, each in one line, with the code marks of Markdown."""
    marked = text.replace("``", "`")
    head, *fields = re.split(r"^:", marked, flags=re.MULTILINE)
    paragraphs = [" ".join(part.split()) for part in head.strip().split("\n\n")]
    parameters = {}
    returned = ""
    for field in fields:
        name, _, said = field.partition(":")
        said = " ".join(said.split())
        if name.startswith("param "):
            parameters[name.removeprefix("param ")] = said
        else:
            returned = said
    return paragraphs, parameters, returned


def configuration_page() -> str:
    """Every setting with its option, variable, key, default and help; then the keys of the tables."""
    from pytriton_plugins.cli.options import HELP
    from pytriton_plugins.settings import SETTINGS

    lines = [
        NOTE.format(source="pytriton_plugins/settings.py and pytriton_plugins/cli/options.py").rstrip("\n"),
        "",
        "# Every setting",
        "",
        "| option | variable | key in the file | |",
        "|---|---|---|---|",
    ]
    for setting in SETTINGS:
        metavar, text = HELP[setting.name]
        option = f"`--{setting.option}{f' {metavar}' if metavar else ''}`"
        lines.append(f"| {option} | `{setting.variable}` | `{setting.key}` | {text} |")
    lines += ["", "# `[models.NAME]`", "", "| key | type |", "|---|---|"]
    lines += [f"| `{key}` | `{kind}` |" for key, kind in _fields("ModelSettings")]
    lines += ["", "# `[[environments]]`", "", "| key | type |", "|---|---|"]
    lines += [f"| `{key}` | `{kind}` |" for key, kind in _fields("Environment")]
    return "\n".join(lines) + "\n"


def _fields(name: str) -> list[tuple[str, str]]:
    """The fields of a class of config_tables.py as written there."""
    from pytriton_plugins import config_tables

    tree = ast.parse(Path(config_tables.__file__).read_text())
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    fields = [node for node in found.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    named = [(node.target.id, ast.unparse(node.annotation)) for node in fields if isinstance(node.target, ast.Name)]
    return [(re.sub(r"^shm_", "shm.", key), kind.replace("|", "\\|")) for key, kind in named]


def main() -> int:
    """Write the pages, and take away those of families that are gone."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
