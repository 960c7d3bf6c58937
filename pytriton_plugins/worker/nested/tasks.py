"""Calls of a callable that is awaited: the event loop reads the channel, and each call waits for a future."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.sockets import send
from pytriton_plugins.worker.nested.exchange import Exchange, no_single_response
from pytriton_plugins.worker.nested.memory import CallMemory
from pytriton_plugins.worker.nested.open_call import OpenCall
from pytriton_plugins.worker.nested.request import CallRequest
from pytriton_plugins.worker.nested.results import Outputs
from pytriton_plugins.worker.nested.sender import RequestSegment

T = TypeVar("T")
_HEAD = wire.CHANNEL_MESSAGE.size


class TaskExchange(Exchange):
    """Tasks of the loop call; other threads have the loop call for them."""

    def __init__(
        self,
        sock: socket.socket,
        memory: CallMemory,
        requests: RequestSegment,
        loop: asyncio.AbstractEventLoop,
        thread: int,
    ) -> None:
        """``loop`` serves the channel, in the thread with the identifier ``thread``; any thread may be the first."""
        super().__init__(sock, memory, requests)
        self._loop = loop
        self._thread = thread
        self._turns: deque[asyncio.Future[bool]] = deque()

    def call(self, request: CallRequest) -> Outputs:
        name = request.target.name
        return self._from_thread(self.call_async(request), f"await ctx.models[{name!r}].call(…)")

    async def call_async(self, request: CallRequest) -> Outputs:
        outputs = await self._next(await self._opened(request, streams=False))
        if outputs is None:
            raise no_single_response(request)
        return outputs

    def open_stream(self, request: CallRequest) -> OpenCall:
        name = request.target.name
        return self._from_thread(self.open_stream_async(request), f"async for … in ctx.models[{name!r}].stream(…)")

    async def open_stream_async(self, request: CallRequest) -> OpenCall:
        return await self._opened(request, streams=True)

    def next_response(self, call: OpenCall) -> Outputs | None:
        return self._from_thread(self.next_response_async(call), "async for")

    async def next_response_async(self, call: OpenCall) -> Outputs | None:
        with self._lock:
            self._ask_next(call)
        return await self._next(call)

    def take(self, message: bytes) -> None:
        """Take a RESULT; raises ProtocolError."""
        _, flags, _, _, batch, number, length = wire.CHANNEL_MESSAGE.unpack_from(message)
        if batch != self._batch or length != len(message) - _HEAD:
            raise ProtocolError("channel: a result of another batch or length")
        with self._lock:
            self._on_result(flags, number, message[_HEAD:])
        self._abandon_dropped_by_others()

    def channel_ended(self) -> None:
        """No further result comes."""
        with self._lock:
            self._end_all()

    async def end(self) -> None:
        """End the calls of the batch before it is answered; a cancellation does not end the wait."""
        with self._lock:
            self._caller = None
            for call in [*self._open.values()]:
                self.abandon(call)
        turn = None
        while self._open:
            if turn is None or turn.done():  # one that is left behind would be woken in place of the next
                turn = self._turn()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([turn])
        if turn is not None:
            turn.cancel()
        self._wake_turn()
        self.end_batch()

    async def _opened(self, request: CallRequest, *, streams: bool) -> OpenCall:
        try:
            while True:
                with self._lock:
                    call = self._try_open(request, streams)
                if call is not None:
                    return call
                if not await self._wait(self._turn(), request.deadline):
                    raise request.late()
        finally:
            self._wake_turn()  # the next one, which may find room as well

    async def _next(self, call: OpenCall) -> Outputs | None:
        call.awaited = True
        try:
            if not call.has_news():
                call.waiter = self._loop.create_future()
                if not await self._wait(call.waiter, call.request.deadline):
                    raise call.request.late()
            return self._take(call)
        except BaseException:
            if not call.ended:
                self.abandon(call)
            raise
        finally:
            call.awaited, call.waiter = False, None

    async def _wait(self, future: asyncio.Future[bool], deadline: float | None) -> bool:
        """Wait for ``future``; False when it is late."""
        if deadline is None:
            return await future
        timer = self._loop.call_at(deadline, _set, future, False)
        try:
            return await future
        finally:
            timer.cancel()

    def _turn(self) -> asyncio.Future[bool]:
        turn: asyncio.Future[bool] = self._loop.create_future()
        self._turns.append(turn)
        return turn

    def _from_thread(self, work: Coroutine[Any, Any, T], hint: str) -> T:
        if threading.get_ident() == self._thread:
            work.close()
            problem = "ctx.models: a call here would block the event loop, which gets its answer"
            raise RuntimeError(f"{problem}; write {hint}")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _send(self, message: bytes | bytearray, descriptor: int) -> None:
        send(self._sock, message, (descriptor,) if descriptor >= 0 else ())

    def _wake(self, call: OpenCall) -> None:
        if call.waiter is not None:
            _set(call.waiter, True)

    def _wake_turn(self) -> None:
        """Wake one: it wakes the next one when it was sent, or has failed."""
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(True)
                return


def _set(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)
