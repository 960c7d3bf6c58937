"""One model in the backend: its declaration, its channels and its end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.triton.repository import own_policy
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.wire import MAX_ERROR_TEXT, LinkKind, LinkMessage
from pytriton_plugins.text import in_bytes

if TYPE_CHECKING:
    import socket

    from pytriton_plugins.config.resolver import EffectiveModel
    from pytriton_plugins.host.memory.ledger import Grant, Ledger
    from pytriton_plugins.host.triton.server import TritonServer

WORKER_TIMEOUT = 30.0
"""Seconds that a batch waits for a worker before it fails with UNAVAILABLE."""


class BackendModel:
    """Sends the backend messages about model ``number``; its declaration comes before its first channel."""

    def __init__(self, number: int, model: EffectiveModel, ledger: Ledger) -> None:
        self._number = number
        self._model = model
        self._ledger = ledger
        self._declaring = asyncio.Lock()
        self._server: TritonServer | None = None
        self._not_ready = ""

    async def declare(self, server: TritonServer) -> None:
        """Declare the model to this server, once."""
        async with self._declaring:
            if self._server is not server:
                declaration, policy = self._model.declaration, self._ledger.policy
                message = pack_declaration(
                    declaration,
                    wait=WORKER_TIMEOUT,
                    largest_response=policy.max,
                    lend=self._model.clients_lend and policy.lend,
                    spare=not self._model.required,
                    trim_after=policy.trim_after,
                    queue=own_policy(declaration),
                )
                await server.declare(self._number, message)
                self._not_ready = ""
                self._server = server

    def introduce(self, channel: int, sock: socket.socket, request: Grant) -> None:
        """Connect a worker: its channel, and the first segment for its requests. Raises ServerError."""
        assert self._server is not None
        message = LinkMessage(LinkKind.CHANNEL, model=self._number, channel=channel, segment=request.number)
        self._server.link.send(message, sock.fileno(), request.descriptor)

    def retire(self, channel: int, sequences: float = 0.0) -> None:
        """Send the channel's worker no more batches, but those of its live sequences for ``sequences`` seconds."""
        self._send(LinkMessage(LinkKind.RETIRE, channel=channel, value=round(sequences * 1000)))

    def gone(self, channel: int) -> None:
        """The channel's worker has ended."""
        self._send(LinkMessage(LinkKind.CHANNEL_GONE, channel=channel))

    def give_up(self, reason: str) -> None:
        """Have requests that wait for a worker, and later ones, fail at once with ``reason``."""
        self._say(1, reason)

    def set_ready(self, why_not: str) -> None:
        """Have Triton, where it asks, told that the model is not ready; empty: that it is."""
        if why_not != self._not_ready:
            self._not_ready = why_not
            self._say(2 if why_not else 0, why_not)

    def _say(self, value: int, reason: str) -> None:
        text = in_bytes(reason, MAX_ERROR_TEXT).encode()
        self._send(LinkMessage(LinkKind.GIVE_UP, model=self._number, value=value, payload=text))

    def _send(self, message: LinkMessage) -> None:
        if self._server is not None:
            with contextlib.suppress(ServerError):  # the server is gone, and its requests with it
                self._server.link.send(message)
