"""Which server `pytriton-host infer` asks, and over which protocol: what --url says, else the running host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import attrs

from pytriton_plugins.cli.control_client import NoHostRuns, find_host
from pytriton_plugins.errors import ConfigError, ControlError
from pytriton_plugins.host.system.network import called_at, host_port
from pytriton_plugins.text import one_line

PORTS = {"grpc": 8001, "http": 8000}
NAMES = {"grpc": "gRPC", "http": "HTTP"}
_PATIENCE = 5.0
"""Seconds for a running host to say where it listens."""


@attrs.frozen
class Given:
    """A value and what set it: an option or a variable, as the user calls it."""

    value: str
    source: str
    typed: bool = True
    """Whether it stands on the command line."""


@attrs.frozen
class Address:
    """Where a server listens. ``instead`` is how to ask over gRPC, if ``protocol`` is another; ``models`` it has."""

    protocol: str
    address: str
    instead: str = ""
    models: Sequence[str] = ()


class Locator:
    """Finds the server anew at each `find`: the running host may not have begun yet."""

    def __init__(
        self, url: Given | None, protocol: Given | None, run_dir: str | None = None, pid: int | None = None
    ) -> None:
        """ConfigError for what contradicts itself or cannot be read."""
        scheme, separator, self._address = (url.value if url else "").rpartition("://")
        if url and separator and scheme not in PORTS:
            raise ConfigError(
                f"{url.source}: {one_line(scheme)}:// cannot be used; write HOST:PORT, http://… or grpc://…"
            )
        if url and (run_dir or pid):
            raise ConfigError(f"{url.source} names a server, and --run-dir or --pid a running host; leave one out")
        if url and scheme and protocol and protocol.typed and protocol.value != scheme:
            raise ConfigError(
                f"{url.source} begins with {scheme}:// and {protocol.source} is {protocol.value}; leave one of them out"
            )
        self.protocol = scheme or (protocol.value if protocol else "grpc")
        self._instead = _instead(url if scheme else protocol) if self.protocol != "grpc" else ""
        self._has_url = bool(url)
        self._chosen = (run_dir, pid)

    def find(self) -> Address:
        """ControlError when there are several hosts, and NoHostRuns when the chosen one is not there."""
        if self._has_url:
            return Address(self.protocol, _with_port(self._address.rstrip("/"), self.protocol), self._instead)
        try:
            host = find_host(*self._chosen)
        except NoHostRuns:
            if any(self._chosen):
                raise
            # Another user's, or one behind a published port.
            return Address(self.protocol, f"localhost:{PORTS[self.protocol]}", self._instead)
        try:
            return self._of(host.ask({"command": "summary"}, _PATIENCE), host.pid)
        finally:
            host.close()

    def _of(self, summary: dict[str, Any], pid: int) -> Address:
        try:
            models = tuple(dict.fromkeys(str(each["model"]) for each in summary["models"]))
            port, address = summary["ports"][self.protocol], called_at(str(summary["address"]))
        except (KeyError, TypeError):
            raise ControlError(f"the pytriton-host with pid {pid} does not say where it listens; use --url") from None
        if port is None:
            raise ControlError(f"the pytriton-host with pid {pid} does not serve HTTP; use --protocol grpc")
        return Address(self.protocol, host_port(address, port), self._instead, models)


def _instead(by: Given | None) -> str:
    if by is None:
        return ""
    if "://" in by.value:
        return f"write {by.source} grpc://HOST:PORT"
    return f"leave out {by.source} {by.value}" if by.typed else f"unset {by.source}"


def _with_port(address: str, protocol: str) -> str:
    address = address or "localhost"
    if address.count(":") > 1 and not address.startswith("["):
        address = f"[{address}]"
    return address if re.search(r":\d+$", address.rpartition("]")[2]) else f"{address}:{PORTS[protocol]}"
