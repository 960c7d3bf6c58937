"""The loop that takes batches from a channel, has them run and answers; runs in the worker's main thread."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.sockets import NO_SIGNAL, receive, send
from pytriton_plugins.worker.call import CallPlan
from pytriton_plugins.worker.reading import RequestReader
from pytriton_plugins.worker.writing import ResponseWriter, Written

_ROOM = 64
"""More than a message has, so that one which is too long is noticed."""
_NEW_MEMORY = wire.NEW_SEGMENT | wire.NEW_LOAN


class ChannelServer:
    """Serves one channel, from EXECUTE to DONE.

    Between two batches other processes have the processor and its caches, so what a batch costs here is counted in
    steps, not in bytes. Batches like an earlier one therefore take a short way, on which nothing is worked out again.
    """

    def __init__(
        self,
        sock: socket.socket,
        response: Segment,
        declaration: ModelDeclaration,
        calls: CallPlan,
        need: Callable[[int, int], Segment],
    ) -> None:
        """``need(size, replaced)`` gets a larger response segment from the host, or raises ShmError."""
        self._sock = sock
        self._calls = calls
        self._callable = calls.callable
        self._reader = RequestReader(declaration, calls.arguments)
        self._writer = ResponseWriter(declaration, response, need)

    def serve(self) -> None:
        """Answer batches until the channel ends."""
        descriptor = self._sock.fileno()
        layout = wire.CHANNEL_MESSAGE
        while True:
            try:
                data = os.read(descriptor, _ROOM)
            except ConnectionResetError:  # the backend closed with a message of ours unread; its own may still come
                data = os.read(descriptor, _ROOM)
            if not data:
                return
            kind, flags, _, number, batch, offset, length = layout.unpack(data)
            if kind != wire.EXECUTE:
                self._tidy(kind, number)
                continue
            if flags & _NEW_MEMORY and not self._take_memory(flags):
                return
            offset, length = self._answer(number, offset, length)
            flags = wire.RETIRED if self._reader.is_kept() else 0
            segment = self._writer.segment
            if segment.unsent >= 0:
                flags |= wire.NEW_SEGMENT
            done = layout.pack(wire.DONE, flags, 0, segment.number, batch, offset, length)
            if segment.unsent < 0:
                self._sock.send(done, NO_SIGNAL)
            else:
                send(self._sock, done, (segment.unsent,))
                os.close(segment.unsent)
                segment.unsent = -1

    def _take_memory(self, flags: int) -> bool:
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

    def _tidy(self, kind: int, number: int) -> None:
        if kind == wire.FORGET:
            self._reader.forget_loan(number)
            self._writer.take_inputs(self._reader.inputs())
        elif kind == wire.TRIM:
            self._writer.trim()
        else:
            raise ProtocolError(f"channel: a message of kind {kind}")

    def _answer(self, number: int, offset: int, length: int) -> Written:
        # A function of its own: when it returns, only the callable can still refer to the batch's arrays.
        reader, writer = self._reader, self._writer
        plan = reader.plan(number, offset, length)
        if plan.views is None or reader.copies:
            return writer.write(self._calls.run(reader.batch(plan)))
        arguments = {}
        for name, view in plan.views:
            arguments[name] = view.view()
        try:
            result = self._callable(**arguments)
        except BaseException as error:
            return writer.write(self._calls.failed(reader.batch(plan), error))
        written = writer.write_again(plan.answers, result)
        if written is None:
            outcomes = self._calls.finished(reader.batch(plan), result)
            written = writer.write(outcomes)
            writer.learn(plan.answers, result, outcomes)
        return written
