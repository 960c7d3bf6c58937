"""A channel's end that sends batches as the backend does: the same segments, blocks and messages, without Triton."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import read_array, view_array, write
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.shm.polling import readable
from pytriton_plugins.shm.segment import Segment, create_segment_file
from pytriton_plugins.shm.sockets import receive, send
from pytriton_plugins.testing.blocks import pack_details, request_block, unpack_response_block
from pytriton_plugins.testing.called import CallEnd
from pytriton_plugins.testing.callees import NO_MODELS, Callees
from pytriton_plugins.testing.placing import head_size, place_inputs
from pytriton_plugins.worker.calling.errors import RequestFailure

TIMEOUT = 60.0
"""Seconds that one batch may take."""

Arrays = dict[str, NDArray[Any]]
_numbers = itertools.count(1)
_CODES = {number: code for code, number in wire.OUTCOME_CODES.items()}


Details = Sequence[Detail] | bytes
"""One for each request, or the bytes in place of them."""


class Answered(NamedTuple):
    """The answer to one batch: outputs by name or a failure for each request; whether inputs were kept.

    ``parameters``: of the responses; of a stream those of all responses. ``parts``: the responses of a stream, whose
    outcome at the end is a failure or has no outputs.
    """

    outcomes: list[Arrays | RequestFailure]
    retired: bool
    parameters: list[wire.ResponseParameter]
    parts: list[Arrays]


class ChannelEnd:
    """Sends batches over a channel and reads the answers; arrays have their wire shapes."""

    def __init__(
        self,
        declaration: ModelDeclaration,
        sock: socket.socket,
        response: Segment,
        size: int,
        callees: Callees | None = None,
    ) -> None:
        """``response``: the worker's first response segment; ``size``: the minimum for a request segment.

        ``callees``: the models that the callable may call.
        """
        self._declaration = declaration
        self._size = size
        self._batch = 0
        self._request: Segment | None = None
        self._answered_request: Segment | None = None
        self.entries: list[wire.TensorEntry] = []
        """The entries of the outputs of the last answer."""
        self._rows: list[int] = []
        self._details = 0
        self._loans: dict[int, NDArray[np.uint8]] = {}
        self._answered_loans: dict[int, NDArray[np.uint8]] = {}
        self._unsent_loans: dict[int, int] = {}
        self.is_async = declaration.is_async
        self._sock = sock
        self._sock.settimeout(TIMEOUT)
        self.called = CallEnd(sock, callees or NO_MODELS)
        self._response = response

    @property
    def given_back(self) -> int:
        """How many outputs of the last batch stayed where an input or the result of a call lies."""
        return sum(entry.flags != 0 for entry in self.entries)

    def send(self, *requests: Arrays, details: Details = (), most: int | None = None) -> Answered:
        """Run the requests, which have the same inputs, as one batch that requests all outputs.

        ``details`` of each, for a callable that reads them. A stream is cancelled after ``most`` responses.
        """
        self.ask(*requests, details=details)
        return self.answered(most)

    def ask(self, *requests: Arrays, details: Details = (), requested: int | None = None) -> None:
        """Send the batch only. ``requested``: the outputs that each request asks for, a bit for each."""
        self._rows = rows = [self._rows_of(request) for request in requests]
        entries, tensors = place_inputs(self._declaration, requests, rows, self._loans)
        end = max((position + encoded.size for encoded, position in tensors), default=0)
        packed = self._packed(details) if self._declaration.has_details else b""
        at = wire.aligned(max(end, head_size(self._declaration, len(rows), len(entries)))) if packed else 0
        self._details = at
        wanted = (1 << len(self._declaration.outputs)) - 1 if requested is None else requested
        block = request_block(rows, wanted, entries, at, len(self._declaration.outputs))
        self._batch += 1
        flags = self._write(block, tensors, packed, at)
        assert self._request is not None
        number = self._request.number
        more = wire.NEW_LOAN if self._unsent_loans else 0
        send(self._sock, wire.CHANNEL_MESSAGE.pack(wire.EXECUTE, flags | more, 0, number, self._batch, 0, len(block)))
        if flags:
            message = wire.CHANNEL_MESSAGE.pack(wire.SEGMENT, 0, 0, number, self._batch, 0, 0)
            send(self._sock, message, (self._request.unsent,))
            os.close(self._request.unsent)
        self._send_loans()

    def answered(self, most: int | None = None) -> Answered:
        """Read the answer to the batch that was sent, and take each part of it."""
        parts: list[Arrays] = []
        all_parameters: list[wire.ResponseParameter] = []
        while (message := self.next_message()).kind == wire.PART:
            ((part,), parameters) = self.read(message)
            assert not isinstance(part, RequestFailure)
            parts.append(part)
            all_parameters += parameters
            self.take(unwanted=most is not None and len(parts) >= most)
        assert message.kind == wire.DONE
        self._answered_request, self._answered_loans = self._request, dict(self._loans)
        retired = bool(message.flags & wire.RETIRED)
        if retired:
            self._request = None
            self._loans.clear()
        outcomes, parameters = self.read(message)
        return Answered(outcomes, retired, all_parameters + parameters, parts)

    def take(self, *, unwanted: bool = False) -> None:
        """Tell the worker that the last part was read; ``unwanted``: the stream is cancelled."""
        flags = wire.CANCELLED if unwanted else 0
        send(self._sock, wire.CHANNEL_MESSAGE.pack(wire.TAKEN, flags, 0, 0, self._batch, 0, 0))

    def cancel(self, *places: int) -> None:
        """Flag these requests of the batch as cancelled, and send CANCEL to an async worker if they are all."""
        assert self._request is not None
        for place in places if self._details else ():
            self._request.view[self._details + 16 + 4 * place] = 1
        if self.is_async and len(places) == len(self._rows):
            self.tell(wire.CANCEL, self._batch)

    def tell(self, kind: int, batch: int = 0, number: int = 0) -> None:
        """Send a message without an answer."""
        send(self._sock, wire.CHANNEL_MESSAGE.pack(kind, 0, 0, number, batch, 0, 0))

    def lend(self, number: int, descriptor: int, memory: NDArray[np.uint8]) -> None:
        """Lend ``memory``, which ``descriptor`` maps: inputs that are views of it are not copied, if sent alone."""
        self._loans[number] = memory
        self._unsent_loans[number] = os.dup(descriptor)

    def call_in(self, number: int) -> None:
        """End a loan."""
        del self._loans[number]
        self.tell(wire.FORGET, number=number)

    def hears(self, seconds: float) -> bool:
        """Whether a message, or the end of the channel, comes within ``seconds``."""
        return bool(readable(self._sock, seconds=seconds))

    def ended(self) -> bool:
        """Wait for the end of the channel; False when there is a message instead."""
        return self._sock.recv(wire.CHANNEL_MESSAGE.size) == b""

    def close(self) -> None:
        """End the channel."""
        self._sock.close()

    def _packed(self, details: Details) -> bytes:
        # Invalid details have room for the flags too.
        return (
            details.ljust(64, b"\0")
            if isinstance(details, bytes)
            else pack_details(details or [Detail()] * len(self._rows))
        )

    def _send_loans(self) -> None:
        while self._unsent_loans:
            number, descriptor = self._unsent_loans.popitem()
            more = wire.NEW_LOAN if self._unsent_loans else 0
            size = self._loans[number].nbytes
            message = wire.CHANNEL_MESSAGE.pack(wire.LOAN, more, 0, number, self._batch, 0, size)
            send(self._sock, message, (descriptor,))
            os.close(descriptor)

    def _rows_of(self, request: Arrays) -> int:
        return len(next(iter(request.values()))) if self._declaration.batched else 1

    def _write(self, block: bytes, tensors: list[Any], details: bytes, at: int) -> int:
        end = max((position + encoded.size for encoded, position in tensors), default=len(block))
        end = max(end, len(block), at + len(details))
        flags = 0
        if self._request is None or self._request.size < end:
            self._request = new_segment(max(end, self._size))
            flags = wire.NEW_SEGMENT
        self._request.view[: len(block)] = block
        self._request.view[at : at + len(details)] = details
        for encoded, position in tensors:
            write(encoded, self._request, position)
        return flags

    def next_message(self) -> wire.ChannelMessage:
        """The next message about the batch, its new segment taken; raises AssertionError at the end of the loop."""
        while True:
            data, descriptors = receive(self._sock)
            if not data:
                self._on_end()
            message = wire.ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack_from(data))
            assert message.batch == self._batch
            if not self.called.takes(message):
                break
            self.called.handle(message, data[wire.CHANNEL_MESSAGE.size :], descriptors, self._request)
        for descriptor in descriptors:
            self._response = Segment(message.segment, descriptor, writable=False)
            os.close(descriptor)
        return message

    def _on_end(self) -> NoReturn:
        raise AssertionError("the worker ended without an answer")

    def read(self, message: wire.ChannelMessage) -> tuple[list[Arrays | RequestFailure], list[wire.ResponseParameter]]:
        """The content of the block that a message names: outcomes, and parameters of responses."""
        rows = self._rows
        results, entries, parameters = unpack_response_block(self._response.view, message.offset, message.length)
        self.entries = entries
        assert len(results) == len(rows)
        outcomes: list[Arrays | RequestFailure] = []
        for index, (code, text) in enumerate(results):
            outcomes.append(RequestFailure(_CODES[code], text) if code else self._outputs(index, rows, entries))  # type: ignore[arg-type]
        return outcomes, parameters

    def _outputs(self, index: int, rows: list[int], entries: list[wire.TensorEntry]) -> Arrays:
        outputs = {}
        for entry in entries:
            if not entry.first <= index < entry.first + entry.requests:
                continue
            tensor = self._declaration.outputs[entry.tensor]
            if entry.flags >> wire.LOAN_SHIFT:
                array = view_array(self._answered_loans[entry.flags >> wire.LOAN_SHIFT], entry, tensor.dtype)
            else:
                segments = {wire.IN_REQUEST: self._answered_request, wire.IN_CALLS: self.called.segment}
                segment = segments[entry.flags] if entry.flags else self._response
                assert segment is not None
                array = read_array(segment, entry, tensor.dtype)
            start = sum(rows[entry.first : index])
            outputs[tensor.name] = (
                array[start : start + rows[index]].copy() if self._declaration.batched else array.copy()
            )
        return outputs


def new_segment(size: int) -> Segment:
    """A segment whose descriptor is not sent yet."""
    descriptor = create_segment_file(size)
    segment = Segment(next(_numbers), descriptor, writable=True)
    segment.unsent = descriptor
    return segment
