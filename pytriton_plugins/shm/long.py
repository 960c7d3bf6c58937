"""What is too long for one message of a link: it stands in a sealed file, whose descriptor travels in its place."""

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
"""Bytes of the longest JSON message: the daemon reads it in one piece, and meanwhile does nothing else."""

_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034
_SEALS = 0x1 | 0x2 | 0x4 | 0x8
"""SEAL, SHRINK, GROW and WRITE: memory that nobody changes, and that no reader waits for."""

_IN_A_FILE = json.dumps({"type": "long"}).encode()


def sealed_file(content: bytes) -> int:
    """A file in memory with this content, which nobody can change any more; the caller closes it."""
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


def sealed_content(descriptor: int, most: int = MAX_LONG) -> bytes:
    """What stands in such a file; raises ProtocolError for any other, and for one of more than ``most`` bytes."""
    try:
        seals = fcntl.fcntl(descriptor, _F_GET_SEALS)
    except OSError:
        seals = 0  # no file in memory at all
    size = os.fstat(descriptor).st_size
    if seals & _SEALS != _SEALS or size > most:
        raise ProtocolError(f"a long message of {size} bytes in a file with the seals {seals:#x}")
    return os.pread(descriptor, size, 0)


def send_json(sock: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    """Send one JSON message, however long; raises OSError as `send` does, and ProtocolError beyond MAX_LONG bytes."""
    data = json.dumps(message).encode()
    if len(data) <= MAX_MESSAGE:
        send(sock, data, descriptors)
        return
    if len(data) > MAX_LONG:
        raise ProtocolError(
            f"its message {message['type']!r} has {len(data)} bytes, and {MAX_LONG} are read in one piece at most; "
            "use shorter names or fewer tensors, or spread the models over several plugins"
        )
    file = sealed_file(data)
    try:
        send(sock, _IN_A_FILE, (file,))
    finally:
        os.close(file)


def receive_json(sock: socket.socket, most: int = MAX_LONG) -> tuple[dict[str, Any] | None, list[int]]:
    """The next JSON message and its descriptors, which the caller owns; None at the end of the link.

    ``most``: how many bytes of one that stands in a file are read. Raises OSError and ProtocolError as `receive` does,
    and ValueError for what is no JSON.
    """
    data, descriptors = receive(sock)
    is_long = data == _IN_A_FILE and bool(descriptors)
    try:
        if is_long:
            data = sealed_content(descriptors[0], most)
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
