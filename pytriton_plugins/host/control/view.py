"""The daemon as the control socket sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytriton_plugins.host.log.recent_errors import RecentErrors
    from pytriton_plugins.host.readiness import ReadinessController
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.host.triton.locate import FoundServer
    from pytriton_plugins.values import HostStatus


class DaemonView(Protocol):
    """The daemon, as commands see it."""

    errors: RecentErrors
    found: FoundServer
    readiness: ReadinessController
    registry: ModelRegistry

    @property
    def listening_ports(self) -> dict[str, int | None]:
        """The ports by name, None for a protocol that is switched off."""

    @property
    def server_restarts(self) -> int:
        """How many servers were started in the place of one that had ended."""

    def status(self) -> HostStatus: ...
