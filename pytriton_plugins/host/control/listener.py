"""A listening socket in the daemon's own folder, which pauses while no connection can be accepted."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.system.resource_limits import shortage

_LOG = logging.getLogger("pytriton.host")
_BACKLOG = 128
_PAUSE = 0.1
"""Seconds until the next attempt to accept after one that failed, or while enough connections are open."""

_LOG_INTERVAL = 60.0
"""Seconds between two messages that no connection can be accepted."""

_QUIET = 5.0
"""The same, after a message that connections are accepted again."""

_CREDENTIALS = struct.Struct("3i")


class Listener:
    """Accepts one connection at a time. While it cannot, clients wait in the backlog, and the log has one line.

    It is not asyncio's own server: without a descriptor, that of Python 3.11 logs a traceback for each place of the
    backlog.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        kind: socket.SocketKind,
        accepted: Callable[[socket.socket], None],
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Listen from now on; raises ControlError.

        ``folder``: the host's own, which no other user may enter. ``accepted`` owns each connection that it gets.
        While there is no ``has_room``, clients wait.
        """
        try:
            self._sock = _bound(folder, name, kind)
        except OSError as error:
            raise ControlError(f"{folder / name}: {error.strerror or error}; see --run-dir") from None
        self._name = name
        self._accepted = accepted
        self._has_room = has_room
        self._loop = asyncio.get_running_loop()
        self._is_short = False
        self._logged = -math.inf
        self._sock.setblocking(False)
        self._sock.listen(_BACKLOG)
        self._resume()

    def close(self) -> None:
        """Accept no more connections; may be called again."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _pause(self) -> None:
        self._loop.remove_reader(self._sock)
        self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock, self._on_connection)

    def _on_connection(self) -> None:
        if not self._has_room():
            self._pause()
            return
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # the client is gone again
            return
        except OSError as error:
            self._log_shortage(error)
            self._pause()
            return
        if self._is_short:
            self._is_short = False
            self._logged = self._loop.time() - _LOG_INTERVAL + _QUIET
            _LOG.info("%s: connections are accepted again", self._name)
        self._accepted(sock)

    def _log_shortage(self, error: OSError) -> None:
        now = self._loop.time()
        if now - self._logged >= _LOG_INTERVAL:
            self._logged = now
            self._is_short = True
            _LOG.error("%s: no connection can be accepted, clients wait: %s", self._name, shortage(error))


def _bound(folder: Path, name: str, kind: socket.SocketKind) -> socket.socket:
    """A socket of that name in ``folder``, however long its path is: an address has 107 bytes."""
    sock = socket.socket(socket.AF_UNIX, kind)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock.bind(f"/proc/self/fd/{descriptor}/{name}")
        os.chmod(folder / name, 0o600)
    except BaseException:
        sock.close()
        raise
    finally:
        os.close(descriptor)
    return sock


def peer_of(sock: socket.socket) -> tuple[int, int]:
    """The process and user ids of the peer, as they were when it connected."""
    pid, user, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, user
