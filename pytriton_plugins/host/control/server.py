"""The daemon's private control socket, one JSON object a line each way; runs in the host's event loop."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pytriton_plugins.errors import ControlError, PytritonPluginsError
from pytriton_plugins.host.control.paths import CONTROL_SOCKET
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.text import one_line

_LOG = logging.getLogger("pytriton.host")
MOST_CONNECTIONS = 32
"""At once; one more is closed unanswered."""

LONGEST_QUESTION = 4096
"""Bytes of one line."""

QUESTION_TIMEOUT = 10.0
"""Seconds without a whole question after which a connection is closed."""

ANSWER_TIMEOUT = 5.0
"""Seconds for which an answer is kept for a client that does not read."""

_CREDENTIALS = struct.Struct("3i")

Question = Mapping[str, Any]
Progress = Callable[[str], None]
Command = Callable[[Question, Progress], Awaitable[Mapping[str, Any]]]
"""Answers one question; raises PytritonPluginsError with what the client is told instead."""


class ControlSocket:
    """Answers ``{"command": NAME, …}`` of this user and root; ``{"progress": …}`` lines come before a long answer."""

    def __init__(self, folder: Path, commands: Mapping[str, Command]) -> None:
        """``folder``: the host's own, which nobody else may enter."""
        self._folder = folder
        self._commands = commands
        self._server: asyncio.AbstractServer | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Answer from now on; raises ControlError."""
        try:
            sock = _listening(self._folder)
        except OSError as error:
            raise ControlError(f"{self._folder / CONTROL_SOCKET}: {error.strerror or error}; see --run-dir") from None
        try:
            self._server = await asyncio.start_unix_server(self._on_connection, sock=sock, limit=LONGEST_QUESTION)
        except BaseException:
            sock.close()
            raise

    def close(self) -> None:
        """Answer nothing any more."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writer.transport.set_write_buffer_limits(0)  # so that a drain means that all is with the client
        try:
            if _is_allowed(writer) and len(self._connections) <= MOST_CONNECTIONS:
                await self._converse(reader, writer)
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # it is gone, sends no lines or does not read, or the host ends: nobody is left to be told
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await within(reader.readline(), QUESTION_TIMEOUT)).endswith(b"\n"):
            _write(writer, await self._answer(line, lambda text: _write(writer, {"progress": text})))
            await within(writer.drain(), ANSWER_TIMEOUT)

    async def _answer(self, line: bytes, progress: Progress) -> Mapping[str, Any]:
        try:
            question = json.loads(line)
            command = self._commands[question["command"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"error": f"{one_line(line.decode(errors='replace'), 80)} is no question that this version answers"}
        try:
            return await command(question, progress)
        except PytritonPluginsError as error:
            return {"error": one_line(error, 2000)}
        except Exception:
            _LOG.exception("the host failed while it answered %s", one_line(question["command"]))
            return {"error": "the host failed; its log says how"}


def _listening(folder: Path) -> socket.socket:
    """A socket of that name in ``folder``, however long its path is: an address has 107 bytes."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock.bind(f"/proc/self/fd/{descriptor}/{CONTROL_SOCKET}")
        os.chmod(folder / CONTROL_SOCKET, 0o600)
    except BaseException:
        sock.close()
        raise
    finally:
        os.close(descriptor)
    return sock


def _is_allowed(writer: asyncio.StreamWriter) -> bool:
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(peer)[1] in (os.geteuid(), 0)


def _write(writer: asyncio.StreamWriter, answer: Mapping[str, Any]) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(answer).encode() + b"\n")
