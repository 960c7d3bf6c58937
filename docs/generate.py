"""Writes docs/reference/ and docs/deploying/: `python docs/generate.py`; tests compare them with what is there."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).parent / "reference"
DEPLOYING = Path(__file__).parent / "deploying"
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

    hooks = hook_pages(specs, Path(specs.__file__).read_text())
    return {**hooks, "values.md": values_page(), "configuration.md": configuration_page()}


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
    from pytriton_plugins.config.settings import SETTINGS

    lines = [
        NOTE.format(source="pytriton_plugins/config/settings.py and pytriton_plugins/cli/options.py").rstrip("\n"),
        "",
        "# Every setting",
        "",
        "| option | variable | key in the file | |",
        "|---|---|---|---|",
    ]
    for setting in SETTINGS:
        metavar, text = HELP[setting.name]
        option = f"`--{setting.option}{f' {metavar}' if metavar else ''}`"
        option += f", `--no-{setting.option}`" if setting.on else ""
        lines.append(f"| {option} | `{setting.variable}` | `{setting.key}` | {text} |")
    lines += ["", "# `[models.NAME]`", "", "| key | type |", "|---|---|"]
    lines += [f"| `{key}` | `{kind}` |" for key, kind in _keys("ModelSettings")]
    lines += ["", "# `[[environments]]`", "", "| key | type |", "|---|---|"]
    lines += [f"| `{key}` | `{kind}` |" for key, kind in _keys("Environment")]
    return "\n".join(lines) + "\n"


def _keys(name: str) -> list[tuple[str, str]]:
    """The keys of a table of the configuration file, from the class of config_tables.py that holds it."""
    from pytriton_plugins.config import tables as config_tables

    (found,) = [node for node in _classes(config_tables) if node.name == name]
    return [(re.sub(r"^shm_", "shm.", key), kind) for key, kind, _ in _fields(found)]


def values_page() -> str:
    """Every class that a hook is given or answers with: its fields, and what can be asked of it."""
    from pytriton_plugins.discovery import references
    from pytriton_plugins.model import declaration as models
    from pytriton_plugins.model import tensors
    from pytriton_plugins.values import memory, start, status, workers

    values = (start, memory, workers, status)
    nodes = [node for module in values for node in _classes(module)]
    for module, name in ((models, "ModelDeclaration"), (tensors, "Tensor"), (references, "ModelReference")):
        nodes += [node for node in _classes(module) if node.name == name]
    lines = [
        NOTE.format(source="pytriton_plugins/values/ and others").rstrip("\n"),
        "",
        "# Values of hooks",
        "",
        "All are frozen. Import `ModelDeclaration` from `pytriton_plugins.models`, `Tensor` from `pytriton_plugins`,",
        "and all others from `pytriton_plugins.values`; of these `attrs.evolve(value, field=…)` makes a changed copy.",
        "",
    ]
    aliases = ["## Names for several\n", "| name | one of |", "|---|---|"]
    aliases += [f"| `{name}` | {kinds} |" for module in values for name, kinds in _aliases(module)]
    return "\n".join([*lines, *(_value(node) for node in nodes), *aliases]) + "\n"


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
    text, _, _ = _docstring(ast.get_docstring(node) or "")
    lines = [f"## `{node.name}`\n", *[f"{each}\n" for each in text], "| field | type | default |", "|---|---|---|"]
    fields = _fields(node)
    for base in node.bases:
        fields = [*_fields(_base(ast.unparse(base))), *fields]
    lines += [f"| `{name}` | `{kind}` | {f'`{default}`' if default else ''} |" for name, kind, default in fields]
    for member in node.body:
        said = ast.get_docstring(member) if isinstance(member, ast.FunctionDef) else None
        if isinstance(member, ast.FunctionDef) and said and not member.name.startswith(("_", "to_", "from_")):
            is_property = any(ast.unparse(each) == "property" for each in member.decorator_list)
            arguments = "" if is_property else f"({', '.join(each.arg for each in member.args.args[1:])})"
            lines.append(f"\n`{member.name}{arguments}`: {' '.join(_docstring(said)[0])}")
    return "\n".join(lines) + "\n"


def _base(name: str) -> ast.ClassDef:
    from pytriton_plugins.discovery import references

    return next(node for node in _classes(references) if node.name == name)


def _classes(module: ModuleType) -> list[ast.ClassDef]:
    tree = ast.parse(Path(str(module.__file__)).read_text())
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def _fields(node: ast.ClassDef) -> list[tuple[str, str, str]]:
    """Name, type and default of each field as written in the class; "" for a field that must be given."""
    found = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            default = "" if item.value is None or isinstance(item.value, ast.Call) else ast.unparse(item.value)
            found.append((item.target.id, ast.unparse(item.annotation).replace("|", "\\|"), default))
    return found


def deployments() -> dict[str, str]:
    """What `pytriton-host manifests` makes of docs/deploying/pytriton-host.toml: the text of each file, by its path."""
    command = [
        sys.executable,
        "-m",
        "pytriton_plugins",
        "manifests",
        "--image",
        "registry.example/models:1.0",
        "--json",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTRITON_HOST_")}
    texts = {}
    for form in ("kubernetes", "helm", "kserve"):
        done = subprocess.run(
            [*command, "--format", form], cwd=DEPLOYING, env=environment, check=True, capture_output=True, text=True
        )
        texts |= {f"{form}/{name}": text for name, text in json.loads(done.stdout)["files"].items()}
    from pytriton_plugins.deploy.manifests.yaml_text import dump
    from pytriton_plugins.deploy.scaling import adapter_rule

    # Values of the chart of Prometheus' adapter.
    return {**texts, "prometheus-adapter/values.yaml": dump({"rules": {"custom": [adapter_rule()]}})}


def main() -> int:
    """Write the pages and the manifests, and take away those that are gone."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)
    made = deployments()
    for path in DEPLOYING.rglob("*"):
        if path.is_file() and path.parent != DEPLOYING and str(path.relative_to(DEPLOYING)) not in made:
            path.unlink()
    for name, text in made.items():
        (DEPLOYING / name).parent.mkdir(parents=True, exist_ok=True)
        (DEPLOYING / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
