"""What several commands need: the settings as `serve` has them, and the hook plugins; in the called process."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, TextIO

from pytriton_plugins.cli.app import explain, here
from pytriton_plugins.cli.options import flags_of

if TYPE_CHECKING:
    import click

    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.inspection import InspectedPlugin


def only_our_output() -> contextlib.redirect_stdout[TextIO]:
    """While hook plugins run: what they print goes to standard error, or JSON would be none."""
    return contextlib.redirect_stdout(sys.stderr)


def loaded_config(ctx: click.Context | None = None, targets: tuple[str, ...] = ()) -> HostConfig:
    """The settings as the options of the command, if it has such, variables and file give them.

    ConfigError has a line for all that is wrong with them, found without a look at what is installed or running.
    """
    from pytriton_plugins.config.host_config import read_config
    from pytriton_plugins.config.problems import Problems

    problems = Problems()
    config = read_config(targets, flags_of(ctx) if ctx else {}, os.environ, here(), problems)
    if config.server_options:
        from pytriton_plugins.host.config_parts import server_settings
        from pytriton_plugins.host.triton.options import check_server_options

        with problems:
            check_server_options(server_settings(config))
    problems.tell()
    return config


def warn_of_variables() -> None:
    """One line for each variable that looks like one of ours and is none."""
    from pytriton_plugins.config.host_config import unknown_variables

    for line in unknown_variables(os.environ):
        explain(f"warning: {line}")


def loaded_hooks(config: HostConfig, broken: dict[str, str]) -> HookManager:
    """The hook plugins that work; those that do not go to ``broken``, by label, with a line that names them."""
    from pytriton_plugins.discovery.conflicts import plugin_conflicts
    from pytriton_plugins.discovery.entry_points import find_hooks, look_into
    from pytriton_plugins.discovery.selection import without
    from pytriton_plugins.hooks.manager import HookManager

    look_into(config.plugins_dir)
    left = without(find_hooks(), config.disable)
    for label, problem in plugin_conflicts(left).items():
        broken[label] = f"hook plugin {label}: {problem}"
    references = [reference for reference in left if reference.label not in broken]
    return HookManager.of_references(
        references, config.tables.plugins, lambda reference, error: broken.update({reference.label: str(error)})
    )


def inspected(config: HostConfig, hooks: HookManager) -> list[InspectedPlugin]:
    """What every model plugin that the configuration leaves holds; each is imported in a process of its own."""
    from pytriton_plugins.host.inspection import inspect
    from pytriton_plugins.host.supervision.records import find_plugins

    return inspect(config, hooks, find_plugins(config, hooks))
