"""Finds the daemon behind the URL of a `RemoteTriton`."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from pytriton.client.exceptions import PyTritonClientTimeoutError
from pytriton.client.urls import TritonUrl
from pytriton.exceptions import PyTritonInvalidOperationError
from pytriton_plugins import Host
from pytriton_plugins.errors import ControlError, HostError
from pytriton_plugins.host.control.client import find_hosts

if TYPE_CHECKING:
    from pytriton_plugins.script.connected import ConnectedHost

_ANSWER_SECONDS = 2.0
_POLL_SECONDS = 0.1


def local_address(url: str) -> TritonUrl:
    """The address; raises PyTritonClientInvalidUrlError, and PyTritonInvalidOperationError for another machine's."""
    address = TritonUrl.from_url(url)
    if not _is_here(address.hostname):
        raise PyTritonInvalidOperationError(
            f"{url}: {address.hostname} is not this machine; run this script there, because a server takes the "
            "callables of its own machine only"
        )
    return address


def daemon_at(address: TritonUrl, timeout: float) -> ConnectedHost:
    """This user's daemon at ``address``, after a wait of ``timeout`` seconds for it.

    Raises PyTritonClientTimeoutError where there is none, PyTritonInvalidOperationError where it takes no callables.
    """
    deadline = time.monotonic() + timeout
    while not (pids := _pids_at(address)):
        if time.monotonic() >= deadline:
            raise PyTritonClientTimeoutError(
                f"no server of this user on this machine serves {address.with_scheme}, after {timeout:g} s; start one "
                "with pytriton-host serve --allow attach, or in a script with pytriton.triton.Triton"
            )
        time.sleep(_POLL_SECONDS)
    try:
        return Host.connect(pid=pids[0])
    except HostError as error:
        raise PyTritonInvalidOperationError(str(error)) from None


def _pids_at(address: TritonUrl) -> list[int]:
    """The daemons with this port. One that ends, or has another version, is not among them."""
    protocol, pids = "grpc" if address.is_grpc else "http", []
    for host in find_hosts():
        try:
            if host.ask({"command": "summary"}, _ANSWER_SECONDS)["ports"][protocol] == address.port:
                pids.append(host.pid)
        except (ControlError, KeyError, TypeError):
            continue
        finally:
            host.close()
    return pids


def _is_here(hostname: str) -> bool:
    """Whether a name or an address is one of this machine."""
    try:
        found = socket.getaddrinfo(hostname, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    return any(_can_listen(family, address) for family, _, _, _, address in found)


def _can_listen(family: int, address: tuple[object, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True
