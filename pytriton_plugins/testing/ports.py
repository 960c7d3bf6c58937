"""Free ports of the loopback address that stay free until a server listens there."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

ADDRESS = "127.0.0.1"


@contextlib.contextmanager
def held_ports(count: int = 3) -> Iterator[tuple[int, ...]]:
    """Free ports; as long as the block lasts the kernel gives them to no other socket.

    A server with SO_REUSEADDR, as tritonserver and those of Python's library, can listen there.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(held_port()) for _ in range(count)]
        yield tuple(int(sock.getsockname()[1]) for sock in sockets)


def held_port() -> socket.socket:
    """A socket that holds its port until it is closed; connections to the port are refused."""
    sock = socket.socket()
    sock.bind((ADDRESS, 0))
    # Only now: with this option before, the kernel might choose a port that is held elsewhere.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock
