"""Loads the daemon's settings from flags, variables, a TOML file and defaults, in that order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytriton_plugins.config.consistency import check_together
from pytriton_plugins.config.file import ConfigFile, read_config_file
from pytriton_plugins.config.host_config import IN_KUBERNETES, KUBERNETES_DRAIN_DELAY, HostConfig
from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.setting import PREFIX, Setting
from pytriton_plugins.config.settings import SETTINGS
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

OTHER_VARIABLES = frozenset({"PYTRITON_HOST_CONFIG", "PYTRITON_HOST_URL", "PYTRITON_HOST_PROTOCOL"})
"""Variables of options that are not settings of the daemon."""

# Kubernetes sets such variables in every container for a Service named pytriton-host.
_KUBERNETES = re.compile(r"PYTRITON_HOST_(SERVICE_.*|PORT|PORT_\d+_.*)")


def load_config(
    targets: tuple[str, ...], flags: Mapping[str, object], environ: Mapping[str, str], directory: Path
) -> HostConfig:
    """The settings from ``flags`` (by name, and ``config``), ``environ`` and the file found in ``directory``.

    ConfigError has a line for each flag, variable and key that is wrong, with the value that is expected.
    """
    problems = Problems()
    config = read_config(targets, flags, environ, directory, problems)
    problems.tell()
    return config


def read_config(
    targets: tuple[str, ...],
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    directory: Path,
    problems: Problems,
) -> HostConfig:
    """As `load_config`; problems are added to ``problems``, and the default takes the place of a wrong value."""
    chosen = flags.get("config") or environ.get(f"{PREFIX}CONFIG")
    file = read_config_file(Path(str(chosen)) if chosen else None, directory, problems)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        given = _given(setting, flags, environ, file)
        if given is not None:
            source, value, base = given
            sources[setting.name] = source
            with problems:
                values[setting.name] = _parsed(setting, source, value, base or directory)
    invalid = sources.keys() - values.keys()
    if environ.get(IN_KUBERNETES):
        values.setdefault("drain_delay", KUBERNETES_DRAIN_DELAY)
        sources = {**dict.fromkeys(("drain_delay", "drain_timeout"), IN_KUBERNETES), **sources}
    config = HostConfig(targets=targets, sources=sources, tables=file.tables, **values).with_default_drain()
    check_together(config, invalid, problems)
    return config


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One line for each ``PYTRITON_HOST_…`` variable that is not an option's and not Kubernetes'."""
    known = {setting.variable for setting in SETTINGS} | OTHER_VARIABLES
    names = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    return [
        f"unknown variable {one_line(name)} is ignored{suggestion(name, known)}"
        for name in names
        if not _KUBERNETES.fullmatch(name)
    ]


def _given(
    setting: Setting, flags: Mapping[str, object], environ: Mapping[str, str], file: ConfigFile
) -> tuple[str, object, Path | None] | None:
    """The first source that sets ``setting``, the value as written there, and the folder for its relative paths."""
    if setting.name in flags:
        return setting.typed(flags[setting.name]), flags[setting.name], None
    if setting.variable in environ:
        return setting.variable, setting.from_variable(environ[setting.variable]), None
    if setting.name in file.values:
        return f"{file.path}: {setting.key}", file.values[setting.name], file.path.parent
    return None


def _parsed(setting: Setting, source: str, value: object, base: Path) -> object:
    try:
        parsed = setting.parse(value)
    except ValueError as error:
        raise ConfigError(*[f"{source}: {problem}" for problem in error.args]) from None
    if isinstance(parsed, tuple):
        return tuple(_placed(item, base) for item in parsed)
    return _placed(parsed, base)


def _placed(value: object, base: Path) -> object:
    """A relative path starts at ``base``; other values stay."""
    return base.absolute() / value.expanduser() if isinstance(value, Path) else value
