"""The daemon's private socket for callables of other processes: each connection becomes a worker link."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control.paths import ATTACH_SOCKET
from pytriton_plugins.host.control.server import listening, peer_of

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.attaching import Attaching

_LOG = logging.getLogger("pytriton.host")
_BACKLOG = 128
MAX_GREETING = 32
"""Connections at once that have not said what they are; others wait to be accepted."""

_PAUSE = 0.1
"""Seconds until the next attempt to accept after one that failed."""


class AttachSocket:
    """Accepts connections of processes of the daemon's own user; those of others are closed unanswered."""

    def __init__(self, folder: Path, attaching: Attaching) -> None:
        """``folder``: the host's own, which no other user may enter."""
        self._folder = folder
        self._attaching = attaching
        self._sock: socket.socket | None = None

    def open(self) -> None:
        """Accept connections from now on; raises ControlError."""
        try:
            self._sock = listening(self._folder, ATTACH_SOCKET, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise ControlError(f"{self._folder / ATTACH_SOCKET}: {error.strerror or error}; see --run-dir") from None
        self._sock.setblocking(False)
        self._sock.listen(_BACKLOG)
        asyncio.get_running_loop().add_reader(self._sock, self._on_connection)

    def close(self) -> None:
        """Accept no more connections; may be called again."""
        sock, self._sock = self._sock, None
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    def _on_connection(self) -> None:
        assert self._sock is not None
        if self._attaching.greeting >= MAX_GREETING:
            self._pause(self._sock)
            return
        try:
            sock, _ = self._sock.accept()
        except OSError:  # it is gone again, or no descriptor is left now
            self._pause(self._sock)
            return
        pid, user = peer_of(sock)
        if user != os.geteuid():
            _LOG.warning("process %d of user %d cannot attach: it is not the daemon's user", pid, user)
            sock.close()
            return
        self._attaching.accept(sock, pid)

    def _pause(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        if self._sock is not None:
            asyncio.get_running_loop().add_reader(self._sock, self._on_connection)
