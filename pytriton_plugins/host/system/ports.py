"""Checks and chooses ports before anything is started."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.errors import ServerError
from pytriton_plugins.hooks.registry import BUILT_IN
from pytriton_plugins.values import Ports

if TYPE_CHECKING:
    from pytriton_plugins.hooks.manager import HookManager

EVERY_INTERFACE = "0.0.0.0"
MAX_ATTEMPTS = 5
"""Answers of hook plugins to ports that are in use."""


@attrs.frozen
class PortSettings:
    """The address and the ports of the configuration, 0 for any free one.

    ``fixed`` names the ports that options, variables or the file set, which hook plugins may not change, and ``off``
    those of the protocols that are switched off. ``front_ends`` has the ports of tritonserver's further front ends,
    which listen on every interface, by name.
    """

    address: str
    ports: Ports
    fixed: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()
    front_ends: Mapping[str, int] = attrs.Factory(dict)

    def with_fixed(self, ports: Ports) -> Ports:
        """``ports``, as hook plugins chose them, with the fixed ones in their places."""
        return attrs.evolve(ports, **{name: getattr(self.ports, name) for name in self.fixed})


def settle_ports(
    address: str,
    ports: Ports,
    plugin: str = "",
    off: Collection[str] = (),
    front_ends: Mapping[str, int] | None = None,
) -> Ports:
    """``ports`` with a free port in place of each 0; raises PortTaken for all that are in use.

    ``plugin``: the hook plugin that chose them; ``off``: the names of ports that are not used; ``front_ends``: ports
    that are checked too, as of `PortSettings`.
    """
    others = front_ends or {}
    wanted = {name: port for name, port in attrs.asdict(ports).items() if name not in off}
    _check_different([*wanted.values(), *others.values()], plugin, others)
    held: list[socket.socket] = []
    settled, taken = {}, dict[int, str]()
    try:
        for name, port in (*others.items(), *wanted.items()):
            try:
                settled[name] = _bind(EVERY_INTERFACE if name in others else address, name, port, held)
            except PortTaken as error:
                taken |= error.taken
    finally:
        for sock in held:
            sock.close()
    if taken:
        raise PortTaken(taken)
    return attrs.evolve(ports, **{name: settled[name] for name in wanted})


def _check_different(ports: Sequence[int], plugin: str, front_ends: Iterable[str]) -> None:
    """Raises ServerError for a port that is chosen twice."""
    fixed = [port for port in ports if port]
    twice = next((port for port in fixed if fixed.count(port) > 1), None)
    if twice is not None:
        by = f", by hook plugin {plugin}" if plugin and plugin != BUILT_IN else ""
        *first, last = "HTTP", "gRPC", "metrics", *(_option_of(name) for name in front_ends)
        raise ServerError(f"port {twice}: chosen twice{by}; give {', '.join(first)} and {last} a port each")


def choose_ports(settings: PortSettings, hooks: HookManager) -> Ports:
    """The ports to listen on, all of them free now; raises PortTaken when no hook has an answer to a taken one."""
    fixed = {getattr(settings.ports, name) for name in settings.fixed} | {*settings.front_ends.values()}
    taken: list[int] = []
    for attempt in itertools.count():
        answer = hooks.choose_ports(settings.ports, attempt, taken)
        try:
            wanted = settings.with_fixed(answer.value if answer else settings.ports)
            plugin = answer.plugin if answer else ""
            return settle_ports(settings.address, wanted, plugin, settings.off, settings.front_ends)
        except PortTaken as error:
            taken += error.taken
            if answer is None or error.taken.keys() & fixed or attempt >= MAX_ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def wanted_ports(settings: PortSettings, hooks: HookManager) -> tuple[Ports, str]:
    """The ports that are asked for, free or not, with 0 for any free one, and the hook plugin that chose them."""
    answer = hooks.choose_ports(settings.ports)
    if answer is None:
        return settings.ports, BUILT_IN
    return settings.with_fixed(answer.value), answer.plugin


class PortTaken(ServerError):
    """Ports are in use: ``taken`` has their numbers, each with its message."""

    def __init__(self, taken: Mapping[int, str]) -> None:
        super().__init__(*taken.values())
        self.taken = taken


def _bind(address: str, name: str, port: int, held: list[socket.socket]) -> int:
    family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    held.append(sock)
    # As tritonserver does: connections of an earlier server that are still closing do not count.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6 and name != "grpc":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = (
                f"{name} port {port} on {address} is in use{_by_holder(port)}; stop that program or choose another "
                f"with {_option_of(name)}"
            )
            raise PortTaken({port: message}) from None
        raise ServerError(
            f"{name} port {port} on {address} cannot be used: {error.strerror}; correct --address or {_option_of(name)}"
        ) from None
    return int(sock.getsockname()[1])


def _option_of(name: str) -> str:
    """The option that sets a port: the daemon's own, or tritonserver's."""
    is_ours = name in attrs.fields_dict(Ports)
    return f"--{name}-port" if is_ours else f"--server-option {name}-port"


def _by_holder(port: int, proc: Path = Path("/proc")) -> str:
    """`` by NAME (process PID)``, where this user may see the holder."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port, proc)}
    for process in proc.iterdir():
        if inodes and process.name.isdigit() and _holds(process, inodes):
            with contextlib.suppress(OSError):  # it ended meanwhile
                return f" by {(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def _listening_inodes(port: int, proc: Path) -> list[str]:
    found = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):  # a machine without IPv6 has one table only
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    found.append(fields[9])
    return found


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(os.readlink(descriptor) in inodes for descriptor in (process / "fd").iterdir())
    except OSError:
        return False
