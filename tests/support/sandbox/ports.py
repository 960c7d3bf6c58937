"""Whether a port is free; the standard library only, for machines without this package."""

from __future__ import annotations

import socket


def can_listen(port: int) -> bool:
    """Whether a server could listen on ``port`` of 127.0.0.1."""
    with socket.socket() as sock:
        # As every server does: a connection that is still closing does not block the port, a listener does.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
