"""A collector of problems, so that a user sees all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from pytriton_plugins.errors import ConfigError, PytritonPluginsError

T = TypeVar("T")


class Problems:
    """The problems found so far. ``with problems:`` catches an error of this package, and the work goes on."""

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
        """Add a line about the configuration for each."""
        self._found += map(ConfigError, problems)

    def attempt(self, work: Callable[[], T]) -> T | None:
        """The result of ``work``; None when it raises an error of this package."""
        with self:
            return work()
        return None

    def tell(self) -> None:
        """Raise an error with a line for each problem, if there are any; a ConfigError if one is a ConfigError."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            lines = dict.fromkeys(line for error in self._found for line in error.problems)
            about_configuration = any(isinstance(error, ConfigError) for error in self._found)
            raise (ConfigError if about_configuration else PytritonPluginsError)(*lines)
