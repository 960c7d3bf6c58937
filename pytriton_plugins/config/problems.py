"""Gathers everything that is wrong, so that all of it is told at once; in the host and on the command line."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from pytriton_plugins.errors import ConfigError, PytritonPluginsError

T = TypeVar("T")


class Problems:
    """What was found to be wrong so far. ``with problems:`` takes an error of ours, and the next step runs."""

    def __init__(self) -> None:
        self._found: list[PytritonPluginsError] = []

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if isinstance(error, PytritonPluginsError):
            self.add_error(error)
        return isinstance(error, PytritonPluginsError)

    def __bool__(self) -> bool:
        return bool(self._found)

    def add_error(self, error: PytritonPluginsError) -> None:
        self._found.append(error)

    def add(self, *problems: str) -> None:
        """Each is a line about the configuration."""
        self._found += map(ConfigError, problems)

    def attempt(self, work: Callable[[], T]) -> T | None:
        """What ``work`` returns; None when it raises one of our errors."""
        with self:
            return work()
        return None

    def tell(self) -> None:
        """Raise what was found: a ConfigError if any of it is about the configuration."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            lines = dict.fromkeys(line for error in self._found for line in error.problems)
            about_configuration = any(isinstance(error, ConfigError) for error in self._found)
            raise (ConfigError if about_configuration else PytritonPluginsError)(*lines)
