"""Finds the daemon behind the URL of a `RemoteTriton`."""

from __future__ import annotations

from urllib.parse import urlsplit

from pytriton.exceptions import PyTritonInvalidOperationError, PyTritonValidationError
from pytriton_plugins import Host
from pytriton_plugins.errors import ControlError, HostError
from pytriton_plugins.host.control.client import HostConnection, find_hosts
from pytriton_plugins.script.connected import ConnectedHost

_ANSWER_SECONDS = 2.0
_PORTS = {"http": 8000, "grpc": 8001}


def daemon_at(url: str) -> ConnectedHost:
    """This user's daemon that serves ``url``; raises PyTritonInvalidOperationError where it takes no callables."""
    protocol, port = _protocol_and_port(url)
    found = [host.pid for host in find_hosts() if _port(host, protocol) == port]
    if not found:
        raise PyTritonInvalidOperationError(
            f"no server of this user on this machine serves {url}; start one with pytriton-host serve --allow attach, "
            "or in a script with pytriton.triton.Triton"
        )
    try:
        return Host.connect(pid=found[0])
    except HostError as error:
        raise PyTritonInvalidOperationError(str(error)) from None


def _port(host: HostConnection, protocol: str) -> int | None:
    """The daemon's port for ``protocol``; None where it ends, or has another version."""
    try:
        port: int | None = host.ask({"command": "summary"}, _ANSWER_SECONDS)["ports"][protocol]
        return port
    except (ControlError, KeyError, TypeError):
        return None
    finally:
        host.close()


def _protocol_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise PyTritonValidationError(f"invalid url {url!r}: expected http://HOST:PORT or grpc://HOST:PORT")
    try:
        return parts.scheme, parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise PyTritonValidationError(f"invalid url {url!r}: expected a port from 1 to 65535") from None
