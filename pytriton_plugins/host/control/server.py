"""The daemon's private control socket: one JSON object a line, in both directions."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.host.control.listener import Listener, peer_of
from pytriton_plugins.host.control.paths import CONTROL_SOCKET
from pytriton_plugins.host.tasks import background
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.text import one_line

_LOG = logging.getLogger("pytriton.host")
MAX_CONNECTIONS = 32
"""At once; one more is closed unanswered."""

MAX_REQUEST = 16384
"""Bytes of one line: a target's path has up to 4096, and JSON may write six characters for two of them."""

REQUEST_TIMEOUT = 10.0
"""Seconds without a complete request after which a connection is closed."""

RESPONSE_TIMEOUT = 5.0
"""Seconds for which a response is kept for a client that does not read."""

Request = Mapping[str, Any]
Progress = Callable[[str], None]
Command = Callable[[Request, Progress], Awaitable[Mapping[str, Any]]]
"""Handles one request; the message of a PytritonPluginsError is the response instead."""


class ControlServer:
    """Answers ``{"command": NAME, …}`` of this user and root; ``{"progress": …}`` lines come before a slow response."""

    def __init__(self, folder: Path, commands: Mapping[str, Command]) -> None:
        """``folder``: the host's own, which no other user may enter."""
        self._folder = folder
        self._commands = commands
        self._listener: Listener | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Accept connections from now on; raises ControlError."""
        self._listener = Listener(self._folder, CONTROL_SOCKET, socket.SOCK_STREAM, self._on_connection)

    def close(self) -> None:
        """Accept no more connections, and end those that are open."""
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections:
            connection.cancel()

    def _on_connection(self, sock: socket.socket) -> None:
        if len(self._connections) >= MAX_CONNECTIONS or peer_of(sock)[1] not in (os.geteuid(), 0):
            sock.close()
            return
        connection = background(self._answer(sock))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        connection.add_done_callback(lambda _: sock.close())  # also of a task that is cancelled before it begins

    async def _answer(self, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=MAX_REQUEST)
        writer.transport.set_write_buffer_limits(0)  # so that a drain means that all is with the client
        try:
            await self._converse(reader, writer)
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # it is gone, sends no lines or does not read, or the host ends
        finally:
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await within(reader.readline(), REQUEST_TIMEOUT)).endswith(b"\n"):
            _write(writer, await self._respond(line, lambda text: _write(writer, {"progress": text})))
            await within(writer.drain(), RESPONSE_TIMEOUT)

    async def _respond(self, line: bytes, progress: Progress) -> Mapping[str, Any]:
        try:
            request = json.loads(line)
            command = self._commands[request["command"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"error": f"unknown command: {one_line(line.decode(errors='replace'), 80)}"}
        try:
            return await command(request, progress)
        except PytritonPluginsError as error:
            return {"error": one_line(error, 2000)}
        except Exception:
            _LOG.exception("internal error while answering %s", one_line(request["command"]))
            return {"error": "internal error; see the daemon's log"}


def _write(writer: asyncio.StreamWriter, response: Mapping[str, Any]) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(response).encode() + b"\n")
