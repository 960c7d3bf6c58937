"""The reader of the configuration file's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.readers import (
    Reader,
    parse_flag,
    parse_growth,
    parse_on_full,
    parse_path,
    parse_seconds,
    parse_size,
    parse_wait,
    parse_workers,
)
from pytriton_plugins.config.tables import Environment, ModelSettings, Tables
from pytriton_plugins.config.triton_schema import schema_problems
from pytriton_plugins.model.declaration import MAX_TIMEOUT
from pytriton_plugins.model.sequence import MAX_IDLE, MAX_LIVE, MIN_IDLE
from pytriton_plugins.model.triton_config import key_problems
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

TABLES = ("models", "plugins", "environments")

_SHM: dict[str, Reader] = {
    "initial": parse_size,
    "max": parse_size,
    "growth": parse_growth,
    "on_full": parse_on_full,
    "wait": parse_wait,
    "trim_after": parse_seconds,
    "lend": parse_flag,
}


def read_tables(path: Path, document: Mapping[str, Any], problems: Problems) -> Tables:
    """The tables among ``document``'s keys; what cannot be used is added to ``problems``."""
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
            self._add("environments is not a list of tables; write [[environments]]")
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
        self._add(f"{prefix}{one_line(key)} is not a table; write [{prefix}{one_line(key)}]")
        return {}

    def _model(self, where: str, table: dict[str, Any]) -> ModelSettings:
        scalars = {name: value for name, value in table.items() if name not in _BELOW_A_MODEL}
        shm = self._table(table, "shm", f"{where}.")
        known = {**_MODEL, **dict.fromkeys(_BELOW_A_MODEL)}
        values = dict(self._values(where, scalars, _MODEL, known))
        values |= {f"shm_{name}": value for name, value in self._values(f"{where}.shm", shm, _SHM, _SHM)}
        sequence = self._table(table, "sequence", f"{where}.")
        own = self._values(f"{where}.sequence", sequence, _SEQUENCE, _SEQUENCE)
        values |= {f"sequence_{name}": value for name, value in own}
        triton_config = self._table(table, "triton_config", f"{where}.")
        problems = (*key_problems(triton_config), *schema_problems(triton_config))
        self._add(*[f"{where}: {problem}" for problem in problems])
        return ModelSettings(
            **values, triton_config=triton_config, settings=self._table(table, "settings", f"{where}.")
        )

    def _values(
        self, where: str, table: dict[str, Any], readers: Mapping[str, Reader], known: Mapping[str, object]
    ) -> Iterator[tuple[str, Any]]:
        for name, value in table.items():
            if name not in readers:
                hint = suggestion(name, known) or f"; known keys: {', '.join(known)}"
                self._add(f"unknown key {where}.{one_line(name)}{hint}")
                continue
            try:
                yield name, readers[name](value)
            except ValueError as error:
                self._add(*[f"{where}.{name}: {problem}" for problem in error.args])

    def _environment(self, table: object) -> Environment | None:
        if not isinstance(table, dict) or list(table) != ["python"]:
            self._add('environments: expected one key; write [[environments]] and python = "/path/bin/python"')
            return None
        try:
            python = parse_path(table["python"])
        except ValueError as error:
            self._add(f"environments.python: {error}")
            return None
        # Not resolved: a virtual environment's python is a link, and its target does not know the environment.
        return Environment((self._path.parent / python.expanduser()).absolute())

    def _add(self, *problems: str) -> None:
        self._problems.add(*[f"{self._path}: {problem}" for problem in problems])


def _parse_max_batch_size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise ValueError(f"invalid batch size {one_line(repr(value))}: expected 1 to {2**31 - 1}")
    return value


def _parse_timeout(value: object) -> float:
    seconds = parse_seconds(value)
    if not 0.001 <= seconds <= MAX_TIMEOUT:
        raise ValueError(f"invalid timeout {one_line(repr(value))}: expected seconds from 0.001 to {MAX_TIMEOUT}")
    return seconds


def _parse_max_idle(value: object) -> float:
    seconds = parse_seconds(value)
    if not MIN_IDLE <= seconds <= MAX_IDLE:
        raise ValueError(f"invalid idle time {one_line(repr(value))}: expected seconds from {MIN_IDLE} to {MAX_IDLE}")
    return seconds


def _parse_max_live(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_LIVE:
        raise ValueError(f"invalid number of live sequences {one_line(repr(value))}: expected 1 to {MAX_LIVE}")
    return value


_SEQUENCE: dict[str, Reader] = {"max_idle": _parse_max_idle, "max_live": _parse_max_live}
_MODEL: dict[str, Reader] = {
    "enabled": parse_flag,
    "required": parse_flag,
    "workers": parse_workers,
    "max_batch_size": _parse_max_batch_size,
    "timeout": _parse_timeout,
}
_BELOW_A_MODEL = ("triton_config", "settings", "shm", "sequence")
"""The tables inside a model's table."""
