"""The tables of the configuration file (models, plugins, environments); runs in the host process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.models import MAX_TIMEOUT
from pytriton_plugins.settings import (
    parse_flag,
    parse_growth,
    parse_on_full,
    parse_path,
    parse_seconds,
    parse_size,
    parse_wait,
    parse_workers,
    suggestion,
)
from pytriton_plugins.text import one_line
from pytriton_plugins.values import OnFull

TABLES = ("models", "plugins", "environments")

Parse = Callable[[object], Any]

_SHM: dict[str, Parse] = {
    "initial": parse_size,
    "max": parse_size,
    "growth": parse_growth,
    "on_full": parse_on_full,
    "wait": parse_wait,
    "trim_after": parse_seconds,
    "lend": parse_flag,
}


@attrs.frozen
class ModelSettings:
    """What ``[models.NAME]`` says about one model; None and empty where it says nothing.

    ``settings`` are keywords of a class's ``__init__``; sizes are bytes.
    """

    enabled: bool = True
    required: bool | None = None
    workers: int | None = None
    max_batch_size: int | None = None
    timeout: float | None = None
    triton_config: Mapping[str, Any] = attrs.Factory(dict)
    settings: Mapping[str, Any] = attrs.Factory(dict)
    shm_initial: int | None = None
    shm_max: int | None = None
    shm_growth: float | None = None
    shm_on_full: OnFull | None = None
    shm_wait: float | None = None
    shm_trim_after: float | None = None
    shm_lend: bool | None = None


@attrs.frozen
class Environment:
    """Another interpreter, whose installed plugins are served by it."""

    python: Path


@attrs.frozen
class Tables:
    """All of them; models and plugins by name."""

    models: Mapping[str, ModelSettings] = attrs.Factory(dict)
    plugins: Mapping[str, Mapping[str, Any]] = attrs.Factory(dict)
    environments: tuple[Environment, ...] = ()
    path: Path | None = attrs.field(default=None, eq=False)
    """The file that they stand in."""


def read_tables(path: Path, document: Mapping[str, Any]) -> Tables:
    """The tables among ``document``'s keys; ConfigError for what cannot be used."""
    models = _table(path, document, "models")
    plugins = _table(path, document, "plugins")
    environments = document.get("environments", [])
    if not isinstance(environments, list):
        raise ConfigError(f"{path}: environments is no list of tables; write [[environments]]")
    return Tables(
        {name: _model(path, f"models.{name}", _table(path, models, name, "models.")) for name in models},
        {name: _table(path, plugins, name, "plugins.") for name in plugins},
        tuple(_environment(path, each) for each in environments),
        path,
    )


def _table(path: Path, outer: Mapping[str, Any], key: str, prefix: str = "") -> dict[str, Any]:
    value = outer.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {prefix}{one_line(key)} is no table; write [{prefix}{one_line(key)}]")
    return value


def _model(path: Path, where: str, table: dict[str, Any]) -> ModelSettings:
    scalars: dict[str, Parse] = {
        "enabled": parse_flag,
        "required": parse_flag,
        "workers": parse_workers,
        "max_batch_size": _parse_max_batch_size,
        "timeout": _parse_timeout,
    }
    for name in table:
        if name not in (*scalars, "triton_config", "settings", "shm"):
            known = [*scalars, "triton_config", "settings", "shm"]
            hint = suggestion(name, known) or f"; the keys are {', '.join(known)}"
            raise ConfigError(f"{path}: {where}.{one_line(name)} is no key of a model{hint}")
    values = {
        name: _parsed(path, f"{where}.{name}", parse, table[name]) for name, parse in scalars.items() if name in table
    }
    shm = _table(path, table, "shm", f"{where}.")
    for name in shm:
        if name not in _SHM:
            raise ConfigError(f"{path}: {where}.shm.{one_line(name)} is no key; the keys are {', '.join(_SHM)}")
        values[f"shm_{name}"] = _parsed(path, f"{where}.shm.{name}", _SHM[name], shm[name])
    return ModelSettings(
        **values,
        triton_config=_table(path, table, "triton_config", f"{where}."),
        settings=_table(path, table, "settings", f"{where}."),
    )


def _environment(path: Path, table: object) -> Environment:
    if not isinstance(table, dict) or list(table) != ["python"]:
        raise ConfigError(f'{path}: an environment has one key; write [[environments]] and python = "/path/bin/python"')
    python = _parsed(path, "environments.python", parse_path, table["python"])
    # Not resolved: a virtual environment's python is a link, and what it links to knows nothing of the environment.
    return Environment((path.parent / python.expanduser()).absolute())


def _parse_max_batch_size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise ValueError(f"{one_line(repr(value))} is no batch size; write a whole number from 1 up")
    return value


def _parse_timeout(value: object) -> float:
    seconds = parse_seconds(value)
    if not 0.001 <= seconds <= MAX_TIMEOUT:
        raise ValueError(f"{one_line(repr(value))} is no time-out; write seconds from 0.001 to {MAX_TIMEOUT}")
    return seconds


def _parsed(path: Path, where: str, parse: Parse, value: object) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise ConfigError(f"{path}: {where}: {error}") from None
