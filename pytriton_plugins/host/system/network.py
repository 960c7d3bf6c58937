"""Addresses of the daemon: the one to listen on, how options of tritonserver and URLs write it; in the host."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

import attrs

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line
from pytriton_plugins.values import Ports

_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_ON, _OFF = ("true", "on", "1"), ("false", "off", "0")
"""How tritonserver's options write yes and no, in any case."""


def with_address(config: HostConfig) -> HostConfig:
    """``config`` with the IP address to listen on in place of a name; raises ConfigError for what is none."""
    settled = attrs.evolve(config, address=listening_address(config.address))
    if "%" in settled.address and (listens(config, "http") or listens(config, "metrics")):
        raise ConfigError(
            f"address {settled.address}: only tritonserver's gRPC can listen on a link-local address; write :: or "
            "another address, or leave HTTP and metrics out with --server-option allow-http=false and "
            "--server-option allow-metrics=false"
        )
    return settled


def listening_address(name: str) -> str:
    """The IP address that ``name`` stands for; of several the first that this machine has, IPv4 before IPv6.

    tritonserver listens on one address, and its HTTP takes no names. Raises ConfigError.
    """
    try:
        found = socket.getaddrinfo(_without_zone(name), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # it does not exist, there is no descriptor to ask with, or it is no name
        reason = error.strerror if isinstance(error, OSError) else "it is no name of a machine"
        raise ConfigError(
            f"address {one_line(name)}: {reason}; write an address of this machine, such as 127.0.0.1 or ::1"
        ) from None
    addresses = sorted(((family, place) for family, _, _, _, place in found), key=lambda each: each[0])
    _, first = next((each for each in addresses if _can_listen(*each)), addresses[0])
    return _written(first)


def called_at(address: str) -> str:
    """Where a program on this machine calls what listens on ``address``."""
    return _LOOPBACK_OF.get(address, address)


def host_port(address: str, port: int) -> str:
    """``HOST:PORT`` for a URL."""
    return f"{bracketed(address)}:{port}"


def bracketed(address: str) -> str:
    """The address as URLs and tritonserver's gRPC write it."""
    return f"[{address}]" if ":" in address else address


def http_option(address: str) -> str:
    """The address as tritonserver's HTTP and metrics take it; anything else would be read as one of IPv4."""
    return f"ipv6:{address}" if ":" in address else address


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def listens(config: HostConfig, protocol: str) -> bool:
    """Whether tritonserver serves ``http``, ``grpc`` or ``metrics``, which its options can switch off."""
    said = [value for name, value in config.server_options if name == f"allow-{protocol}"]
    return not said or not is_off(said[-1])


def is_on(value: str) -> bool:
    """Whether tritonserver takes the value of an option for yes."""
    return value.lower() in _ON


def is_off(value: str) -> bool:
    """Whether tritonserver takes the value of an option for no."""
    return value.lower() in _OFF


def listening_ports(config: HostConfig, ports: Ports) -> dict[str, int | None]:
    """The port of each protocol by name; None for one that is switched off."""
    return {name: port if listens(config, name) else None for name, port in attrs.asdict(ports).items()}


def _without_zone(name: str) -> str:
    """The name or address without brackets, and without the zone (``%eth0``) unless it cannot be told without."""
    name = name.strip("[]")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    if address.version == 4:
        return name
    if not address.is_link_local:
        return str(address.ipv4_mapped or address).partition("%")[0]
    if address.scope_id is None:
        raise ConfigError(f"address {name}: a link-local address needs its interface; write for example {name}%eth0")
    return name


def _written(place: Sequence[Any]) -> str:
    """The address in its shortest spelling, with its zone if it has one."""
    address = str(ipaddress.ip_address(place[0].partition("%")[0]))
    zone = place[3] if len(place) > 3 else 0
    return f"{address}%{socket.if_indextoname(zone)}" if zone else address


def _can_listen(family: int, place: Any) -> bool:
    """Whether this machine has the address, and IPv6 at all."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind(place)
    except OSError as error:
        return error.errno not in _NO_FAMILY
    return True
