"""The daemon's settings: each has its name, type, default, reader, group and help here, and nowhere else.

A setting is a field of `DaemonSettings`: ``NAME: TYPE = setting(DEFAULT, READER, GROUP, HELP, metavar=…)``, or
``NAME: bool = flag(DEFAULT, GROUP, HELP)`` for an option without a value. Its option, its variable and its key in the
file are made of the name (setting.py). These readers exist (readers.py), each with the type of its value:

* ``parse_text``: str; ``one_of("log level", ("debug", "info"))``: one of these texts, in any case
* ``whole_number("number of starts", 1, 8)``: int, from 1 to 8; ``number("growth", 1, 100)``: float; neither may be
  negative, and the text is for the message about an invalid value
* ``parse_seconds``: float, also from ``500ms`` and ``2m``; ``parse_size``: int of bytes, also from ``16MiB``
* ``parse_path``: Path; a relative one starts at the folder of the file that names it
* ``parse_names``: tuple of str, ``parse_paths``: tuple of Path; both with ``repeated=True``
* ``parse_port``, ``parse_workers``, ``parse_address``, ``parse_headers`` and others: one purpose each
"""

from __future__ import annotations

from pathlib import Path

import attrs

from pytriton_plugins.config import readers
from pytriton_plugins.config.setting import flag, setting, settings_of
from pytriton_plugins.values import OnFull, ShmPolicy

_POLICY = ShmPolicy()

GROUPS = ("Network", "Plugins", "Shared memory", "Start and stop", "Logging", "Security", "Development")
"""The groups of settings, in the order of the help."""


