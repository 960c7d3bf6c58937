"""The pages of the settings and of the command line."""

from __future__ import annotations

import importlib
import re
from typing import Any

import click

from generator import page_head
from generator.sources import classes_of, fields_of

HELP_COLUMNS = 100
"""Columns of the help texts: what a page shows without a scroll bar at 1400 pixels."""


def settings_page() -> str:
    """Every setting with its option, variable, key, default and help; then the keys of the tables."""
    from pytriton_plugins.cli.commands.serve import command
    from pytriton_plugins.config.settings import SETTINGS

    options = {name: parameter for parameter in command.params for name in parameter.opts}

    lines = [
        *page_head(
            "pytriton_plugins/config/settings.py",
            "Every setting",
            "The settings of `pytriton-host serve`, with the help text of each option.",
            "$ pytriton-host config",
        ),
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

    (found,) = [node for node in classes_of(tables) if node.name == name]
    return [(re.sub(r"^(shm|sequence)_", r"\1.", key), kind) for key, kind, _ in fields_of(found)]


def command_line_page() -> str:
    """The help text of every command."""
    from pytriton_plugins.cli.app import COMMANDS

    lines = [
        *page_head(
            "the commands of pytriton_plugins/cli/commands/",
            "Command line",
            "Every command of `pytriton-host` with its options, as `--help` shows them.",
            "$ pytriton-host serve --help",
        ),
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
