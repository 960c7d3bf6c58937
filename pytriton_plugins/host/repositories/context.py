"""The registry, as the models of repositories see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.current_server import CurrentServer


class Served(Protocol):
    """Answers for every model, of plugins and of repositories."""

    def why_not(self, name: str, version: int = 0) -> str: ...
    def why_not_loaded(self, name: str, version: int = 0) -> str: ...
    def awaits(self, name: str, version: int = 0) -> bool: ...


class RepositoryContext(Protocol):
    """The registry, as the models of repositories see it."""

    current_server: CurrentServer
    served: Served

    def changed(self) -> None:
        """Something may be ready that was not, or the other way round."""
