"""One slot of a worker: a channel, what reads its batches and what writes its answers; runs in the worker."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.sockets import receive, send
from pytriton_plugins.worker.blocks.request_reader import Plan, RequestReader
from pytriton_plugins.worker.blocks.response_writer import ResponseWriter, Written
from pytriton_plugins.worker.calling.errors import RequestFailure
from pytriton_plugins.worker.calling.request_state import Exchange, Surroundings
from pytriton_plugins.worker.calling.runner import Batch, CallPlan, Outcome

if TYPE_CHECKING:
    from pytriton_plugins.worker.hooks import Observer

ROOM = 64
"""More than a message has, so that one which is too long is noticed."""
NEW_MEMORY = wire.NEW_SEGMENT | wire.NEW_LOAN


class Slot:
    """What all ways of serving a channel have in common: memory that comes and goes, answers that are sent."""

    def __init__(
        self,
        sock: socket.socket,
        response: Segment,
        declaration: ModelDeclaration,
        calls: CallPlan,
        need: Callable[[int, int], Segment],
        surroundings: Surroundings | None = None,
        observer: Observer | None = None,
    ) -> None:
        """``need(size, replaced)`` gets a larger response segment from the host, or raises ShmError."""
        self._sock = sock
        self._calls = calls
        self._callable = calls.callable
        self._surroundings = surroundings or Surroundings(declaration.name, declaration.timeout)
        self._reader = RequestReader(declaration, calls.arguments.keywords)
        self._writer = ResponseWriter(declaration, response, need)
        self._has_details = declaration.has_details
        self._observer = observer
        self._failures: dict[int, RequestFailure] = {}
        """Those of the last batch, by place, while somebody observes."""

    def receive(self) -> wire.ChannelMessage | None:
        """The next message, memory that comes with it taken; None at the end of the channel."""
        try:
            data = os.read(self._sock.fileno(), ROOM)
        except ConnectionResetError:  # the backend closed with a message of ours unread; its own may still come
            data = os.read(self._sock.fileno(), ROOM)
        if not data:
            return None
        message = wire.ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(data))
        if message.kind == wire.EXECUTE and message.flags & NEW_MEMORY and not self.take_memory(message.flags):
            return None
        return message

    def take_memory(self, flags: int) -> bool:
        """Take the segment and the loans that follow an EXECUTE; False at the end of the channel."""
        expected = wire.SEGMENT if flags & wire.NEW_SEGMENT else wire.LOAN
        lent = flags & wire.NEW_LOAN
        while expected:
            data, descriptors = receive(self._sock, wire.CHANNEL_MESSAGE.size)
            if not data:
                return False
            message = wire.ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(data))
            if message.kind != expected:
                raise ProtocolError(f"channel: a message of kind {message.kind} where {expected} should come")
            if expected == wire.SEGMENT:
                self._reader.take_segment(message.segment, descriptors)
            else:
                self._reader.take_loan(message, descriptors)
                lent = message.flags & wire.NEW_LOAN
            expected = wire.LOAN if lent else 0
        self._writer.take_inputs(self._reader.inputs())
        return True

    def tidy(self, kind: int, number: int) -> None:
        """Do what a message says that comes between two batches, or just behind one."""
        if kind == wire.FORGET:
            self._reader.forget_loan(number)
            self._writer.take_inputs(self._reader.inputs())
        elif kind == wire.TRIM:
            self._writer.trim()
        elif kind != wire.CANCEL:  # that one came too late
            raise ProtocolError(f"channel: a message of kind {kind}")

    def new_exchange(self, plan: Plan) -> Exchange | None:
        """What the batch carries beside tensors, if the callable can see it."""
        if not self._has_details:
            return None
        self._writer.requests = len(plan.rows)
        return Exchange(self._surroundings, self._reader.view, plan.details, self._writer.empty)

    def write(self, batch: Batch, outcomes: list[Outcome]) -> Written:
        """Write the answer to ``batch``, with what the callable said of its responses."""
        exchange = batch.exchange
        if self._observer:
            self._failures = _failures_in(outcomes, exchange)
        if exchange is None:
            return self._writer.write(outcomes)
        return self._writer.write(outcomes, exchange.failures, [*exchange.said.values()])

    def begin(self, rows: tuple[int, ...]) -> Callable[[], None]:
        """Tell an observer of a batch; what is returned tells it what became of that."""
        observer = self._observer
        if observer is None:
            return _nothing
        requests = observer.before(rows)
        self._failures = {}
        began = time.monotonic()
        return lambda: observer.after(requests, self._failures, time.monotonic() - began)

    def answer(self, kind: int, number: int, written: Written) -> None:
        """Send DONE or PART for the batch of that number."""
        flags = wire.RETIRED if kind == wire.DONE and self._reader.is_kept() else 0
        segment = self._writer.segment
        new = (segment.unsent,) if segment.unsent >= 0 else ()
        flags |= wire.NEW_SEGMENT if new else 0
        message = wire.CHANNEL_MESSAGE.pack(kind, flags, 0, segment.number, number, *written)
        send(self._sock, message, new)
        if new:
            os.close(segment.unsent)
            segment.unsent = -1
        self._writer.release()


def _nothing() -> None:
    pass


def _failures_in(outcomes: list[Outcome], exchange: Exchange | None) -> dict[int, RequestFailure]:
    failures = {
        place: outcome.error
        for outcome in outcomes
        if outcome.error
        for place in range(outcome.first, outcome.first + outcome.requests)
    }
    return {**failures, **exchange.failures} if exchange is not None else failures
