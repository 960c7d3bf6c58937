"""Finds and reads pytriton-host.toml or [tool.pytriton-host] in pyproject.toml; runs in the host process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.settings import SETTINGS
from pytriton_plugins.config.tables import TABLES, Tables, read_tables
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

FILE_NAME = "pytriton-host.toml"
_BY_KEY = {setting.key: setting for setting in SETTINGS}
_TABLES = {key.partition(".")[0] for key in _BY_KEY if "." in key}


@attrs.frozen
class ConfigFile:
    """What a file sets: single settings by name, as TOML gives them, and the tables of models and the like."""

    path: Path
    values: dict[str, object]
    tables: Tables = attrs.Factory(Tables)


def find_config_file(chosen: Path | None, directory: Path) -> ConfigFile:
    """As `read_config_file`; raises ConfigError with all that cannot be used."""
    problems = Problems()
    file = read_config_file(chosen, directory, problems)
    problems.tell()
    return file


def read_config_file(chosen: Path | None, directory: Path, problems: Problems) -> ConfigFile:
    """The file ``chosen``, else pytriton-host.toml, else pyproject.toml of ``directory``; empty when there is none.

    What cannot be used of it goes to ``problems``.
    """
    if chosen is not None:
        return _read(directory / chosen.expanduser(), problems)
    for name in (FILE_NAME, "pyproject.toml"):
        if (directory / name).is_file():
            return _read(directory / name, problems)
    return ConfigFile(directory / FILE_NAME, {})


def raw_table(path: Path) -> dict[str, Any]:
    """What the file says of the daemon, as TOML gives it; empty for a pyproject.toml that says nothing of it."""
    table = _toml(path)
    if path.name != "pyproject.toml":
        return table
    tool = table.get("tool")
    table = tool.get("pytriton-host", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: tool.pytriton-host is no table; write [tool.pytriton-host]")
    return table


def _read(path: Path, problems: Problems) -> ConfigFile:
    table = problems.attempt(lambda: raw_table(path)) or {}
    # TOML lets `plugins` be a list or a table, not both; the list is the short form of `enable`.
    if isinstance(table.get("plugins"), list):
        table = {**table, "enable": table["plugins"]}
        del table["plugins"]
    elif "plugins" in table and not isinstance(table["plugins"], dict):
        problems.add(f'{path}: plugins is no list; write plugins = ["acme"], or tables [plugins.NAME]')
        table = {key: value for key, value in table.items() if key != "plugins"}
    settings = {key: value for key, value in table.items() if key not in TABLES}
    values = {}
    for key, value in _flat(path, settings, problems):
        with problems:
            values[_known(path, key)] = value
    return ConfigFile(path, values, read_tables(path, table, problems))


def _toml(path: Path) -> dict[str, Any]:
    # Not every start has a file to read, and the parser costs milliseconds.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the configuration file {path} cannot be read: {error.strerror}; name another with --config"
        ) from None
    except ValueError as error:
        raise ConfigError(f"{path} is no valid TOML: {one_line(error)}") from None


def _flat(path: Path, table: dict[str, Any], problems: Problems) -> Iterator[tuple[str, object]]:
    """Each key, ``[shm] initial`` as ``shm.initial``."""
    for key, value in table.items():
        if key not in _TABLES:
            yield key, value
        elif isinstance(value, dict):
            yield from ((f"{key}.{inner}", item) for inner, item in value.items())
        else:
            problems.add(f"{path}: {key} is no table; write [{key}] and its keys below it")


def _known(path: Path, key: str) -> str:
    """The name of the setting that ``key`` sets; ConfigError for a key that sets none."""
    if key in _BY_KEY:
        return _BY_KEY[key].name
    moved = next((setting.key for setting in SETTINGS if key.replace("-", "_") in (setting.name, setting.key)), None)
    hint = f"; write {_written(moved)}" if moved else suggestion(key, _BY_KEY) or f"; the keys are {', '.join(_BY_KEY)}"
    raise ConfigError(f"{path}: {one_line(key)} is no key of this file{hint}")


def _written(key: str) -> str:
    table, _, inner = key.rpartition(".")
    return f"{inner} under [{table}]" if table else key
