"""The server and the protocol of `pytriton-host infer`: those of --url, else the running daemon's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import attrs

from pytriton_plugins.errors import ConfigError, ControlError
from pytriton_plugins.host.control.client import NoHostRuns, find_host
from pytriton_plugins.host.system.network import called_at, host_port
from pytriton_plugins.text import one_line

PORTS = {"grpc": 8001, "http": 8000}
NAMES = {"grpc": "gRPC", "http": "HTTP"}
_SUMMARY_TIMEOUT = 5.0
"""Seconds for a running daemon's summary, which has its address."""


@attrs.frozen
class Given:
    """A value and its source: an option or a variable, by the name that the user wrote."""

    value: str
    source: str
    typed: bool = True
    """Whether it comes from the command line."""


@attrs.frozen
class Address:
    """The address of a server and its ``models``. ``instead`` says how to use gRPC, if ``protocol`` is another."""

    protocol: str
    address: str
    instead: str = ""
    models: Sequence[str] = ()


class Locator:
    """Finds the server, again at each `find`: the running daemon may start later."""

    def __init__(
        self, url: Given | None, protocol: Given | None, run_dir: str | None = None, pid: int | None = None
    ) -> None:
        """ConfigError for contradictions and for a URL that cannot be used."""
        scheme, separator, self._address = (url.value if url else "").rpartition("://")
        if url and separator and scheme not in PORTS:
            raise ConfigError(
                f"{url.source}: unknown scheme {one_line(scheme)}://; write HOST:PORT, http://… or grpc://…"
            )
        if url and (run_dir or pid):
            raise ConfigError(
                f"{url.source} names a server, and --run-dir or --pid a running daemon; remove one of them"
            )
        if url and scheme and protocol and protocol.typed and protocol.value != scheme:
            raise ConfigError(
                f"{url.source} starts with {scheme}:// and {protocol.source} is {protocol.value}; remove one of them"
            )
        self.protocol = scheme or (protocol.value if protocol else "grpc")
        self._instead = _instead(url if scheme else protocol) if self.protocol != "grpc" else ""
        self._has_url = bool(url)
        self._chosen = (run_dir, pid)

    def find(self) -> Address:
        """ControlError when there are several daemons, and NoHostRuns when the chosen one is not there."""
        if self._has_url:
            return Address(self.protocol, _with_port(self._address.rstrip("/"), self.protocol), self._instead)
        try:
            host = find_host(*self._chosen)
        except NoHostRuns:
            if any(self._chosen):
                raise
            # Perhaps another user's daemon, or one behind a published port.
            return Address(self.protocol, f"localhost:{PORTS[self.protocol]}", self._instead)
        try:
            return self._of(host.ask({"command": "summary"}, _SUMMARY_TIMEOUT), host.pid)
        finally:
            host.close()

    def _of(self, summary: dict[str, Any], pid: int) -> Address:
        try:
            models = tuple(dict.fromkeys(str(each["model"]) for each in summary["models"]))
            port, address = summary["ports"][self.protocol], called_at(str(summary["address"]))
        except (KeyError, TypeError):
            raise ControlError(f"the pytriton-host with pid {pid} does not report its address; use --url") from None
        if port is None:
            raise ControlError(f"the pytriton-host with pid {pid} does not serve HTTP; use --protocol grpc")
        return Address(self.protocol, host_port(address, port), self._instead, models)


def _instead(given: Given | None) -> str:
    if given is None:
        return ""
    if "://" in given.value:
        return f"write {given.source} grpc://HOST:PORT"
    return f"remove {given.source} {given.value}" if given.typed else f"unset {given.source}"


def _with_port(address: str, protocol: str) -> str:
    address = address or "localhost"
    if address.count(":") > 1 and not address.startswith("["):
        address = f"[{address}]"
    return address if re.search(r":\d+$", address.rpartition("]")[2]) else f"{address}:{PORTS[protocol]}"
