"""Finds and opens the socket on which a daemon of this user takes callables."""

from __future__ import annotations

import glob
import os
import socket
from pathlib import Path

from pytriton_plugins.errors import AttachError
from pytriton_plugins.host.control.paths import ATTACH_SOCKET, FOLDER_PREFIX
from pytriton_plugins.text import printable

CONNECT_TIMEOUT = 5.0
"""Seconds in which a living daemon accepts a connection."""

_CREDENTIALS = 12
"""Bytes of a struct ucred: process, user and group id, four each."""


def connect(daemon: str | Path) -> tuple[socket.socket, int]:
    """A connection to the daemon in the folder or at the socket ``daemon``, and its process id; raises AttachError."""
    path = os.fspath(daemon)
    if not os.path.isdir(path):
        return _connected(os.path.dirname(path) or ".", path)
    private = sorted(glob.glob(os.path.join(glob.escape(path), FOLDER_PREFIX + "*")))
    problem: AttachError | None = None
    for folder in [path, *private]:
        try:
            return _connected(folder, path)
        except AttachError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _connected(folder: str, shown: str) -> tuple[socket.socket, int]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sock.settimeout(CONNECT_TIMEOUT)
            # Not by the folder's path, which may be too long for an address.
            sock.connect(f"/proc/self/fd/{descriptor}/{ATTACH_SOCKET}")
        finally:
            os.close(descriptor)
        sock.settimeout(None)
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS)
    except OSError as error:
        sock.close()
        raise AttachError(
            f"{printable(shown)}: no daemon takes callables there ({error.strerror or error}); start one with "
            "pytriton-host serve --allow attach --run-dir DIR, and name that folder"
        ) from None
    pid, user = (int.from_bytes(peer[start : start + 4], "little") for start in (0, 4))
    if user != os.geteuid():
        sock.close()
        raise AttachError(f"{printable(shown)}: the daemon there is another user's; start one as this user")
    return sock, pid
