"""The daemon's private socket for callables of other processes: each connection becomes a worker link."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from pytriton_plugins.host.control.listener import Listener, peer_of
from pytriton_plugins.host.control.paths import ATTACH_SOCKET

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.attaching import Attaching

_LOG = logging.getLogger("pytriton.host")
MAX_GREETING = 32
"""Connections at once that have not said what they are; others wait to be accepted."""


class AttachSocket:
    """Accepts connections of processes of the daemon's own user; those of others are closed unanswered."""

    def __init__(self, folder: Path, attaching: Attaching) -> None:
        """``folder``: the host's own, which no other user may enter."""
        self._folder = folder
        self._attaching = attaching
        self._listener: Listener | None = None

    def open(self) -> None:
        """Accept connections from now on; raises ControlError."""
        self._listener = Listener(
            self._folder, ATTACH_SOCKET, socket.SOCK_SEQPACKET, self._on_connection, self._has_room
        )

    def close(self) -> None:
        """Accept no more connections; may be called again."""
        if self._listener is not None:
            self._listener.close()

    def _has_room(self) -> bool:
        return self._attaching.greeting < MAX_GREETING

    def _on_connection(self, sock: socket.socket) -> None:
        pid, user = peer_of(sock)
        if user != os.geteuid():
            _LOG.warning("process %d of user %d cannot attach: it is not the daemon's user", pid, user)
            sock.close()
            return
        self._attaching.accept(sock, pid)
