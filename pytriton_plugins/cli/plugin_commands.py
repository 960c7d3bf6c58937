"""The commands that hook plugins add, and the errors of those that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from pytriton_plugins.hooks.manager import HookManager

_HOOK = "pytriton_add_commands"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def added_commands(hooks: HookManager, own: Container[str]) -> tuple[dict[str, click.Command], dict[str, str]]:
    """The commands of hook plugins by name, and the errors by plugin; ``own`` has this program's own commands."""
    gathered = hooks.add_commands()
    broken: dict[str, list[str]] = {}
    for failure in gathered.broken:
        broken.setdefault(failure.plugin, []).append(f"{_HOOK} {failure.message}")
    commands = {}
    for answer in gathered.answers:
        name = str(answer.value.name or "")
        if problem := _problem(name, own):
            broken.setdefault(answer.plugin, []).append(f"{_HOOK} adds {problem}")
        else:
            commands[name] = answer.value
    return commands, {
        plugin: f"{'; also: '.join(problems)}; fix or uninstall it" for plugin, problems in broken.items()
    }


def _problem(name: str, own: Container[str]) -> str:
    if name in own:
        return f"the command {name}, which is pytriton-host's own"
    return "" if _NAME.fullmatch(name) else f"a command with an invalid name ({name!r})"
