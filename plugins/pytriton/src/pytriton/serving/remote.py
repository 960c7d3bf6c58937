"""Finds the daemon behind the URL of a `RemoteTriton`."""

from __future__ import annotations

from urllib.parse import urlsplit

from pytriton.exceptions import PyTritonInvalidOperationError, PyTritonValidationError
from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control.client import find_hosts

_ANSWER_SECONDS = 5.0
_PORTS = {"http": 8000, "grpc": 8001}


def daemon_at(url: str) -> str:
    """The private folder of this user's daemon that serves ``url``; raises PyTritonInvalidOperationError for none."""
    protocol, port = _protocol_and_port(url)
    found = ""
    for host in find_hosts():
        try:
            ports = host.ask({"command": "summary"}, _ANSWER_SECONDS)["ports"]
            if ports[protocol] == port:
                found = host.folder
        except (ControlError, KeyError, TypeError):
            continue  # it ends, or has another version
        finally:
            host.close()
    if not found:
        raise PyTritonInvalidOperationError(
            f"no server of this user on this machine serves {url}; start one with pytriton-host serve --allow attach, "
            "or in a script with pytriton.triton.Triton"
        )
    return found


def _protocol_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise PyTritonValidationError(f"invalid url {url!r}: expected http://HOST:PORT or grpc://HOST:PORT")
    try:
        return parts.scheme, parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise PyTritonValidationError(f"invalid url {url!r}: expected a port from 1 to 65535") from None
