"""JSON messages that are too long for one message of a link: a sealed file has them, and its descriptor is sent."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from typing import Any

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm.sockets import receive, send
from pytriton_plugins.shm.wire import MAX_MESSAGE

MAX_LONG = 16 << 20
"""Bytes of a JSON message at most: the daemon reads it in one piece and does nothing else meanwhile."""

_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034
_SEALS = 0x1 | 0x2 | 0x4 | 0x8
"""SEAL, SHRINK, GROW and WRITE: memory that no process can change and that no reader waits for."""

_IN_A_FILE = json.dumps({"type": "long"}).encode()


def sealed_file(content: bytes) -> int:
    """A file in memory with this content, which cannot be changed; the caller closes it."""
    descriptor = os.memfd_create("pytriton-message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def sealed_content(descriptor: int, limit: int = MAX_LONG) -> bytes:
    """The content of such a file; raises ProtocolError for any other, and for one of more than ``limit`` bytes."""
    try:
        seals = fcntl.fcntl(descriptor, _F_GET_SEALS)
    except OSError:
        seals = 0  # not a file in memory
    size = os.fstat(descriptor).st_size
    if seals & _SEALS != _SEALS or size > limit:
        raise ProtocolError(f"a long message of {size} bytes in a file with the seals {seals:#x}")
    return os.pread(descriptor, size, 0)


def send_json(
    sock: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = (), *, deadline: float = 5.0
) -> None:
    """Send one JSON message within ``deadline`` seconds.

    Raises OSError as `send` does, and ProtocolError for more than MAX_LONG bytes.
    """
    data = json.dumps(message).encode()
    if len(data) <= MAX_MESSAGE:
        send(sock, data, descriptors, deadline=deadline)
        return
    if len(data) > MAX_LONG:
        raise ProtocolError(
            f"its message {message['type']!r} has {len(data)} bytes, at most {MAX_LONG} are allowed; "
            "use shorter names or fewer tensors, or spread the models over several plugins"
        )
    file = sealed_file(data)
    try:
        send(sock, _IN_A_FILE, (file,), deadline=deadline)
    finally:
        os.close(file)


def receive_json(sock: socket.socket, limit: int = MAX_LONG) -> tuple[dict[str, Any] | None, list[int]]:
    """The next JSON message and its descriptors, which the caller owns; None at the end of the link.

    ``limit``: bytes that are read of a message in a file. Raises OSError and ProtocolError as `receive` does, and
    ValueError for a message that is not JSON.
    """
    data, descriptors = receive(sock)
    is_long = data == _IN_A_FILE and bool(descriptors)
    try:
        if is_long:
            data = sealed_content(descriptors[0], limit)
        message = json.loads(data) if data else None
    except BaseException:
        _close(descriptors)
        raise
    if is_long:
        _close(descriptors)
    return message, descriptors


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
