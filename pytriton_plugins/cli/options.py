"""The options of `serve`, made from the table of settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from pytriton_plugins.cli import completion as completing
from pytriton_plugins.cli.help import SettingOption
from pytriton_plugins.config.readers import CLOSED_CATEGORIES, LOG_FORMATS, LOG_LEVELS, ON_FULL
from pytriton_plugins.config.settings import PREFIX, SETTINGS, Setting

F = TypeVar("F", bound=Callable[..., Any])

GROUPS = {
    "Network": {
        "address": (
            "ADDRESS",
            "Address to listen on; 0.0.0.0 or :: for every interface, as in a container. Default: 127.0.0.1.",
        ),
        "http_port": ("PORT", "Port of HTTP inference and health; 0 for any free port. Default: 8000."),
        "grpc_port": ("PORT", "Port of gRPC inference; 0 for any free port. Default: 8001."),
        "metrics_port": ("PORT", "Port of Prometheus metrics; 0 for any free port. Default: 8002."),
    },
    "Plugins": {
        "plugins": ("NAME", "Serve only this installed model plugin, or those of this distribution. Repeatable."),
        "disable": ("NAME", "Leave out this plugin, of models or of hooks. Repeatable."),
        "optional": ("NAME", "Model or plugin that readiness does not depend on. Repeatable."),
        "require": (
            "REQUIREMENT",
            "Fail the start unless this distribution is installed, such as acme-resnet>=1.2. Repeatable.",
        ),
        "plugins_dir": ("DIR", "Folder of further plugins, as 'pip install --target DIR' fills it."),
        "skip_broken_hooks": ("", "Start without broken hook plugins. Default: a broken hook plugin fails the start."),
        "workers": ("N", "Worker processes of each model. Default: as the model declares, or 1."),
    },
    "Shared memory": {
        "shm_initial": ("SIZE", "Shared memory of each model at the start. Default: 16MiB."),
        "shm_max": ("SIZE", "Limit of the shared memory of each model. Default: 2GiB."),
        "shm_total": ("SIZE", "Limit of the shared memory of all models together. Default: unlimited."),
        "shm_growth": ("N", "Factor by which a new segment is larger than the one it replaces. Default: 2.0."),
        "shm_on_full": ("ACTION", "Action at a model's limit: reject a batch, or wait for memory. Default: reject."),
        "shm_wait": ("SECONDS", "Longest wait of a batch for memory, at most 4. Default: 1.0."),
        "shm_trim_after": (
            "SECONDS",
            "Idle time after which a worker frees its shared memory; 0 for never. Default: 60.0.",
        ),
        "shm_lend": (
            "",
            "Let callables read large inputs in clients' own shared memory, or copy all inputs. Takes effect only with "
            "--allow shared-memory. Default: --shm-lend.",
        ),
    },
    "Start and stop": {
        "tritonserver": (
            "PATH",
            "The tritonserver to run. Default: the one of a hook plugin, in PATH or in /opt/tritonserver.",
        ),
        "server_options": ("NAME=VALUE", "Option that tritonserver gets as --NAME=VALUE. Repeatable."),
        "run_dir": (
            "DIR",
            "Folder for the daemon's private folder and host.json. Default: the system's temporary directory.",
        ),
        "start_parallelism": (
            "N",
            "Workers that import and set up their models at the same time; the others wait for their turn. "
            "Default: two for each processor.",
        ),
        "import_timeout": ("SECONDS", "Timeout of a plugin's import, from its turn on. Default: 60."),
        "load_timeout": (
            "SECONDS",
            "Timeout of a model's set-up, from its turn on, and of its load into Triton. Default: 60.",
        ),
        "drain_delay": (
            "SECONDS",
            "Time for which a stopping daemon, no longer ready, accepts requests. Default: 5 in Kubernetes, else 0.",
        ),
        "drain_timeout": (
            "SECONDS",
            "Time for requests in flight at a stop. With a grace period: its rest; in Kubernetes without one: 20. "
            "Default: 30.",
        ),
        "grace_period": (
            "SECONDS",
            "Seconds after which the supervisor sends SIGKILL; checked against the drain settings. "
            "Default: not checked.",
        ),
    },
    "Logging": {
        "log_level": ("LEVEL", "Lowest level that is logged: debug, info, warning or error. Default: info."),
        "log_format": ("FORMAT", "Format of the log: text, or json with one object a line. Default: text."),
    },
    "Security": {
        "allow": ("CATEGORY", "Open shared-memory, model-repository, trace or logging to clients. Repeatable."),
        "forward_headers": ("NAME", "HTTP header or gRPC metadata that models may read. Repeatable."),
        "forward_prefix": (
            "SECRET",
            "Prefix that a proxy adds to the names of forwarded headers, so that clients cannot forge them. Prefer the "
            "variable or the file, which other users cannot read. Default: none; forwarded headers are ordinary "
            "parameters.",
        ),
        "strict_security": ("", "Turn security warnings into errors."),
    },
    "Development": {
        "reload": ("", "Reload a plugin when its files change, without losing a request."),
        "core_dumps": ("", "Let crashed processes write core files, which contain clients' data."),
    },
}
"""By group and setting, the metavar of its option and its help: a noun phrase or an imperative, then the default."""

HELP = {name: text for settings in GROUPS.values() for name, text in settings.items()}
_GROUP_OF = {name: group for group, settings in GROUPS.items() for name in settings}

_COMPLETE = {
    "plugins": completing.model_plugins,
    "disable": completing.plugins,
    "optional": completing.models_and_plugins,
    "allow": completing.one_of(CLOSED_CATEGORIES),
    "shm_on_full": completing.one_of(ON_FULL),
    "log_level": completing.one_of(LOG_LEVELS),
    "log_format": completing.one_of(LOG_FORMATS),
}
"""The completion of values; paths have click's own."""

_PATHS = {"tritonserver", "run_dir", "plugins_dir"}
_ALIASES = {"address": ["--host"]}
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def host_options(function: F) -> F:
    """Adds an option for each setting, and ``-c/--config``; for a command of the class `SettingsCommand`."""
    for name in reversed(HELP):
        function = _option(_BY_NAME[name])(function)
    return _config_option("config", show_envvar=False)(function)


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
    metavar, text = HELP[setting.name]
    names = f"--{setting.option}/--no-{setting.option}" if setting.on else f"--{setting.option}"
    kind: dict[str, Any] = {
        "metavar": metavar,
        "type": click.Path() if setting.name in _PATHS else str,
        "multiple": setting.repeated,
        "shell_complete": _COMPLETE.get(setting.name),
    }
    return click.option(
        names,
        *_ALIASES.get(setting.name, []),
        setting.name,
        cls=SettingOption,
        group=_GROUP_OF[setting.name],
        envvar=setting.variable,
        help=text,
        **({"is_flag": True, "default": None} if setting.flag else kind),
    )
