"""Checks and picks ports before anything is started; runs in the host."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from pytriton_plugins.errors import ServerError
from pytriton_plugins.values import Ports


def settle_ports(address: str, ports: Ports) -> Ports:
    """``ports`` with any free port in place of each 0; raises PortTaken for the first one that cannot be bound."""
    wanted = {"http": ports.http, "grpc": ports.grpc, "metrics": ports.metrics}
    fixed = [port for port in wanted.values() if port]
    twice = next((port for port in fixed if fixed.count(port) > 1), None)
    if twice is not None:
        raise ServerError(f"port {twice} is asked for twice; give HTTP, gRPC and metrics a port each")
    held: list[socket.socket] = []
    try:
        settled = {name: _bind(address, name, port, held) for name, port in wanted.items()}
    finally:
        for sock in held:
            sock.close()
    return Ports(**settled)


class PortTaken(ServerError):
    """A port is in use; ``port`` is its number."""

    def __init__(self, message: str, port: int) -> None:
        super().__init__(message)
        self.port = port


def _bind(address: str, name: str, port: int, held: list[socket.socket]) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    held.append(sock)
    # As tritonserver does: connections of an earlier server that are still closing are no obstacle.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"{name} port {port} on {address} is in use{_by_whom(port)}; stop that program or choose another with --{name}-port"
            raise PortTaken(message, port) from None
        raise ServerError(f"{name} port {port} on {address} cannot be used: {error.strerror}; correct --address or --{name}-port") from None
    return int(sock.getsockname()[1])


def _by_whom(port: int) -> str:
    """`` by NAME (process PID)``, if this user may see that."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").iterdir():
        if inodes and process.name.isdigit() and _holds(process, inodes):
            name = (process / "comm").read_text().strip()
            return f" by {name} (process {process.name})"
    return ""


def _listening_inodes(port: int) -> list[str]:
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.append(fields[9])
    return found


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(os.readlink(descriptor) in inodes for descriptor in (process / "fd").iterdir())
    except OSError:
        return False
