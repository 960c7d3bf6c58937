"""The options of `serve`, made from the table of settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from pytriton_plugins.cli import completion as completing
from pytriton_plugins.cli.help import SettingOption
from pytriton_plugins.config.readers import CATEGORIES, LOG_FORMATS, LOG_LEVELS, ON_FULL
from pytriton_plugins.config.setting import PREFIX, Setting
from pytriton_plugins.config.settings import GROUPS, SETTINGS

F = TypeVar("F", bound=Callable[..., Any])

_COMPLETE = {
    "plugins": completing.model_plugins,
    "disable": completing.plugins,
    "optional": completing.models_and_plugins,
    "allow": completing.one_of(CATEGORIES),
    "shm_on_full": completing.one_of(ON_FULL),
    "log_level": completing.one_of(LOG_LEVELS),
    "log_format": completing.one_of(LOG_FORMATS),
}
"""The completion of values; paths have click's own."""

_PATHS = {"tritonserver", "run_dir", "plugins_dir", "model_repositories"}
_ALIASES = {"address": ["--host"]}


def host_options(function: F) -> F:
    """Adds an option for each setting, and ``-c/--config``; for a command of the class `SettingsCommand`."""
    ordered = sorted(SETTINGS, key=lambda each: GROUPS.index(each.group))
    for setting in reversed(ordered):
        function = _option(setting)(function)
    return _config_option("config", show_envvar=False)(function)


def private_options(function: F) -> F:
    """Adds the options by which another process of this package starts a daemon; no help shows them."""
    lifeline = click.option("--lifeline", metavar="SOCKET,PIDFD", hidden=True)
    only_targets = click.option("--only-targets", is_flag=True, hidden=True)
    owned = click.option("--owned", is_flag=True, hidden=True)
    import_path = click.option("--import-path", multiple=True, metavar="DIR", hidden=True)
    return lifeline(owned(only_targets(import_path(function))))


def config_option(argument: str) -> Callable[[F], F]:
    """Adds ``-c/--config`` under the name ``argument``."""
    return _config_option(argument, show_envvar=True)


def flags_of(ctx: click.Context) -> dict[str, object]:
    """The options that stand on the command line, by name; `read_config` itself reads the variables."""
    return {
        name: value
        for name, value in ctx.params.items()
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _config_option(argument: str, *, show_envvar: bool) -> Callable[[F], F]:
    return click.option(
        "-c",
        "--config",
        argument,
        metavar="FILE",
        type=click.Path(),
        envvar=f"{PREFIX}CONFIG",
        show_envvar=show_envvar,
        help="Configuration file. Default: ./pytriton-host.toml, or [tool.pytriton-host] in ./pyproject.toml.",
    )


def _option(setting: Setting) -> Callable[[F], F]:
    names = f"--{setting.option}/--no-{setting.option}" if setting.on else f"--{setting.option}"
    kind: dict[str, Any] = {
        "metavar": setting.metavar,
        "type": click.Path() if setting.name in _PATHS else str,
        "multiple": setting.repeated,
        "shell_complete": _COMPLETE.get(setting.name),
    }
    return click.option(
        names,
        *_ALIASES.get(setting.name, []),
        setting.name,
        cls=SettingOption,
        group=setting.group,
        envvar=setting.variable,
        help=setting.help,
        **({"is_flag": True, "default": None} if setting.flag else kind),
    )
