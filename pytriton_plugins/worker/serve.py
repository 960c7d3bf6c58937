"""The loop that takes batches from a channel, has them run and answers; runs in the worker's main thread."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable

from pytriton_plugins.errors import ProtocolError, ShmError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import Encoded, encode, read_array, write
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.sockets import NO_SIGNAL, receive, send
from pytriton_plugins.worker.call import Batch, Outcome
from pytriton_plugins.worker.failures import one_line

_LOG = logging.getLogger("pytriton.worker")
_COPY_AFTER = 3
"""Batches in a row whose inputs the callable kept, after which it gets copies: new segments would cost more."""

_Tensors = list[tuple[wire.TensorEntry, Encoded]]


class ChannelServer:
    """Serves one channel: both segments of its slot, and the masks and dtypes that its messages speak of."""

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
        self._declaration = declaration
        self._run = run
        self._need = need
        self._response = response
        self._request: Segment | None = None
        self._unreferenced = 0
        self._kept = 0
        self._names: dict[int, frozenset[str]] = {}

    def serve(self) -> None:
        """Answer batches until the channel ends."""
        while True:
            data, descriptors = receive(self._sock, wire.CHANNEL_MESSAGE.size)
            if not data:
                return
            self._answer(wire.ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(data)), descriptors)

    def _answer(self, message: wire.ChannelMessage, descriptors: list[int]) -> None:
        request = self._request_segment(message, descriptors)
        block = wire.unpack_request_block(request.view, message.offset, message.length)
        outcomes = self._run(self._batch(request, block))
        flags, offset, length = self._write_response(block.batch, len(block.rows), outcomes)
        del outcomes
        if sys.getrefcount(request.bytes) > self._unreferenced:
            self._kept += 1
            self._request = None
            flags |= wire.RETIRED
        elif self._kept < _COPY_AFTER:
            self._kept = 0
        segment = self._response
        done = wire.CHANNEL_MESSAGE.pack(wire.DONE, flags, 0, segment.number, block.batch, offset, length)
        if segment.unsent < 0:
            self._sock.send(done, NO_SIGNAL)
            return
        send(self._sock, done, (segment.unsent,))
        os.close(segment.unsent)
        segment.unsent = -1

    def _request_segment(self, message: wire.ChannelMessage, descriptors: list[int]) -> Segment:
        if message.kind != wire.EXECUTE:
            raise ProtocolError(f"channel: a message of kind {message.kind}")
        if message.flags & wire.NEW_SEGMENT:
            (descriptor,) = descriptors
            self._request = Segment(message.segment, descriptor, writable=False)
            os.close(descriptor)
            self._unreferenced = sys.getrefcount(self._request.bytes)
        if self._request is None or self._request.number != message.segment:
            raise ProtocolError(f"channel: segment {message.segment} was never sent")
        return self._request

    def _batch(self, request: Segment, block: wire.RequestBlock) -> Batch:
        arrays = {}
        for entry in block.inputs:
            tensor = self._declaration.inputs[entry.tensor]
            array = read_array(request, entry, tensor.dtype)
            if self._kept >= _COPY_AFTER:
                array = array.copy()
                array.flags.writeable = False
            arrays[tensor.name] = array
        return Batch(arrays, block.rows, tuple(self._requested(mask) for mask in block.requested))

    def _requested(self, mask: int) -> frozenset[str]:
        names = self._names.get(mask)
        if names is None:
            outputs = enumerate(self._declaration.outputs)
            names = self._names[mask] = frozenset(tensor.name for bit, tensor in outputs if mask >> bit & 1)
        return names

    def _write_response(self, batch: int, requests: int, outcomes: list[Outcome]) -> tuple[int, int, int]:
        """Write tensors and block; returns the flags, offset and length of DONE."""
        results: list[tuple[int, bytes]] = []
        entries: list[wire.TensorEntry] = []
        position = 0
        for outcome in outcomes:
            result = (0, b"")
            if outcome.error:
                result = (wire.OUTCOME_CODES[outcome.error.code], outcome.error.message.encode())
            else:
                tensors, end = self._place(outcome, position)
                try:
                    self._reserve(end + self._block_room(requests), position)
                except ShmError as error:
                    _LOG.error("model %s: %s", self._declaration.name, error)
                    result = (wire.OUTCOME_CODES["UNAVAILABLE"], one_line(str(error)).encode())
                else:
                    for entry, encoded in tensors:
                        write(encoded, self._response, entry.offset)
                        entries.append(entry)
                    position = end
            results.extend([result] * outcome.count)
        block = wire.response_block(batch, results, entries)
        self._reserve(position + len(block), position)
        self._response.view[position : position + len(block)] = block
        return (wire.NEW_SEGMENT if self._response.unsent >= 0 else 0), position, len(block)

    def _place(self, outcome: Outcome, position: int) -> tuple[_Tensors, int]:
        """Where the outputs of ``outcome`` will stand, from ``position`` on, and where they end."""
        tensors: _Tensors = []
        assert outcome.outputs is not None
        for index, tensor in enumerate(self._declaration.outputs):
            array = outcome.outputs.get(tensor.name)
            if array is None:
                continue
            encoded = encode(array, tensor.dtype)
            code = tensor.dtype.code
            entry = wire.TensorEntry(index, code, outcome.first, outcome.count, position, encoded.size, array.shape)
            tensors.append((entry, encoded))
            position = wire.aligned(position + encoded.size)
        return tensors, position

    def _block_room(self, requests: int) -> int:
        """Enough for a block in which every request succeeds."""
        tensors = requests * len(self._declaration.outputs) * wire.TENSOR_ENTRY.size
        return wire.RESPONSE_HEADER.size + requests * wire.OUTCOME.size + tensors

    def _reserve(self, size: int, written: int) -> None:
        """Make the response segment hold ``size`` bytes, the first ``written`` of which stay; raises ShmError."""
        old = self._response
        if size <= old.size:
            return
        new = self._need(size, old.number)
        new.bytes[:written] = old.bytes[:written]
        if old.unsent >= 0:
            os.close(old.unsent)
        self._response = new
