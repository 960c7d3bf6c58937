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
from pytriton_plugins.worker.call import Batch, Outcome
from pytriton_plugins.worker.reading import RequestReader
from pytriton_plugins.worker.writing import ResponseWriter


class ChannelServer:
    """Serves one channel, from EXECUTE to DONE."""

    def __init__(
        self,
        sock: socket.socket,
        response: Segment,
        declaration: ModelDeclaration,
        run: Callable[[Batch], list[Outcome]],
        need: Callable[[int, int], Segment],
    ) -> None:
        """``need(size, replaced)`` gets a larger response segment from the host, or raises ShmError."""
        self._sock = sock
        self._run = run
        self._reader = RequestReader(declaration)
        self._writer = ResponseWriter(declaration, response, need)

    def serve(self) -> None:
        """Answer batches until the channel ends."""
        while True:
            data, descriptors = receive(self._sock, wire.CHANNEL_MESSAGE.size)
            if not data:
                return
            self._answer(wire.ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(data)), descriptors)

    def _answer(self, message: wire.ChannelMessage, descriptors: list[int]) -> None:
        if message.kind != wire.EXECUTE:
            raise ProtocolError(f"channel: a message of kind {message.kind}")
        if message.flags & wire.NEW_SEGMENT:
            self._reader.take_segment(message.segment, descriptors)
        written = self._run_and_write(message)
        flags = wire.RETIRED if self._reader.is_kept() else 0
        segment = self._writer.segment
        if segment.unsent >= 0:
            flags |= wire.NEW_SEGMENT
        done = wire.CHANNEL_MESSAGE.pack(wire.DONE, flags, 0, segment.number, message.batch, *written)
        if segment.unsent < 0:
            self._sock.send(done, NO_SIGNAL)
            return
        send(self._sock, done, (segment.unsent,))
        os.close(segment.unsent)
        segment.unsent = -1

    def _run_and_write(self, message: wire.ChannelMessage) -> tuple[int, int]:
        # A function of its own: when it returns, only the callable can still refer to the batch's arrays.
        batch = self._reader.read(message)
        return self._writer.write(message.batch, len(batch.rows), self._run(batch))
