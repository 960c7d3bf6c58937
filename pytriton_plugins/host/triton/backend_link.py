"""The daemon's end of the link to the backend in one tritonserver process."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from typing import Protocol

from pytriton_plugins.errors import ProtocolError, ServerError, ServerGone
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.sockets import receive, send, socket_pair
from pytriton_plugins.shm.wire import LinkKind, LinkMessage

ANSWER_TIMEOUT = 10.0
"""Seconds for the answer of a running tritonserver."""

_FIRST_TOKEN = 1 << 32
"""The tokens of questions begin here; those below are numbers of generations, which a hello has."""


class BackendListener(Protocol):
    """Learns what the backend reports by itself."""

    def on_backend_need(self, message: LinkMessage) -> None:
        """A channel's request segment is too small."""

    def on_channel_lost(self, message: LinkMessage) -> None:
        """A worker broke the protocol, or did not answer in time."""

    def on_model_gone(self, message: LinkMessage) -> None:
        """Triton has unloaded a model."""


class BackendLink:
    """Messages to and from the backend. ``peer`` is the end that tritonserver inherits."""

    def __init__(self, listener: BackendListener) -> None:
        self._sock, self.peer = socket_pair()
        self._listener = listener
        self._tokens = itertools.count(1)
        self._pending: dict[int, asyncio.Future[int]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._sock, self._on_readable)

    async def hello(self, generation: int, timeout: float = ANSWER_TIMEOUT) -> None:
        """Agree on the protocol; raises ServerError when the backend does not answer."""
        self.send(LinkMessage(LinkKind.HELLO, token=generation, value=wire.VERSION))
        answer = self._expect(generation)
        await self._answered(
            generation, answer, timeout, "did not load our backend", "; raise --load-timeout if it needs more"
        )

    async def ask(
        self, message: LinkMessage, timeout: float | None = ANSWER_TIMEOUT, descriptors: tuple[int, ...] = ()
    ) -> int:
        """Send ``message`` under a new token and wait for its ACK, None for as long as the server runs; its value."""
        token = next(self._tokens) + _FIRST_TOKEN
        self.send(message._replace(token=token), *descriptors)
        answer = self._expect(token)
        return await self._answered(token, answer, timeout, "did not answer")

    def send(self, message: LinkMessage, *descriptors: int) -> None:
        """Send one message; raises ServerGone when tritonserver takes none."""
        try:
            send(self._sock, message.pack(), descriptors)
        except OSError as error:
            raise ServerGone(f"tritonserver does not take messages any more: {error.strerror or error}") from error

    def fail(self, error: ServerError) -> None:
        """Fail every open question with ``error``."""
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(error)

    def refuse(self, error: ServerError) -> None:
        """Fail an open hello with ``error``."""
        for token, answer in self._pending.items():
            if token < _FIRST_TOKEN and not answer.done():
                answer.set_exception(error)

    def close(self) -> None:
        """End the link, and tritonserver with it unless it is ending already. May be called again."""
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock)
        self._sock.close()
        self.fail(ServerGone("tritonserver ended"))

    def _expect(self, token: int) -> asyncio.Future[int]:
        answer: asyncio.Future[int] = self._loop.create_future()
        self._pending[token] = answer
        return answer

    async def _answered(
        self, token: int, answer: asyncio.Future[int], timeout: float | None, failure: str, remedy: str = ""
    ) -> int:
        try:
            return await within(answer, timeout)
        except TimeoutError:
            raise ServerError(f"tritonserver {failure} within {timeout:g} s{remedy}") from None
        finally:
            self._pending.pop(token, None)

    def _on_readable(self) -> None:
        try:
            data, descriptors = receive(self._sock)
            if data:
                self._dispatch(LinkMessage.unpack(data), descriptors)
                return
        except (OSError, ProtocolError):
            pass  # the server is gone or broken; the end of its process tells the rest
        self._loop.remove_reader(self._sock)

    def _dispatch(self, message: LinkMessage, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)  # the backend has none to send
        if message.kind in (LinkKind.BACKEND_HELLO, LinkKind.ACK):
            answer = self._pending.pop(message.token, None)
            if answer is not None and not answer.done():
                answer.set_result(message.value)
        elif message.kind == LinkKind.NEED:
            self._listener.on_backend_need(message)
        elif message.kind == LinkKind.CHANNEL_LOST:
            self._listener.on_channel_lost(message)
        elif message.kind == LinkKind.MODEL_GONE:
            self._listener.on_model_gone(message)
        else:
            raise ProtocolError(f"backend link: a message of kind {message.kind}")


def inherited_by(link: BackendLink) -> tuple[socket.socket, dict[str, str]]:
    """The end that tritonserver inherits, and the variable that names its descriptor."""
    return link.peer, {"PYTRITON_BACKEND_LINK": str(link.peer.fileno())}
