"""The configuration file: pytriton-host.toml, or [tool.pytriton-host] in pyproject.toml."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.settings import SETTINGS
from pytriton_plugins.config.table_reader import TABLES, read_tables
from pytriton_plugins.config.tables import Tables
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

FILE_NAME = "pytriton-host.toml"
_BY_KEY = {setting.key: setting for setting in SETTINGS}
_TABLES = {key.partition(".")[0] for key in _BY_KEY if "." in key}


@attrs.frozen
class ConfigFile:
    """The content of a file: single settings by name, as TOML has them, and the tables of models, plugins and so on."""

    path: Path
    values: dict[str, object]
    tables: Tables = attrs.Factory(Tables)

    @property
    def is_empty(self) -> bool:
        return not self.values and self.tables == Tables()


def find_config_file(chosen: Path | None, directory: Path) -> ConfigFile:
    """As `read_config_file`; raises ConfigError with a line for each problem."""
    problems = Problems()
    file = read_config_file(chosen, directory, problems)
    problems.tell()
    return file


def read_config_file(chosen: Path | None, directory: Path, problems: Problems) -> ConfigFile:
    """The file ``chosen``, else pytriton-host.toml, else pyproject.toml of ``directory``; empty when there is none.

    Keys and values that cannot be used are added to ``problems``.
    """
    if chosen is not None:
        return _read(directory / os.path.expanduser(chosen), problems)
    for name in (FILE_NAME, "pyproject.toml"):
        if (directory / name).is_file():
            return _read(directory / name, problems)
    return ConfigFile(directory / FILE_NAME, {})


def raw_table(path: Path) -> dict[str, Any]:
    """The daemon's table of the file, as TOML has it; empty for a pyproject.toml without one."""
    table = _toml(path)
    if path.name != "pyproject.toml":
        return table
    tool = table.get("tool")
    table = tool.get("pytriton-host", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: tool.pytriton-host is not a table; write [tool.pytriton-host]")
    return table


def _read(path: Path, problems: Problems) -> ConfigFile:
    table = problems.attempt(lambda: raw_table(path)) or {}
    # TOML lets `plugins` be a list or a table, not both; the list is the short form of `enable`.
    if isinstance(table.get("plugins"), list):
        table = {**table, "enable": table["plugins"]}
        del table["plugins"]
    elif "plugins" in table and not isinstance(table["plugins"], dict):
        problems.add(f'{path}: plugins is not a list; write plugins = ["acme"], or tables [plugins.NAME]')
        table = {key: value for key, value in table.items() if key != "plugins"}
    settings = {key: value for key, value in table.items() if key not in TABLES}
    values = {}
    for key, value in _flat(path, settings, problems):
        with problems:
            values[_known(path, key)] = value
    return ConfigFile(path, values, read_tables(path, table, problems))


def _toml(path: Path) -> dict[str, Any]:
    # Imported only where there is a file: the parser costs milliseconds.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"configuration file {path} cannot be read: {error.strerror}; choose another with --config"
        ) from None
    except ValueError as error:
        raise ConfigError(f"{path}: invalid TOML: {one_line(error)}") from None


def _flat(path: Path, table: dict[str, Any], problems: Problems) -> Iterator[tuple[str, object]]:
    """Each key, ``[shm] initial`` as ``shm.initial``."""
    for key, value in table.items():
        if key not in _TABLES:
            yield key, value
        elif isinstance(value, dict):
            yield from ((f"{key}.{inner}", item) for inner, item in value.items())
        else:
            problems.add(f"{path}: {key} is not a table; write [{key}] and its keys below it")


def _known(path: Path, key: str) -> str:
    """The name of the setting that ``key`` sets; ConfigError for an unknown key."""
    if key in _BY_KEY:
        return _BY_KEY[key].name
    meant = next((setting.key for setting in SETTINGS if key.replace("-", "_") in (setting.name, setting.key)), None)
    hint = f"; write {_written(meant)}" if meant else suggestion(key, _BY_KEY) or f"; known keys: {', '.join(_BY_KEY)}"
    raise ConfigError(f"{path}: unknown key {one_line(key)}{hint}")


def _written(key: str) -> str:
    table, _, inner = key.rpartition(".")
    return f"{inner} under [{table}]" if table else key
