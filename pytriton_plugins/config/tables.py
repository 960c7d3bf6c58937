"""The tables of the configuration file (models, plugins, environments); runs in the host process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.settings import (
    parse_flag,
    parse_growth,
    parse_on_full,
    parse_path,
    parse_seconds,
    parse_size,
    parse_wait,
    parse_workers,
)
from pytriton_plugins.config.triton_schema import schema_problems
from pytriton_plugins.model.declaration import MAX_TIMEOUT
from pytriton_plugins.model.triton_config import key_problems
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion
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


def read_tables(path: Path, document: Mapping[str, Any], problems: Problems) -> Tables:
    """The tables among ``document``'s keys; what cannot be used goes to ``problems``."""
    return _Reader(path, problems).tables(document)


class _Reader:
    """Reads the tables of one file."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self._path = path
        self._problems = problems

    def tables(self, document: Mapping[str, Any]) -> Tables:
        models, plugins = self._table(document, "models"), self._table(document, "plugins")
        environments = document.get("environments", [])
        if not isinstance(environments, list):
            self._wrong("environments is no list of tables; write [[environments]]")
            environments = []
        return Tables(
            {name: self._model(f"models.{one_line(name)}", self._table(models, name, "models.")) for name in models},
            {name: self._table(plugins, name, "plugins.") for name in plugins},
            tuple(found for each in environments if (found := self._environment(each))),
            self._path,
        )

    def _table(self, outer: Mapping[str, Any], key: str, prefix: str = "") -> dict[str, Any]:
        value = outer.get(key, {})
        if isinstance(value, dict):
            return value
        self._wrong(f"{prefix}{one_line(key)} is no table; write [{prefix}{one_line(key)}]")
        return {}

    def _model(self, where: str, table: dict[str, Any]) -> ModelSettings:
        scalars = {name: value for name, value in table.items() if name not in _BELOW_A_MODEL}
        shm = self._table(table, "shm", f"{where}.")
        known = {**_MODEL, **dict.fromkeys(_BELOW_A_MODEL)}
        values = dict(self._values(where, scalars, _MODEL, "a model", known))
        values |= {f"shm_{name}": value for name, value in self._values(f"{where}.shm", shm, _SHM, "shm", _SHM)}
        triton_config = self._table(table, "triton_config", f"{where}.")
        said = (*key_problems(triton_config), *schema_problems(triton_config))
        self._wrong(*[f"{where}: {problem}" for problem in said])
        return ModelSettings(
            **values, triton_config=triton_config, settings=self._table(table, "settings", f"{where}.")
        )

    def _values(
        self, where: str, table: dict[str, Any], parsers: Mapping[str, Parse], kind: str, known: Mapping[str, object]
    ) -> Iterator[tuple[str, Any]]:
        for name, value in table.items():
            if name not in parsers:
                hint = suggestion(name, known) or f"; the keys are {', '.join(known)}"
                self._wrong(f"{where}.{one_line(name)} is no key of {kind}{hint}")
                continue
            try:
                yield name, parsers[name](value)
            except ValueError as error:
                self._wrong(*[f"{where}.{name}: {problem}" for problem in error.args])

    def _environment(self, table: object) -> Environment | None:
        if not isinstance(table, dict) or list(table) != ["python"]:
            self._wrong('an environment has one key; write [[environments]] and python = "/path/bin/python"')
            return None
        try:
            python = parse_path(table["python"])
        except ValueError as error:
            self._wrong(f"environments.python: {error}")
            return None
        # Not resolved: a virtual environment's python is a link, and what it links to knows nothing of the environment.
        return Environment((self._path.parent / python.expanduser()).absolute())

    def _wrong(self, *problems: str) -> None:
        self._problems.add(*[f"{self._path}: {problem}" for problem in problems])


def _parse_max_batch_size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise ValueError(f"{one_line(repr(value))} is no batch size; write a whole number from 1 up")
    return value


def _parse_timeout(value: object) -> float:
    seconds = parse_seconds(value)
    if not 0.001 <= seconds <= MAX_TIMEOUT:
        raise ValueError(f"{one_line(repr(value))} is no time-out; write seconds from 0.001 to {MAX_TIMEOUT}")
    return seconds


_MODEL: dict[str, Parse] = {
    "enabled": parse_flag,
    "required": parse_flag,
    "workers": parse_workers,
    "max_batch_size": _parse_max_batch_size,
    "timeout": _parse_timeout,
}
_BELOW_A_MODEL = ("triton_config", "settings", "shm")
"""The tables in a model's table."""
