"""Where the clients of a daemon reach it, as URLs."""

from __future__ import annotations

from typing import Any

from pytriton_plugins.errors import HostError
from pytriton_plugins.host.system.network import called_at, host_port


class Addresses:
    """The URLs of a daemon whose ``status`` is known."""

    def __init__(self, status: dict[str, Any]) -> None:
        self._address = str(status["address"])
        self._ports: dict[str, int | None] = status["ports"]

    @property
    def http_url(self) -> str:
        """``http://ADDRESS:PORT``; raises HostError where HTTP is switched off."""
        return f"http://{self._place('http')}"

    @property
    def grpc_url(self) -> str:
        """``grpc://ADDRESS:PORT``; raises HostError where gRPC is switched off."""
        return f"grpc://{self._place('grpc')}"

    @property
    def metrics_url(self) -> str:
        """``http://ADDRESS:PORT/metrics``; raises HostError where metrics are switched off."""
        return f"http://{self._place('metrics')}/metrics"

    def _shown_ports(self) -> str:
        return ", ".join(f"{name} {port}" for name, port in self._ports.items() if port is not None)

    def _place(self, protocol: str) -> str:
        port = self._ports[protocol]
        if port is None:
            raise HostError(f"{protocol} is switched off by server_options")
        return host_port(called_at(self._address), port)
