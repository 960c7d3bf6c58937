"""The options of `serve`, made from the table of settings; runs in the process that was called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from pytriton_plugins.cli import completion as completing
from pytriton_plugins.config.readers import CLOSED_CATEGORIES, LOG_FORMATS, LOG_LEVELS, ON_FULL
from pytriton_plugins.config.settings import PREFIX, SETTINGS, Setting

F = TypeVar("F", bound=Callable[..., Any])

HELP = {
    "address": (
        "ADDRESS",
        "Where to listen; 0.0.0.0 or :: is every interface, as a container needs. Default: 127.0.0.1.",
    ),
    "http_port": ("PORT", "Port of HTTP inference and health; 0 = any free. Default: 8000."),
    "grpc_port": ("PORT", "Port of gRPC inference; 0 = any free. Default: 8001."),
    "metrics_port": ("PORT", "Port of Prometheus metrics; 0 = any free. Default: 8002."),
    "tritonserver": ("PATH", "The tritonserver to run. Default: what a hook plugin, PATH or /opt/tritonserver offers."),
    "server_options": ("NAME=VALUE", "Handed to tritonserver as --NAME=VALUE. Repeatable."),
    "optional": ("NAME", "A model, or a plugin, that may fail without holding readiness at 400. Repeatable."),
    "plugins": ("NAME", "Serve only this installed model plugin; also a distribution's name. Repeatable."),
    "disable": ("NAME", "Leave this plugin out, whether it provides models or hooks. Repeatable."),
    "require": ("REQUIREMENT", "Refuse to start unless this distribution is installed (acme-resnet>=1.2). Repeatable."),
    "plugins_dir": ("DIR", "Also take the plugins that 'pip install --target DIR' put there."),
    "skip_broken_hooks": ("", "Start without hook plugins that are broken, instead of not at all."),
    "workers": ("N", "Worker processes of each model. Default: what the model declares, or 1."),
    "shm_initial": ("SIZE", "Shared memory of each model at start. Default: 16MiB."),
    "shm_max": ("SIZE", "Shared memory that one model may grow to. Default: 2GiB."),
    "shm_total": ("SIZE", "Shared memory that all models together may have. Default: what there is."),
    "shm_growth": ("N", "A new segment is N times as large as the one it replaces. Default: 2.0."),
    "shm_on_full": ("ACTION", "At a model's limit: reject a batch, or wait for room. Default: reject."),
    "shm_wait": ("SECONDS", "How long a batch waits for room, at most 4. Default: 1.0."),
    "shm_trim_after": (
        "SECONDS",
        "When an idle worker gives its shared memory back; 0 = never. Default: 60.0.",
    ),
    "shm_lend": (
        "",
        "Let callables read large inputs in clients' own shared memory, or copy them all. It has an effect only with "
        "--allow shared-memory. Default: --shm-lend.",
    ),
    "start_parallelism": (
        "N",
        "How many workers import and set up their models at a time; the others wait for their turn. "
        "Default: two for each processor.",
    ),
    "import_timeout": ("SECONDS", "How long importing a plugin may take from its turn on. Default: 60."),
    "load_timeout": (
        "SECONDS",
        "How long a model's set-up may take from its turn on, and again its load into Triton. Default: 60.",
    ),
    "drain_delay": (
        "SECONDS",
        "How long the daemon serves on when it is to stop and is not ready any more. Default: 5 in Kubernetes, else 0.",
    ),
    "drain_timeout": (
        "SECONDS",
        "How long requests in flight may take when the daemon stops. Without this option: what a grace period leaves, "
        "20 in Kubernetes without one. Default: 30.",
    ),
    "grace_period": (
        "SECONDS",
        "When who stops the daemon kills it. The start fails if a stop may take longer. Default: nothing is checked.",
    ),
    "allow": ("CATEGORY", "Opens shared-memory, model-repository, trace or logging to clients. Repeatable."),
    "forward_headers": ("NAME", "An HTTP header or gRPC metadata that models may see. Repeatable."),
    "forward_prefix": (
        "SECRET",
        "What a proxy writes before the names of forwarded headers, so that no client can forge one. Better set as a "
        "variable or in the file than as an option. Default: none; forwarded headers are mere parameters.",
    ),
    "run_dir": ("DIR", "Where the daemon's own folder and host.json are made. Default: among the temporary files."),
    "reload": ("", "Serve a plugin anew when its files change, without losing a request: for development."),
    "log_level": ("LEVEL", "debug, info, warning or error. Default: info."),
    "log_format": ("FORMAT", "text, or json: one object a line, for programs that gather logs. Default: text."),
    "core_dumps": ("", "Let crashed processes leave core files, which hold what clients sent: for development."),
    "strict_security": ("", "Refuse what is only warned of: an old tritonserver that other machines can reach."),
}
_COMPLETE = {
    "plugins": completing.model_plugins,
    "disable": completing.plugins,
    "optional": completing.models_and_plugins,
    "allow": completing.one_of(CLOSED_CATEGORIES),
    "shm_on_full": completing.one_of(ON_FULL),
    "log_level": completing.one_of(LOG_LEVELS),
    "log_format": completing.one_of(LOG_FORMATS),
}
"""What a shell offers for values; paths have their own."""

_PATHS = {"tritonserver", "run_dir", "plugins_dir"}
_ALIASES = {"address": ["--host"]}


def host_options(function: F) -> F:
    """Adds an option for each setting, and ``-c/--config``; each one's help names its variable."""
    for setting in reversed(SETTINGS):
        function = _option(setting)(function)
    return config_option("config")(function)


def config_option(argument: str) -> Callable[[F], F]:
    """Adds ``-c/--config`` under the name ``argument``."""
    return click.option(
        "-c",
        "--config",
        argument,
        metavar="FILE",
        type=click.Path(),
        envvar=f"{PREFIX}CONFIG",
        show_envvar=True,
        help="A TOML file. Default: ./pytriton-host.toml, else [tool.pytriton-host] in ./pyproject.toml.",
    )


def flags_of(ctx: click.Context) -> dict[str, object]:
    """The options that stand on the command line, by name; config.py itself reads the variables."""
    return {
        name: value
        for name, value in ctx.params.items()
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _option(setting: Setting) -> Callable[[F], F]:
    metavar, text = HELP[setting.name]
    if setting.flag:
        names = f"--{setting.option}/--no-{setting.option}" if setting.on else f"--{setting.option}"
        return click.option(
            names, setting.name, is_flag=True, default=None, envvar=setting.variable, show_envvar=True, help=text
        )
    return click.option(
        f"--{setting.option}",
        *_ALIASES.get(setting.name, []),
        setting.name,
        metavar=metavar,
        type=click.Path() if setting.name in _PATHS else str,
        multiple=setting.repeated,
        envvar=setting.variable,
        show_envvar=True,
        shell_complete=_COMPLETE.get(setting.name),
        help=text,
    )
