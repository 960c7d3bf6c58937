"""One model in the backend: its declaration, its channels and its end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.triton.queue_policy import own_policy
from pytriton_plugins.shm.wire import MAX_ERROR_TEXT, LinkKind, LinkMessage, pack_declaration
from pytriton_plugins.text import in_bytes

if TYPE_CHECKING:
    import socket

    from pytriton_plugins.host.memory.ledger import Grant
    from pytriton_plugins.host.triton.server import TritonServer
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.values import ShmPolicy

WORKER_TIMEOUT = 30.0
"""Seconds that a batch waits for a worker before it fails with UNAVAILABLE."""


class BackendModel:
    """Sends the backend messages about model ``number``; its declaration comes before its first channel."""

    def __init__(self, number: int, declaration: ModelDeclaration, required: bool) -> None:
        self._number = number
        self._declaration = declaration
        self._required = required
        self._declaring = asyncio.Lock()
        self._server: TritonServer | None = None

    async def declare(self, server: TritonServer, policy: ShmPolicy, *, lend: bool) -> None:
        """Send the server the declaration, unless it has it. ``lend``: clients may lend memory."""
        async with self._declaring:
            if self._server is not server:
                declaration = pack_declaration(
                    self._declaration,
                    wait=WORKER_TIMEOUT,
                    largest_response=policy.max,
                    lend=lend and policy.lend,
                    spare=not self._required,
                    trim_after=policy.trim_after,
                    queue=own_policy(self._declaration),
                )
                await server.declare(self._number, declaration)
                self._server = server

    def introduce(self, channel: int, sock: socket.socket, request: Grant) -> None:
        """Connect a worker: its channel, and the first segment for its requests. Raises ServerError."""
        assert self._server is not None
        message = LinkMessage(LinkKind.CHANNEL, model=self._number, channel=channel, segment=request.number)
        self._server.link.send(message, sock.fileno(), request.descriptor)

    def retire(self, channel: int) -> None:
        """Send the channel's worker no more batches."""
        self._send(LinkMessage(LinkKind.RETIRE, channel=channel))

    def gone(self, channel: int) -> None:
        """The channel's worker has ended."""
        self._send(LinkMessage(LinkKind.CHANNEL_GONE, channel=channel))

    def give_up(self, reason: str) -> None:
        """Have requests that wait for a worker, and later ones, fail at once with ``reason``."""
        text = in_bytes(reason, MAX_ERROR_TEXT).encode()
        self._send(LinkMessage(LinkKind.GIVE_UP, model=self._number, value=1, payload=text))

    def _send(self, message: LinkMessage) -> None:
        if self._server is not None:
            with contextlib.suppress(ServerError):  # the server is gone, and its requests with it
                self._server.link.send(message)
