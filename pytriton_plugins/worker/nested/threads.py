"""Calls of a callable that is not awaited: the thread that waits reads the channel, for other threads too."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from pytriton_plugins.errors import ProtocolError, ShmError
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.sockets import NO_SIGNAL, send
from pytriton_plugins.worker.nested.exchange import Exchange, no_single_response
from pytriton_plugins.worker.nested.memory import CallMemory
from pytriton_plugins.worker.nested.open_call import OpenCall
from pytriton_plugins.worker.nested.request import CallRequest
from pytriton_plugins.worker.nested.results import Outputs
from pytriton_plugins.worker.nested.sender import RequestSegment

T = TypeVar("T")
_OTHERS = (wire.TAKEN, wire.CANCEL, wire.FORGET, wire.TRIM)
_PATIENCE = 0.2
"""Seconds."""

_HEAD = wire.CHANNEL_MESSAGE.size


class ThreadExchange(Exchange):
    """Any thread of the callable may call; one of those that wait reads, and wakes the others."""

    def __init__(self, sock: socket.socket, memory: CallMemory, requests: RequestSegment) -> None:
        super().__init__(sock, memory, requests)
        self._buffer = bytearray(wire.MAX_MESSAGE + 1)
        self._view = memoryview(self._buffer)
        self._poller = select.poll()
        self._poller.register(sock, select.POLLIN)
        self._is_reading = False
        self._waiting: deque[tuple[Callable[[], bool], threading.Event]] = deque()
        self._turns = 0
        """Counts the calls that have ended."""
        self._others: deque[bytes] = deque()
        """Messages that are not about calls, and were read by a call."""

    def call(self, request: CallRequest) -> Outputs:
        self.check(request.caller)  # before the lock, which another thread may hold for ever in a forked child
        with self._lock:
            call = self._try_open(request, streams=False)
            is_reader = call is not None and not self._is_reading
            if is_reader:
                self._is_reading = True
        if call is None:
            call = self._opened(request, streams=False)
        outputs = self._next(call, is_reader=is_reader)
        if outputs is None:
            raise no_single_response(request)
        return outputs

    async def call_async(self, request: CallRequest) -> Outputs:
        import asyncio

        return await asyncio.to_thread(self.call, request)

    def open_stream(self, request: CallRequest) -> OpenCall:
        return self._opened(request, streams=True)

    async def open_stream_async(self, request: CallRequest) -> OpenCall:
        import asyncio

        return await asyncio.to_thread(self.open_stream, request)

    def next_response(self, call: OpenCall) -> Outputs | None:
        self.check(call.request.caller)
        with self._lock:
            self._ask_next(call)
        return self._next(call)

    async def next_response_async(self, call: OpenCall) -> Outputs | None:
        import asyncio

        return await asyncio.to_thread(self.next_response, call)

    def next_message(self) -> bytes:
        """Wait for a message that is not about a call; empty at the end of the channel.

        Raises ProtocolError if the backend has broken the protocol.
        """
        self._wait(lambda: bool(self._others) or self._has_ended, None)
        if self._others:
            return self._others.popleft()
        if self._broken is not None:
            raise self._broken
        return b""

    def finish(self) -> bool:
        """End the calls of the batch if none is open and no other thread waits; else False, and nothing is done."""
        if self.is_forked:  # the lock may be taken for ever
            return False
        with self._lock:
            if self._open or self._is_reading or self._waiting or self._others or self._broken:
                return False
            self._caller = None
        return True

    def end(self) -> list[bytes]:
        """End the calls of the batch before it is answered; the messages that nobody has taken.

        Raises ProtocolError if the backend has broken the protocol.
        """
        if self.is_forked:
            raise ProtocolError("a forked child cannot answer")
        if self.finish():
            return []
        with self._lock:
            self._caller = None
            for call in [*self._open.values()]:
                self.abandon(call)
        self._wait(lambda: not self._open, None)
        self._wait_for_readers()
        if self._broken is not None:
            raise self._broken
        messages = [*self._others]
        self._others.clear()
        return messages

    def _opened(self, request: CallRequest, *, streams: bool) -> OpenCall:
        self.check(request.caller)
        while True:
            with self._lock:
                turn = self._turns
                call = self._try_open(request, streams)
            if call is not None:
                return call
            if not self._wait(lambda turn=turn: self._turns != turn or self._has_ended, request.deadline):  # type: ignore[misc]
                raise request.late()

    def _next(self, call: OpenCall, *, is_reader: bool = False) -> Outputs | None:
        """The next response; None for the end. ``is_reader``: nobody else reads, and nobody will."""
        call.awaited = True
        try:
            wait = self._read_until if is_reader else self._wait
            if not wait(call.has_news, call.request.deadline):
                raise call.request.late()
            return self._take(call)
        except BaseException:
            if not call.ended:
                self.abandon(call)
            raise
        finally:
            call.awaited = False

    def _wait(self, is_done: Callable[[], bool], deadline: float | None) -> bool:
        """Wait until ``is_done``, which is called with the lock held; False when it is late."""
        while True:
            if self._dropped:
                self._abandon_dropped_by_others()
            with self._lock:
                if is_done():
                    return True
                event = threading.Event() if self._is_reading else None
                if event is None:
                    self._is_reading = True
                else:
                    self._waiting.append((is_done, event))
            if event is None:
                return self._read_until(is_done, deadline)
            if not event.wait(None if deadline is None else max(0.0, deadline - time.monotonic())):
                with self._lock:
                    if event.is_set():  # this thread was chosen to read next
                        self._wake_reader()
                    else:
                        self._waiting.remove((is_done, event))
                    return is_done()

    def _read_until(self, is_done: Callable[[], bool], deadline: float | None) -> bool:
        is_reading = True
        if self._dropped:
            self._abandon_dropped_by_others()
        try:
            while is_reading:
                size = self._read(deadline)
                with self._lock:
                    if size >= 0:
                        self._dispatch(size)
                    is_reading = size >= 0 and not is_done()
                    if not is_reading:
                        self._end_reading()
                    elif self._waiting:
                        self._wake_those_done()
                if self._dropped:
                    self._abandon_dropped_by_others()
            return size >= 0
        except BaseException:
            if is_reading:
                with self._lock:
                    self._end_reading()
            raise

    def _end_reading(self) -> None:
        self._is_reading = False
        if self._waiting:
            self._wake_those_done()
            self._wake_reader()

    def _read(self, deadline: float | None) -> int:
        """The size of the next message, 0 at the end of the channel; -1 when it is late."""
        if deadline is not None and not self._poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return -1
        try:
            return self._sock.recv_into(self._buffer)
        except ConnectionResetError:  # the backend closed and left a message of ours unread; its own may still come
            return self._sock.recv_into(self._buffer)

    def _dispatch(self, size: int) -> None:
        if not size:
            self._end_all()
            return
        try:
            if size < _HEAD:
                raise ProtocolError(f"channel: a message of {size} bytes")
            kind, flags, _, _, batch, number, length = wire.CHANNEL_MESSAGE.unpack_from(self._buffer)
            if kind == wire.RESULT:
                if batch != self._batch or length != size - _HEAD:
                    raise ProtocolError("channel: a result of another batch or length")
                self._on_result(flags, number, bytes(self._view[_HEAD:size]))
            elif kind in _OTHERS:
                self._others.append(bytes(self._view[:size]))
            else:
                raise ProtocolError(f"channel: unexpected message of kind {kind} during a batch")
        except Exception as error:
            self._broken = error if isinstance(error, ProtocolError) else ProtocolError(f"channel: {error}")
            self._end_all()

    def _wake_those_done(self) -> None:
        for waiting in [waiting for waiting in self._waiting if waiting[0]()]:
            self._waiting.remove(waiting)
            waiting[1].set()

    def _wake_reader(self) -> None:
        """Let another thread that waits read."""
        if self._waiting and not self._is_reading:
            self._waiting.popleft()[1].set()

    def _wait_for_readers(self) -> None:
        """Wait until no other thread reads or waits: their calls have ended, and the next message is a batch."""
        while True:
            with self._lock:
                self._wake_those_done()
                if not self._is_reading:
                    return
                event = threading.Event()
                self._waiting.append((lambda: not self._is_reading, event))
            event.wait()

    def _patiently(self, take: Callable[[], T], call: OpenCall | None = None) -> T:
        """The result of ``take``; a last call that finds no memory waits for threads that still use results.

        It looks again and again: what frees a result is the end of its last array, which Python does not report.
        """
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                return take()
            except ShmError:
                if not self._is_stuck(call) or time.monotonic() > end:
                    raise
                time.sleep(0.002)

    def _send(self, message: bytes | bytearray, descriptor: int) -> None:
        if descriptor < 0:
            self._sock.send(message, NO_SIGNAL)
        else:
            send(self._sock, message, (descriptor,))

    def _wake(self, call: OpenCall) -> None:
        """Threads look themselves, after each message."""

    def _wake_turn(self) -> None:
        self._turns += 1
