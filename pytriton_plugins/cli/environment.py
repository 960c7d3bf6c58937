"""The surroundings of a command: the current folder, the settings as `serve` has them, and the hook plugins."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pytriton_plugins.cli.options import flags_of
from pytriton_plugins.cli.output.messages import explain
from pytriton_plugins.errors import ConfigError

if TYPE_CHECKING:
    import click

    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.inspection import InspectedPlugin
    from pytriton_plugins.host.repositories.found import FoundRepository


def current_folder() -> Path:
    """The folder for relative paths and the configuration file; ConfigError if it was deleted."""
    try:
        return Path.cwd()
    except OSError as error:
        reason = "it was deleted" if isinstance(error, FileNotFoundError) else error.strerror
        raise ConfigError(f"current folder: {reason}; change to another one") from None


def only_our_output() -> contextlib.redirect_stdout[TextIO]:
    """While hook plugins run, redirects what they print to standard error: standard output may be JSON."""
    return contextlib.redirect_stdout(sys.stderr)


def loaded_config(ctx: click.Context | None = None, targets: tuple[str, ...] = ()) -> HostConfig:
    """The settings from the options of the command, if it has such, from variables and the file.

    ConfigError has a line for each problem that shows without a look at what is installed or running.
    """
    from pytriton_plugins.config.loading import read_config
    from pytriton_plugins.config.problems import Problems

    problems = Problems()
    config = read_config(targets, flags_of(ctx) if ctx else {}, os.environ, current_folder(), problems)
    if config.server_options:
        from pytriton_plugins.host.config_parts import server_settings
        from pytriton_plugins.host.triton.options import check_server_options

        with problems:
            check_server_options(server_settings(config))
    problems.tell()
    return config


def warn_of_variables() -> None:
    """Print one line for each ``PYTRITON_HOST_…`` variable that no option has."""
    from pytriton_plugins.config.loading import unknown_variables

    for line in unknown_variables(os.environ):
        explain(f"warning: {line}")


def loaded_hooks(config: HostConfig, broken: dict[str, str]) -> HookManager:
    """The hook plugins that work; the others are added to ``broken``, by label, with a line that names them."""
    from pytriton_plugins.discovery.conflicts import plugin_conflicts
    from pytriton_plugins.discovery.entry_points import find_hooks, look_into
    from pytriton_plugins.discovery.selection import without
    from pytriton_plugins.hooks.manager import HookManager

    look_into(config.plugins_dir)
    enabled = without(find_hooks(), config.disable)
    for label, problem in plugin_conflicts(enabled).items():
        broken[label] = f"hook plugin {label}: {problem}"
    references = [reference for reference in enabled if reference.label not in broken]
    return HookManager.of_references(
        references, config.tables.plugins, lambda reference, error: broken.update({reference.label: str(error)})
    )


def inspected(config: HostConfig, hooks: HookManager) -> tuple[list[InspectedPlugin], list[FoundRepository]]:
    """The models of every enabled model plugin, or its error; each plugin is imported in a process of its own.

    The repositories are read as well. Which backends tritonserver has is not looked at.
    """
    from pytriton_plugins.host.inspection import inspect, inspect_beside
    from pytriton_plugins.host.repositories.finding import read_repositories
    from pytriton_plugins.host.repositories.found import names_of
    from pytriton_plugins.host.supervision.records import find_plugins

    repositories = read_repositories(config)
    plugins = inspect(config, hooks, find_plugins(config, hooks), names_of(repositories))
    return inspect_beside(plugins, repositories)