@attrs.frozen
class DaemonSettings:
    """Every setting of the daemon; sizes are bytes, times seconds, a port of 0 means any free one."""

    address: str = setting(
        "127.0.0.1",
        readers.parse_address,
        "Network",
        "Address to listen on; 0.0.0.0 or :: for every interface, as in a container. Default: 127.0.0.1.",
        metavar="ADDRESS",
    )
    http_port: int = setting(
        8000,
        readers.parse_port,
        "Network",
        "Port of HTTP inference and health; 0 for any free port. Default: 8000.",
        metavar="PORT",
    )
    grpc_port: int = setting(
        8001,
        readers.parse_port,
        "Network",
        "Port of gRPC inference; 0 for any free port. Default: 8001.",
        metavar="PORT",
    )
    metrics_port: int = setting(
        8002,
        readers.parse_port,
        "Network",
        "Port of Prometheus metrics; 0 for any free port. Default: 8002.",
        metavar="PORT",
    )
    tritonserver: Path | None = setting(
        None,
        readers.parse_path,
        "Start and stop",
        "The tritonserver to run. Default: the one of a hook plugin, in PATH or in /opt/tritonserver.",
        metavar="PATH",
    )
    server_options: tuple[tuple[str, str], ...] = setting(
        (),
        readers.parse_server_options,
        "Start and stop",
        "Option that tritonserver gets as --NAME=VALUE. Repeatable.",
        metavar="NAME=VALUE",
        option="server-option",
        repeated=True,
    )
    run_dir: Path | None = setting(
        None,
        readers.parse_path,
        "Start and stop",
        "Folder for the daemon's private folder and host.json. Default: the system's temporary directory.",
        metavar="DIR",
    )
    plugins: tuple[str, ...] = setting(
        (),
        readers.parse_names,
        "Plugins",
        "Serve only this installed model plugin, or those of this distribution. Repeatable.",
        metavar="NAME",
        option="plugin",
        key="enable",
        repeated=True,
    )
    disable: tuple[str, ...] = setting(
        (),
        readers.parse_names,
        "Plugins",
        "Leave out this plugin, of models or of hooks. Repeatable.",
        metavar="NAME",
        option="no-plugin",
        repeated=True,
    )
    optional: tuple[str, ...] = setting(
        (),
        readers.parse_names,
        "Plugins",
        "Model or plugin that readiness does not depend on. Repeatable.",
        metavar="NAME",
        repeated=True,
    )
    require: tuple[str, ...] = setting(
        (),
        readers.parse_requirements,
        "Plugins",
        "Fail the start unless this distribution is installed, such as acme-resnet>=1.2. Repeatable.",
        metavar="REQUIREMENT",
        repeated=True,
    )
    plugins_dir: Path | None = setting(
        None,
        readers.parse_path,
        "Plugins",
        "Folder of further plugins, as 'pip install --target DIR' fills it.",
        metavar="DIR",
    )
    model_repositories: tuple[Path, ...] = setting(
        (),
        readers.parse_paths,
        "Plugins",
        "Folder of ordinary Triton models, served beside the plugins. Repeatable.",
        metavar="DIR",
        option="model-repository",
        repeated=True,
    )
    skip_broken_hooks: bool = flag(
        False, "Plugins", "Start without broken hook plugins. Default: a broken hook plugin fails the start."
    )
    workers: int | None = setting(
        None,
        readers.parse_workers,
        "Plugins",
        "Worker processes of each model. Default: as the model declares, or 1.",
        metavar="N",
    )
    shm_initial: int = setting(
        _POLICY.initial,
        readers.parse_size,
        "Shared memory",
        "Shared memory of each model at the start. Default: 16MiB.",
        metavar="SIZE",
        key="shm.initial",
    )
    shm_max: int = setting(
        _POLICY.max,
        readers.parse_size,
        "Shared memory",
        "Limit of the shared memory of each model. Default: 2GiB.",
        metavar="SIZE",
        key="shm.max",
    )
    shm_total: int | None = setting(
        None,
        readers.parse_size,
        "Shared memory",
        "Limit of the shared memory of all models together. Default: unlimited.",
        metavar="SIZE",
        key="shm.total",
    )
    shm_growth: float = setting(
        _POLICY.growth,
        readers.parse_growth,
        "Shared memory",
        "Factor by which a new segment is larger than the one it replaces. Default: 2.0.",
        metavar="N",
        key="shm.growth",
    )
    shm_on_full: OnFull = setting(
        _POLICY.on_full,
        readers.parse_on_full,
        "Shared memory",
        "Action at a model's limit: reject a batch, or wait for memory. Default: reject.",
        metavar="ACTION",
        key="shm.on_full",
    )
    shm_wait: float = setting(
        _POLICY.wait,
        readers.parse_wait,
        "Shared memory",
        "Longest wait of a batch for memory, at most 4. Default: 1.0.",
        metavar="SECONDS",
        key="shm.wait",
    )
    shm_trim_after: float = setting(
        _POLICY.trim_after,
        readers.parse_seconds,
        "Shared memory",
        "Idle time after which a worker frees its shared memory; 0 for never. Default: 60.0.",
        metavar="SECONDS",
        key="shm.trim_after",
    )
    shm_lend: bool = flag(
        _POLICY.lend,
        "Shared memory",
        "Let callables read large inputs in clients' own shared memory, or copy all inputs. Takes effect only with "
        "--allow shared-memory. Default: --shm-lend.",
        key="shm.lend",
    )
    start_parallelism: int | None = setting(
        None,
        readers.whole_number("number of starts", 1, readers.MAX_WORKERS),
        "Start and stop",
        "Workers that import and set up their models at the same time; the others wait for their turn. Default: two "
        "for each processor.",
        metavar="N",
    )
    import_timeout: float = setting(
        60.0,
        readers.parse_seconds,
        "Start and stop",
        "Timeout of a plugin's import, from its turn on. Default: 60.",
        metavar="SECONDS",
    )
    load_timeout: float = setting(
        60.0,
        readers.parse_seconds,
        "Start and stop",
        "Timeout of a model's set-up, from its turn on, and of its load into Triton. Default: 60.",
        metavar="SECONDS",
    )
    drain_delay: float = setting(
        0.0,
        readers.parse_seconds,
        "Start and stop",
        "Time for which a stopping daemon, no longer ready, accepts requests. Default: 5 in Kubernetes, else 0.",
        metavar="SECONDS",
    )
    drain_timeout: float = setting(
        30.0,  # where no grace period is known; the same as gunicorn's and tritonserver's
        readers.parse_seconds,
        "Start and stop",
        "Time for requests in flight at a stop. With a grace period: its rest; in Kubernetes without one: 20. "
        "Default: 30.",
        metavar="SECONDS",
    )
    grace_period: float | None = setting(
        None,
        readers.parse_seconds,
        "Start and stop",
        "Seconds after which the supervisor sends SIGKILL; checked against the drain settings. Default: not checked.",
        metavar="SECONDS",
    )
    allow: tuple[str, ...] = setting(
        (),
        readers.parse_categories,
        "Security",
        "Open shared-memory, model-repository, trace or logging to clients, or attach to this user's processes. "
        "Repeatable.",
        metavar="CATEGORY",
        repeated=True,
    )
    forward_headers: tuple[str, ...] = setting(
        (),
        readers.parse_headers,
        "Security",
        "HTTP header or gRPC metadata that models may read. Repeatable.",
        metavar="NAME",
        option="forward-header",
        repeated=True,
    )
    forward_prefix: str | None = setting(
        None,
        readers.parse_forward_prefix,
        "Security",
        "Prefix that a proxy adds to the names of forwarded headers, so that clients cannot forge them. Prefer the "
        "variable or the file, which other users cannot read. Default: none; forwarded headers are ordinary "
        "parameters.",
        metavar="SECRET",
        secret=True,
    )
    log_level: str = setting(
        "info",
        readers.one_of("log level", readers.LOG_LEVELS),
        "Logging",
        "Lowest level that is logged: debug, info, warning or error. Default: info.",
        metavar="LEVEL",
    )
    log_format: str = setting(
        "text",
        readers.one_of("log format", readers.LOG_FORMATS),
        "Logging",
        "Format of the log: text, or json with one object a line. Default: text.",
        metavar="FORMAT",
    )
    reload: bool = flag(False, "Development", "Reload a plugin when its files change, without losing a request.")
    core_dumps: bool = flag(
        False, "Development", "Let crashed processes write core files, which contain clients' data."
    )
    strict_security: bool = flag(False, "Security", "Turn security warnings into errors.")


SETTINGS = settings_of(DaemonSettings)
"""In the order of the class."""

SECRETS = frozenset(setting.name for setting in SETTINGS if setting.secret)
"""Settings whose values are not shown."""
