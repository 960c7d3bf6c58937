"""A page for each family of hooks."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from generator import NOTE
from generator.sources import docstring_parts

RULES = {
    "choose": "The first answer that is not None wins; the built-in answer comes last.",
    "edit": "Each plugin gets the value that the previous plugin returned, and returns a new value or None.",
    "add": "The results of all plugins are gathered; a name that two plugins give is a conflict, which names both.",
    "check": "All plugins are called, and all must agree; None means no objection.",
    "on": "All plugins are called; their return values are ignored.",
}


def all_hook_pages() -> dict[str, str]:
    """The pages of the hooks of this checkout, by file name."""
    from pytriton_plugins.hooks import specs

    return hook_pages(specs, Path(specs.__file__).read_text())


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
    source = f"pytriton_plugins/hooks/{Path(str(specs.__file__)).name}"
    parts = [NOTE.format(source=source), f"# Hooks: {family[0].lower()}{family[1:]}\n"]
    parts.append("The hooks of this phase, with their parameters; [hooks](hooks.md) has the calling rules.\n")
    parts.append("```console\n$ pytriton-host hooks\n```\n")
    parts += [_hook(name, getattr(specs, name)) for name in names]
    return "\n".join(parts)


def _hook(name: str, function: Any) -> str:
    paragraphs, parameters, returned = docstring_parts(inspect.getdoc(function) or "")
    signature = inspect.signature(function)
    verb = name.split("_")[1]
    lines = [f"## `{name}({', '.join(signature.parameters)})`\n", *[f"{each}\n" for each in paragraphs]]
    lines.append(f"`{verb}_`: {RULES[verb]}\n")
    lines += ["| parameter | type | |", "|---|---|---|"]
    for parameter in signature.parameters.values():
        text = parameters.get(parameter.name, "the plugin's own table of the configuration file, `[plugins.NAME]`")
        kind = str(parameter.annotation).replace("|", "\\|")
        lines.append(f"| `{parameter.name}` | `{kind}` | {text} |")
    kind = str(signature.return_annotation).replace("|", "\\|")
    lines.append(f"| returns | `{kind}` | {returned or 'nothing'} |\n")
    return "\n".join(lines)
