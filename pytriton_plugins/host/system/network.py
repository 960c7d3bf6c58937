"""Addresses of the daemon: the one to listen on, how tritonserver and URLs write it, and who can reach it."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line
from pytriton_plugins.values import Ports

Options = Sequence[tuple[str, str]]
"""Options of tritonserver as the operator and hook plugins give them; of one that comes twice the last one counts."""

_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
ON, OFF = ("true", "on", "1"), ("false", "off", "0")
"""How tritonserver's options write yes and no, in any case."""

_SAGEMAKER_PORT = "8080"
"""Triton's default."""

_MAX_PORT = 65535
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def served_address(name: str, server_options: Options) -> str:
    """The IP address to listen on; raises ConfigError where ``name`` has none that every protocol can listen on."""
    address = listening_address(name)
    if "%" in address and (listens(server_options, "http") or listens(server_options, "metrics")):
        raise ConfigError(
            f"address {address}: only tritonserver's gRPC can listen on a link-local address; write :: or "
            "another address, or leave HTTP and metrics out with --server-option allow-http=false and "
            "--server-option allow-metrics=false"
        )
    return address


def listening_address(name: str) -> str:
    """The IP address that ``name`` stands for; of several the first that this machine has, IPv4 before IPv6.

    tritonserver listens on one address, and its HTTP takes no names. Raises ConfigError.
    """
    try:
        found = socket.getaddrinfo(_without_zone(name), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # an unknown name, no descriptor is left, or not a name
        reason = error.strerror if isinstance(error, OSError) else "not the name of a machine"
        raise ConfigError(
            f"address {one_line(name)}: {reason}; write an address of this machine, such as 127.0.0.1 or ::1"
        ) from None
    addresses = sorted(((family, place) for family, _, _, _, place in found), key=lambda each: each[0])
    _, first = next((each for each in addresses if _can_listen(*each)), addresses[0])
    return _written(first)


def called_at(address: str) -> str:
    """The address at which a program on this machine reaches a server that listens on ``address``."""
    return _LOOPBACK_OF.get(address, address)


def host_port(address: str, port: int) -> str:
    """``HOST:PORT`` for a URL."""
    return f"{bracketed(address)}:{port}"


def bracketed(address: str) -> str:
    """The address as URLs and tritonserver's gRPC write it."""
    return f"[{address}]" if ":" in address else address


def http_option(address: str) -> str:
    """The address as tritonserver's HTTP and metrics take it; they read any other form as IPv4."""
    return f"ipv6:{address}" if ":" in address else address


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def in_container() -> bool:
    """Whether a container engine or Kubernetes left its mark, or this process is the child of our own init."""
    if "KUBERNETES_SERVICE_HOST" in os.environ or any(mark.exists() for mark in _CONTAINER_MARKS):
        return True
    return os.getppid() == 1 and _is_ours(Path("/proc/1/cmdline"))


def listens(server_options: Options, protocol: str) -> bool:
    """Whether tritonserver serves ``http``, ``grpc`` or ``metrics``, which its options can switch off."""
    values = [value for name, value in server_options if name == f"allow-{protocol}"]
    return not values or not is_off(values[-1])


def is_off(value: str) -> bool:
    """Whether tritonserver reads the value of an option as no."""
    return value.lower() in OFF


def listening_ports(server_options: Options, ports: Ports) -> dict[str, int | None]:
    """The port of each protocol by name; None for one that is switched off."""
    return {name: port if listens(server_options, name) else None for name, port in attrs.asdict(ports).items()}


def front_end_ports(server_options: Options) -> dict[str, int]:
    """The port of SageMaker's front end by its name, if it is on; tritonserver refuses what is not a port."""
    values = {"allow-sagemaker": "false", "sagemaker-port": _SAGEMAKER_PORT, **dict(server_options)}
    port = values["sagemaker-port"]
    is_port = re.fullmatch("[0-9]{1,5}", port) and int(port) <= _MAX_PORT
    return {"sagemaker": int(port)} if is_port and not is_off(values["allow-sagemaker"]) else {}


def _is_ours(command: Path) -> bool:
    try:
        return b"pytriton" in command.read_bytes()
    except OSError:
        return False  # another user's, in a /proc that hides those


def _without_zone(name: str) -> str:
    """The name or address without brackets, and without the zone (``%eth0``) unless it is needed."""
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
