"""Waits until a descriptor can be read or written.

A process with many channels has descriptors over 1023, which `select.select` does not take.
Commands import this module before their libraries, so it imports nothing else.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket


def readable(*sources: int | socket.socket, seconds: float | None = None) -> list[int]:
    """The descriptors of ``sources`` with a message or an end, after ``seconds`` at most, or as long as it takes."""
    return _ready(sources, select.POLLIN, seconds)


def wait_until_writable(target: int | socket.socket, seconds: float | None = None) -> None:
    """Return when a write is not blocked, or fails, or after ``seconds``."""
    _ready((target,), select.POLLOUT, seconds)


def _ready(files: tuple[int | socket.socket, ...], event: int, seconds: float | None) -> list[int]:
    poller = select.poll()
    for file in files:
        poller.register(file, event)
    return [descriptor for descriptor, _ in poller.poll(None if seconds is None else seconds * 1000)]
