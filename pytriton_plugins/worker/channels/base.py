"""The base of all channel servers: one channel, the reader of its requests and the writer of its responses."""

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
from pytriton_plugins.worker.blocks.request_reader import RequestPlan, RequestReader
from pytriton_plugins.worker.blocks.response_buffer import SegmentSource
from pytriton_plugins.worker.blocks.response_template import BlockPosition
from pytriton_plugins.worker.blocks.response_writer import ResponseWriter
from pytriton_plugins.worker.calling.batch import Batch, Outcome
from pytriton_plugins.worker.calling.errors import RequestFailure
from pytriton_plugins.worker.calling.request_state import RequestState, SharedState
from pytriton_plugins.worker.calling.runner import BatchRunner

if TYPE_CHECKING:
    from pytriton_plugins.worker.hooks import Observer
    from pytriton_plugins.worker.nested.exchange import Exchange
    from pytriton_plugins.worker.nested.memory import CallMemory
    from pytriton_plugins.worker.nested.models import Models

RECEIVE_SIZE = 64
"""More bytes than a message has, so that a message that is too long is noticed."""
NEW_MEMORY = wire.NEW_SEGMENT | wire.NEW_LOAN


class ChannelServer:
    """Serves one channel: takes and gives up memory, and sends answers; subclasses have the loop."""

    def __init__(
        self,
        sock: socket.socket,
        response: Segment,
        declaration: ModelDeclaration,
        runner: BatchRunner,
        source: SegmentSource,
        shared: SharedState | None = None,
        observer: Observer | None = None,
    ) -> None:
        """``source``: where response segments larger than ``response`` come from."""
        self._sock = sock
        self._runner = runner
        self._callable = runner.callable
        self._shared = shared or SharedState(declaration.name, declaration.timeout)
        self._reader = RequestReader(declaration, runner.arguments)
        self._writer = ResponseWriter(declaration, response, source)
        self._has_details = declaration.has_details
        self._declaration = declaration
        self._source = source
        self._sequences = self._shared.sequences.new_channel() if self._shared.sequences else None
        self._observer = observer
        self._number = 0
        """Of the running batch."""
        self._calls: Exchange | None = None
        """The calls of other models; None before the first one."""
        self._failures: dict[int, RequestFailure] = {}
        """Those of the last batch by place, if there is an observer."""

    def receive(self) -> wire.ChannelMessage | None:
        """The next message, after the memory that comes with it was taken; None at the end of the channel."""
        return self.received(self.read(RECEIVE_SIZE))

    def read(self, size: int) -> bytes:
        """The bytes of the next message, at most ``size``; empty at the end of the channel."""
        try:
            return os.read(self._sock.fileno(), size)
        except ConnectionResetError:  # the backend closed and left a message of ours unread; its own may still come
            return os.read(self._sock.fileno(), size)

    def received(self, data: bytes) -> wire.ChannelMessage | None:
        """The message in ``data``, after the memory that comes with it was taken; None at the end of the channel."""
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
                raise ProtocolError(f"channel: unexpected message of kind {message.kind}, expected {expected}")
            if expected == wire.SEGMENT:
                self._reader.take_segment(message.segment, descriptors)
            else:
                self._reader.take_loan(message, descriptors)
                lent = message.flags & wire.NEW_LOAN
            expected = wire.LOAN if lent else 0
        self._writer.take_inputs(self._reader.inputs())
        return True

    def handle_idle_message(self, kind: int, number: int) -> None:
        """Handle a message that comes between two batches, or just after one."""
        if kind == wire.FORGET:
            self._reader.forget_loan(number)
            self._writer.take_inputs(self._reader.inputs())
        elif kind == wire.TRIM:
            self._writer.trim()
            if self._calls is not None:
                self._calls.trim()
        elif kind != wire.CANCEL:  # a CANCEL came too late
            raise ProtocolError(f"channel: unexpected message of kind {kind}")

    def new_state(self, plan: RequestPlan) -> RequestState | None:
        """The state that a `Context` of the batch shows; None if the callable takes no `Context`."""
        if not self._has_details:
            return None
        self._writer.requests = len(plan.rows)
        return RequestState(self._shared, self._reader.view, plan.details, self._writer, self._sequences, self)

    def open_models(self, state: RequestState) -> Models:
        """What ``ctx.models`` of the running batch is."""
        if self._calls is None:
            self._calls = self._begin_calls()
        self._calls.begin(self._number, state)
        return self._new_models(self._calls, self._directory, state)

    def _begin_calls(self) -> Exchange:
        from pytriton_plugins.worker.nested.memory import CallMemory  # few models call others
        from pytriton_plugins.worker.nested.models import CallDirectory, Models

        self._new_models = Models
        self._directory = CallDirectory(self._declaration, self._runner.undeclared)
        return self._new_exchange(CallMemory(self._source, self._writer))

    def _new_exchange(self, memory: CallMemory) -> Exchange:
        raise NotImplementedError

    def close(self) -> None:
        """Release the calls and their memory once the channel has ended.

        They and this server refer to each other: otherwise segments stay open until the garbage collector runs.
        """
        if self._calls is not None:
            self._calls.close()
            self._calls = None
        self._writer.end_calls()

    def write(self, batch: Batch, outcomes: list[Outcome]) -> BlockPosition:
        """Write the response to ``batch``, with the failures and parameters that the callable has set."""
        state = batch.state
        if self._observer:
            self._failures = _failures_in(outcomes, state)
        if state is None:
            return self._writer.write(outcomes)
        return self._writer.write(outcomes, state.failures, [*state.response_parameters.values()])

    def begin(self, rows: tuple[int, ...]) -> Callable[[], None]:
        """Tell the observer of a batch; the function that is returned tells it of the outcome."""
        observer = self._observer
        if observer is None:
            return _nothing
        requests = observer.before(rows)
        self._failures = {}
        start = time.monotonic()
        return lambda: observer.after(requests, self._failures, time.monotonic() - start)

    def answer(self, kind: int, number: int, position: BlockPosition) -> None:
        """Send DONE or PART for the batch with this number."""
        flags = wire.RETIRED if kind == wire.DONE and self._reader.is_kept() else 0
        segment = self._writer.segment
        new = (segment.unsent,) if segment.unsent >= 0 else ()
        flags |= wire.NEW_SEGMENT if new else 0
        message = wire.CHANNEL_MESSAGE.pack(kind, flags, 0, segment.number, number, *position)
        send(self._sock, message, new)
        if new:
            segment.close_unsent()
        self._writer.release()


def _nothing() -> None:
    pass


def _failures_in(outcomes: list[Outcome], state: RequestState | None) -> dict[int, RequestFailure]:
    failures = {
        place: outcome.error
        for outcome in outcomes
        if outcome.error
        for place in range(outcome.first, outcome.first + outcome.requests)
    }
    return {**failures, **state.failures} if state is not None else failures
