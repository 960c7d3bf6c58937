"""Writes the generated pages of docs/reference/, docs/deploying/ and the examples of the pages; tests compare them.

`python docs/generate.py`, after a change of a setting, a command, a hook, a value or an example on a page.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "reference"
DEPLOYING = Path(__file__).parent / "deploying"
NOTE = "<!-- Written by docs/generate.py from {source}; change that file and run it. -->\n\n"
HELP_COLUMNS = 100
"""Columns of the help texts: what a page shows without a scroll bar at 1400 pixels."""

RULES = {
    "choose": "The first answer that is not None wins; the built-in answer comes last.",
    "edit": "Each plugin gets the value that the previous plugin returned, and returns a new value or None.",
    "add": "The results of all plugins are gathered; a name that two plugins give is a conflict, which names both.",
    "check": "All plugins are called, and all must agree; None means no objection.",
    "on": "All plugins are called; their return values are ignored.",
}


def pages() -> dict[str, str]:
    """The text of each page, by file name."""
    return {
        **_hook_pages_of_all(),
        "values.md": values_page(),
        "settings.md": settings_page(),
        "command-line.md": command_line_page(),
    }


def _hook_pages_of_all() -> dict[str, str]:
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
    paragraphs, parameters, returned = _docstring(inspect.getdoc(function) or "")
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


def _docstring(text: str) -> tuple[list[str], dict[str, str], str]:
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


def settings_page() -> str:
    """Every setting with its option, variable, key, default and help; then the keys of the tables."""
    from pytriton_plugins.cli.commands.serve import command
    from pytriton_plugins.config.settings import SETTINGS

    options = {name: parameter for parameter in command.params for name in parameter.opts}

    lines = [
        NOTE.format(source="pytriton_plugins/config/settings.py").rstrip("\n"),
        "",
        "# Every setting",
        "",
        "The settings of `pytriton-host serve`, with the help text of each option.",
        "",
        "```console",
        "$ pytriton-host config",
        "```",
        "",
        "`config` shows the value that `serve` would use for each setting, and where the value comes from.",
        "[Configuration](configuration.md) explains the file and its tables.",
        "",
        "| option | variable | key in the file | default | |",
        "|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        lines.append(_setting(setting, options[f"--{setting.option}"]))
    lines += ["", "## `[models.NAME]`", "", "| key | type |", "|---|---|"]
    lines += [f"| `{key}` | `{kind}` |" for key, kind in _keys("ModelSettings")]
    lines += ["", "## `[[environments]]`", "", "| key | type |", "|---|---|"]
    lines += [f"| `{key}` | `{kind}` |" for key, kind in _keys("Environment")]
    return "\n".join(lines) + "\n"


def _setting(setting: Any, parameter: Any) -> str:
    """The row of a setting, from its option of the command."""
    metavar = "" if parameter.is_flag else f" {parameter.metavar}"
    option = f"`--{setting.option}{metavar}`" + (f", `--no-{setting.option}`" if setting.on else "")
    aliases = "".join(f" (`{alias}`)" for alias in parameter.opts if alias != f"--{setting.option}")
    cells = (option + aliases, f"`{setting.variable}`", f"`{setting.key}`", _default(setting), parameter.help)
    return f"| {' | '.join(' '.join(cell.split()) for cell in cells)} |"


def _default(setting: Any) -> str:
    """The default as it can be written in the file; none for a setting that is not set, or an empty list."""
    from pytriton_plugins.config import readers
    from pytriton_plugins.config.host_config import HostConfig

    value = getattr(HostConfig(), setting.name)
    if value is None or value == ():
        return "none"
    if setting.parse is readers.parse_size:
        return f"`{_size(value)}`"
    return f"`{str(value).lower() if setting.flag else f'{value:g}' if isinstance(value, float) else value}`"


def _size(size: int) -> str:
    for unit in ("", "KiB", "MiB"):
        if size % 1024:
            return f"{size}{unit}"
        size //= 1024
    return f"{size}GiB"


def _keys(name: str) -> list[tuple[str, str]]:
    """The keys of a table of the configuration file, from the class of config/tables.py that holds it."""
    from pytriton_plugins.config import tables

    (found,) = [node for node in _classes(tables) if node.name == name]
    return [(re.sub(r"^shm_", "shm.", key), kind) for key, kind, _ in _fields(found)]


def command_line_page() -> str:
    """The help text of every command."""
    from pytriton_plugins.cli.app import COMMANDS

    lines = [
        NOTE.format(source="the commands of pytriton_plugins/cli/commands/").rstrip("\n"),
        "",
        "# Command line",
        "",
        "Every command of `pytriton-host` with its options, as `--help` shows them.",
        "",
        "```console",
        "$ pytriton-host serve --help",
        "```",
        "",
        "Exit code 0 is success, 1 is a failure, 2 is a wrong command line or configuration.",
        "",
    ]
    for name, module in COMMANDS.items():
        lines += _help_of(importlib.import_module(module).command, ("pytriton-host", name))
    return "\n".join(lines)


def _help_of(command: click.Command, words: tuple[str, ...]) -> list[str]:
    """A section for the command, and one for each command below it."""
    name = " ".join(words)
    context = click.Context(command, info_name=name, terminal_width=HELP_COLUMNS, help_option_names=["-h", "--help"])
    lines = [f"{'#' * len(words)} `{name}`", "", "```text", command.get_help(context), "```", ""]
    below = command.commands if isinstance(command, click.Group) else {}
    for each, subcommand in below.items():
        lines += _help_of(subcommand, (*words, each))
    return lines


def values_page() -> str:
    """Every class that a hook gets or returns: its fields and its methods."""
    from pytriton_plugins import values as package
    from pytriton_plugins.discovery import references
    from pytriton_plugins.model import declaration as models
    from pytriton_plugins.model import tensors

    values = _modules(package)
    nodes = [node for module in values for node in _classes(module)]
    for module, name in ((models, "ModelDeclaration"), (tensors, "Tensor"), (references, "ModelReference")):
        nodes += [node for node in _classes(module) if node.name == name]
    lines = [
        NOTE.format(source="pytriton_plugins/values/ and others").rstrip("\n"),
        "",
        "# Values of hooks",
        "",
        "The classes that hooks get and return, with every field.",
        "",
        "```python",
        "from pytriton_plugins import Tensor",
        "from pytriton_plugins.models import ModelDeclaration",
        "from pytriton_plugins.values import Ports, ShmPolicy, Verdict",
        "```",
        "",
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
    paragraphs, _, _ = _docstring(ast.get_docstring(node) or "")
    lines = [f"## `{node.name}`\n", *(f"{each}\n" for each in paragraphs)]
    lines += ["| field | type | default |", "|---|---|---|"]
    fields = _fields(node)
    for base in node.bases:
        fields = [*_fields(_base(ast.unparse(base))), *fields]
    lines += [f"| `{name}` | `{kind}` | {f'`{default}`' if default else ''} |" for name, kind, default in fields]
    for member in node.body:
        described = ast.get_docstring(member) if isinstance(member, ast.FunctionDef) else None
        if isinstance(member, ast.FunctionDef) and described and not member.name.startswith(("_", "to_", "from_")):
            is_property = any(ast.unparse(each) == "property" for each in member.decorator_list)
            arguments = "" if is_property else f"({', '.join(each.arg for each in member.args.args[1:])})"
            lines.append(f"\n`{member.name}{arguments}`: {' '.join(_docstring(described)[0])}")
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
    texts: dict[str, str] = {}
    for form in ("kubernetes", "helm", "kserve"):
        done = subprocess.run(
            [*command, "--format", form], cwd=DEPLOYING, env=environment, check=True, capture_output=True, text=True
        )
        texts |= {f"{form}/{name}": text for name, text in json.loads(done.stdout)["files"].items()}
    from pytriton_plugins.deploy.manifests.yaml_text import dump
    from pytriton_plugins.deploy.scaling import adapter_rule

    # Values of the chart of Prometheus' adapter.
    return {**texts, "prometheus-adapter/values.yaml": dump({"rules": {"custom": [adapter_rule()]}})}


def generated_pages() -> dict[str, str]:
    """The generated pages that lie in docs/reference/, by file name."""
    texts = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    return {name: text for name, text in texts.items() if text.startswith(NOTE.partition("{")[0])}


def main() -> int:
    """Write the pages, the manifests and the examples, and delete those that are not generated any more."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for name in generated_pages():
        if name not in wanted:
            (FOLDER / name).unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)
    made = deployments()
    for path in DEPLOYING.rglob("*"):
        if path.is_file() and path.parent != DEPLOYING and str(path.relative_to(DEPLOYING)) not in made:
            path.unlink()
    for name, text in made.items():
        (DEPLOYING / name).parent.mkdir(parents=True, exist_ok=True)
        (DEPLOYING / name).write_text(text)
    _write_examples()
    return 0


def _write_examples() -> None:
    """Write each example of a page into examples/ as a file that can be served, or a project that can be installed."""
    sys.path.insert(0, str(ROOT))
    from tests.support.docs.example_files import EXAMPLES, example_files, examples_on_disk

    wanted = example_files()
    for name in examples_on_disk().keys() - wanted.keys():
        (EXAMPLES / name).unlink()
    for name, text in wanted.items():
        (EXAMPLES / name).parent.mkdir(parents=True, exist_ok=True)
        (EXAMPLES / name).write_text(text)


if __name__ == "__main__":
    sys.exit(main())
