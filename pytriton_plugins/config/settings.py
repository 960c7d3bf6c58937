"""The table of the daemon's settings: name, option, key in the file, and how the value is read."""

from __future__ import annotations

import attrs

from pytriton_plugins.config.readers import (
    Reader,
    parse_address,
    parse_categories,
    parse_flag,
    parse_forward_prefix,
    parse_growth,
    parse_headers,
    parse_log_format,
    parse_log_level,
    parse_names,
    parse_on_full,
    parse_path,
    parse_port,
    parse_requirements,
    parse_seconds,
    parse_server_options,
    parse_size,
    parse_start_parallelism,
    parse_wait,
    parse_workers,
)

PREFIX = "PYTRITON_HOST_"


@attrs.frozen
class Setting:
    """One setting: ``name`` in HostConfig, ``option`` as typed, ``key`` in the file (``shm.initial`` is in a table).

    A ``repeated`` setting is a list of texts.
    A ``flag`` is an option without a value; one that is ``on`` by default has a ``--no-`` form beside it.
    """

    name: str
    option: str
    key: str
    parse: Reader
    repeated: bool = False
    flag: bool = False
    on: bool = False

    @property
    def variable(self) -> str:
        """The environment variable, such as ``PYTRITON_HOST_HTTP_PORT``; without the name of a command."""
        return PREFIX + self.option.upper().replace("-", "_")

    def typed(self, value: object) -> str:
        """The option as written on a command line that sets ``value``."""
        return f"--no-{self.option}" if self.on and value is False else f"--{self.option}"

    def from_variable(self, text: str) -> object:
        """A variable's text as ``parse`` takes it: a repeated setting is a comma list."""
        return [part.strip() for part in text.split(",") if part.strip()] if self.repeated else text


def _setting(name: str, parse: Reader, key: str = "", *, repeated: bool = False) -> Setting:
    return Setting(name, name.replace("_", "-"), key or name, parse, repeated)


SETTINGS = (
    _setting("address", parse_address),
    _setting("http_port", parse_port),
    _setting("grpc_port", parse_port),
    _setting("metrics_port", parse_port),
    _setting("tritonserver", parse_path),
    Setting("server_options", "server-option", "server_options", parse_server_options, repeated=True),
    _setting("optional", parse_names, repeated=True),
    Setting("plugins", "plugin", "enable", parse_names, repeated=True),
    Setting("disable", "no-plugin", "disable", parse_names, repeated=True),
    _setting("require", parse_requirements, repeated=True),
    _setting("plugins_dir", parse_path),
    Setting("skip_broken_hooks", "skip-broken-hooks", "skip_broken_hooks", parse_flag, flag=True),
    _setting("workers", parse_workers),
    _setting("shm_initial", parse_size, "shm.initial"),
    _setting("shm_max", parse_size, "shm.max"),
    _setting("shm_total", parse_size, "shm.total"),
    _setting("shm_growth", parse_growth, "shm.growth"),
    _setting("shm_on_full", parse_on_full, "shm.on_full"),
    _setting("shm_wait", parse_wait, "shm.wait"),
    _setting("shm_trim_after", parse_seconds, "shm.trim_after"),
    Setting("shm_lend", "shm-lend", "shm.lend", parse_flag, flag=True, on=True),
    _setting("start_parallelism", parse_start_parallelism),
    _setting("import_timeout", parse_seconds),
    _setting("load_timeout", parse_seconds),
    _setting("drain_delay", parse_seconds),
    _setting("drain_timeout", parse_seconds),
    _setting("grace_period", parse_seconds),
    _setting("allow", parse_categories, repeated=True),
    Setting("forward_headers", "forward-header", "forward_headers", parse_headers, repeated=True),
    _setting("forward_prefix", parse_forward_prefix),
    _setting("run_dir", parse_path),
    _setting("log_level", parse_log_level),
    _setting("log_format", parse_log_format),
    Setting("core_dumps", "core-dumps", "core_dumps", parse_flag, flag=True),
    Setting("strict_security", "strict-security", "strict_security", parse_flag, flag=True),
    Setting("reload", "reload", "reload", parse_flag, flag=True),
)

SECRETS = frozenset({"forward_prefix"})
"""Settings whose values are not shown."""
