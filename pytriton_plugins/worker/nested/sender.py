"""The open calls of one channel as they are sent: CALL, ROOM and ABANDON."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from pytriton_plugins.errors import ModelCallError, ProtocolError, ShmError
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import abandon_message
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.worker.nested.memory import CallMemory, Region
from pytriton_plugins.worker.nested.open_call import OpenCall
from pytriton_plugins.worker.nested.placing import Place, place
from pytriton_plugins.worker.nested.repeats import Sent
from pytriton_plugins.worker.nested.request import CallRequest

T = TypeVar("T")

ENDED = "the tritonserver has ended"

_forks = itertools.count(1)
_fork = 0
"""Changes in each child that this process forks; a system call for each check would cost more."""


class RequestSegment(Protocol):
    """Knows the segment that has the running batch."""

    @property
    def segment(self) -> Segment | None:
        """The segment; None if there is none."""


def _on_fork() -> None:
    global _fork
    _fork = next(_forks)


os.register_at_fork(after_in_child=_on_fork)


class Sender(ABC):
    """Sends calls; all of it with the lock held, where other threads may call too."""

    def __init__(self, sock: socket.socket, memory: CallMemory, requests: RequestSegment) -> None:
        self._sock = sock
        self._memory = memory
        self._requests = requests
        self._fork = _fork
        self._lock = threading.RLock()
        """A stream may be dropped, and abandoned, by the garbage collector while this thread has it."""
        self._open: dict[int, OpenCall] = {}
        self._last = 0
        self._batch = 0
        self._caller: object = None
        self._dropped: deque[OpenCall] = deque()
        """Streams that were dropped while another thread had the lock."""
        self._lacking: list[tuple[OpenCall, int]] = []
        """Calls whose response finds no memory until another call ends, and the bytes that it needs."""
        self._has_ended = False
        self._broken: ProtocolError | None = None

    @property
    def is_forked(self) -> bool:
        """Whether this process is a child of the one that has the channel."""
        return _fork != self._fork

    def abandon(self, call: OpenCall) -> None:
        """The caller does not want the call any more; may be called by any thread, and again."""
        self._dropped.append(call)
        self._abandon_dropped_by_others()

    def drop(self, call: OpenCall) -> None:
        """The same in the garbage collector, which must not wait: the thread that has the lock does it afterwards."""
        self._dropped.append(call)
        if self._lock.acquire(blocking=False):
            try:
                self._abandon_dropped()
            finally:
                self._lock.release()

    def check(self, caller: object) -> None:
        """Raise RuntimeError unless the batch of ``caller`` may call models in this process."""
        if _fork != self._fork:
            raise RuntimeError("ctx.models: this process was forked from the worker; call models in the worker itself")
        if caller is None or caller is not self._caller:
            raise RuntimeError("ctx.models: the batch of this Context is answered; call models during the call only")

    @abstractmethod
    def _send(self, message: bytes | bytearray, descriptor: int) -> None:
        """Send a message; ``descriptor`` -1: none."""

    @abstractmethod
    def _wake(self, call: OpenCall) -> None:
        """The call has news."""

    @abstractmethod
    def _wake_turn(self) -> None:
        """A call has ended: one that waits for its turn may be sent."""

    def _try_open(self, request: CallRequest, streams: bool) -> OpenCall | None:
        """Send a call; None if others must end first. Raises ModelCallError and RuntimeError."""
        self.check(request.caller)
        if self._dropped:
            self._abandon_dropped()
        if self._has_ended:
            raise request.target.error("UNAVAILABLE", ENDED)
        if len(self._open) >= wire.MAX_OPEN_CALLS:
            if self._is_stuck():
                raise request.target.error(
                    "UNAVAILABLE", f"{len(self._open)} streams of this batch are open and not read; close some of them"
                )
            return None
        if not streams and (call := self._send_again(request)) is not None:
            return call
        try:
            region, places = self._patiently(lambda: place(request, self._memory, self._requests.segment))
        except ShmError as error:
            if not self._is_stuck():
                return None
            raise request.target.error("UNAVAILABLE", str(error)) from None
        try:
            return self._send_call(request, region, places, streams)
        except BaseException:
            region.release()
            raise

    def _send_again(self, request: CallRequest) -> OpenCall | None:
        """Send a call like an earlier one from the same place in the segment; None if there was none."""
        template = request.inputs.template
        if template.size < 0:
            return None
        region = self._memory.again(template.size, request.target.size(request.options.outputs))
        if region is None:
            return None
        message, number = None, self._last + 1
        try:
            sent: Sent | None = region.sent.get(template)
            if sent is not None:
                message = sent.again(request, region, self._batch, number)
        finally:
            if message is None:
                region.release()
        return None if message is None else self._opened_with(OpenCall(number, request, region, region, False), message)

    def _opened_with(self, call: OpenCall, message: bytes | bytearray, descriptor: int = -1) -> OpenCall:
        self._last = call.number
        self._open[call.number] = call
        try:
            self._send(message, descriptor)
        except OSError:
            self._end_all()
            raise call.request.target.error("UNAVAILABLE", ENDED) from None
        return call

    def _send_call(self, request: CallRequest, region: Region, places: list[Place], streams: bool) -> OpenCall:
        payload = request.payload(region, places)
        area = self._memory.split(region) if streams else region
        call = OpenCall(self._last + 1, request, region, area, streams)
        segment = region.segment
        message = self._message(wire.CALL, call, payload)
        self._opened_with(call, message, segment.unsent)
        if segment.unsent >= 0:
            segment.close_unsent()
        elif not streams and request.inputs.template.size >= 0:
            region.add_sent(request.inputs.template, Sent(request, region, message))
        return call

    def _message(self, kind: int, call: OpenCall, payload: bytes) -> bytes:
        segment = call.region.segment
        flags = wire.NEW_SEGMENT if segment.unsent >= 0 else 0
        head = wire.CHANNEL_MESSAGE.pack(kind, flags, 0, segment.number, self._batch, call.number, len(payload))
        return head + payload

    def _abandon_dropped_by_others(self) -> None:
        """To be called after the lock was released: another thread may have found it taken."""
        if self._dropped and not self.is_forked:  # in a forked child the lock may be taken for ever
            with self._lock:
                self._abandon_dropped()

    def _abandon_dropped(self) -> None:
        while self._dropped:
            call = self._dropped.popleft()
            if call.ended or call.abandoned or self.is_forked:
                continue
            call.abandoned = True
            try:
                self._send(abandon_message(call.number, self._batch), -1)
            except OSError:
                self._end_all()

    def _is_stuck(self, call: OpenCall | None = None) -> bool:
        """Whether no other call than ``call`` runs, whose end would free memory or a place."""
        lacking = {each for each, _ in self._lacking}
        return all(each is call or each in lacking or each.is_idle for each in self._open.values())

    def _patiently(self, take: Callable[[], T], call: OpenCall | None = None) -> T:
        """The result of ``take``; raises ShmError. Where threads are about to drop results, it waits for them."""
        return take()

    def _give_room(self, call: OpenCall, size: int) -> None:
        """Send ROOM, now or when another call has ended."""
        try:
            region = self._patiently(lambda: self._memory.take(0, size), call)
        except ShmError as error:
            if self._is_stuck(call):
                self._fail(call, call.request.target.error("UNAVAILABLE", str(error)))
            else:
                self._lacking.append((call, size))
            return
        call.region = region
        try:
            self._send(
                self._message(wire.ROOM, call, wire.CALL_ROOM.pack(region.area, region.end - region.area)),
                region.segment.unsent,
            )
        except OSError:
            self._end_all()
        else:
            region.segment.close_unsent()

    def _fail(self, call: OpenCall, error: ModelCallError) -> None:
        """End a call that the backend has not ended."""
        call.error = error
        self.abandon(call)
        self._wake(call)

    def _end_all(self) -> None:
        """The channel has ended."""
        self._has_ended = True
        for call in [*self._open.values()]:
            call.error = call.error or call.request.target.error("UNAVAILABLE", ENDED)
            call.ended, call.held = True, None
            self._wake(call)
        self._open.clear()
        self._wake_turn()
