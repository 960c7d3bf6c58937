"""A worker link of this process whose messages a test writes by hand."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytriton_plugins.discovery.entry_points import framework_version
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.script.connection import connect
from pytriton_plugins.shm.long import receive_json, send_json
from pytriton_plugins.shm.wire import VERSION
from tests.support.script.calls import X, Y

TIMEOUT = 60.0
"""Seconds until the daemon sends what a test waits for."""


def declaration(name: str, **changes: Any) -> dict[str, Any]:
    """The declaration of a model with x and y, as it is sent."""
    return {**ModelDeclaration(name, 1, "function", name, (X,), (Y,)).to_json(), **changes}


class RawLink:
    """An attached worker that answers pings and does nothing else by itself."""

    def __init__(self, folder: Path) -> None:
        self._sock, _ = connect(folder)
        self._sock.settimeout(TIMEOUT)

    def say(self, kind: str, **content: Any) -> None:
        send_json(self._sock, {"type": kind, **content})

    def greet(self, *declarations: dict[str, Any]) -> None:
        """Say hello and declare models."""
        self.say("hello", protocol=VERSION, package=framework_version(), program="raw.py", pid=os.getpid())
        self.say("models", models=declarations, files=[], notes=[])

    def hear(self, kind: str) -> tuple[dict[str, Any], list[int]]:
        """The next message of that kind, and its descriptors; raises AssertionError if another one ends the link."""
        while True:
            message, descriptors = receive_json(self._sock)
            assert message is not None, f"the link ended before {kind!r}"
            if message["type"] == kind:
                return message, descriptors
            assert message["type"] != "rejected", message
            if message["type"] == "ping":
                self.say("pong")

    def channel(self) -> tuple[int, socket.socket]:
        """The number and the socket of the next channel that the daemon gives."""
        message, (channel, segment) = self.hear("channel")
        os.close(segment)
        return message["channel"], socket.socket(fileno=channel)

    def close(self) -> None:
        self._sock.close()


@contextlib.contextmanager
def raw_link(folder: Path) -> Iterator[RawLink]:
    """A connection to the daemon in ``folder``."""
    link = RawLink(folder)
    try:
        yield link
    finally:
        link.close()
