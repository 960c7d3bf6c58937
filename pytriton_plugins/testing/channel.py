"""A callable in this process behind a real channel, whose other end sends batches as the backend does.

Runs in the test process: the worker's loop in a thread, sealed segments, the same blocks and messages; no Triton.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ShmError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import read_array, view_array, write
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.shm.segment import Segment, create_segment_file
from pytriton_plugins.shm.sockets import receive, send, socket_pair
from pytriton_plugins.testing.blocks import pack_details, request_block, unpack_response_block
from pytriton_plugins.testing.placing import head_size, place_inputs
from pytriton_plugins.worker.call import CallPlan
from pytriton_plugins.worker.exchange import Surroundings
from pytriton_plugins.worker.failures import RequestFailure
from pytriton_plugins.worker.slots import server_class

TIMEOUT = 60.0
"""Seconds that one batch may take."""

HEADERS = frozenset({"x-request-id", "traceparent"})
"""Parameters that arrive as headers."""

Arrays = dict[str, NDArray[Any]]
_CODES = {number: code for code, number in wire.OUTCOME_CODES.items()}


NewServer = Callable[..., Any]
Details = Sequence[Detail] | bytes
"""One for each request, or what is to stand in their place."""


class Answered(NamedTuple):
    """What came back for one batch: outputs by name or a failure for each request; whether inputs were kept.

    ``said``: parameters of the responses, of a stream those of all of them. ``parts``: the responses of a stream, whose
    outcome at the end is a failure or has no outputs.
    """

    outcomes: list[Arrays | RequestFailure]
    retired: bool
    said: list[wire.ResponseParameter]
    parts: list[Arrays]


class ChannelEnd:
    """The end of a channel that sends batches and reads the answers; arrays have their wire shapes."""

    def __init__(
        self, declaration: ModelDeclaration, callable_: Callable[..., Any], size: int, new_server: NewServer
    ) -> None:
        self._declaration = declaration
        self._size = size
        self._segments = 0
        self._batch = 0
        self._request: Segment | None = None
        self._answered_request: Segment | None = None
        self.entries: list[wire.TensorEntry] = []
        """Where the outputs of the last answer lie."""
        self.needs: list[int] = []
        """How many bytes the worker asked the host for, each time."""
        self.is_full = False
        """Whether the host refuses."""
        self.ended_by: BaseException | None = None
        """What ended the worker's loop before its channel did."""
        self._rows: list[int] = []
        self._details = 0
        self._loans: dict[int, NDArray[np.uint8]] = {}
        self._answered_loans: dict[int, NDArray[np.uint8]] = {}
        self._unsent_loans: dict[int, int] = {}
        self._sock, theirs = socket_pair()
        self._sock.settimeout(TIMEOUT)
        response = self._new_segment(size)
        response.unsent = os.dup(response.unsent)
        self._response = response
        self.surroundings = Surroundings(declaration.name, declaration.timeout, HEADERS)
        calls = CallPlan(declaration, callable_)
        server = new_server(theirs, response, declaration, calls, self._need, self.surroundings)
        self._thread = threading.Thread(target=self._serve, args=(server, theirs), daemon=True)
        self._thread.start()

    @property
    def given_back(self) -> int:
        """How many outputs of the last batch were left where their inputs lie."""
        return sum(entry.flags != 0 for entry in self.entries)

    def send(self, *requests: Arrays, details: Details = (), most: int | None = None) -> Answered:
        """Run the requests, which have the same inputs, as one batch in which all outputs are wanted.

        ``details`` of each, for a callable that looks at them. After ``most`` responses of a stream nobody wants more.
        """
        self.ask(*requests, details=details)
        return self.answered(most)

    def ask(self, *requests: Arrays, details: Details = (), requested: int | None = None) -> None:
        """Send the batch only. ``requested``: which outputs each request wants, a bit for each."""
        self._rows = rows = [self._rows_of(request) for request in requests]
        entries, tensors = place_inputs(self._declaration, requests, rows, self._loans)
        end = max((position + encoded.size for encoded, position in tensors), default=0)
        packed = self._packed(details) if self._declaration.has_details else b""
        at = wire.aligned(max(end, head_size(len(rows), len(entries)))) if packed else 0
        self._details = at
        wanted = (1 << len(self._declaration.outputs)) - 1 if requested is None else requested
        block = request_block(rows, wanted, entries, at)
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
        said: list[wire.ResponseParameter] = []
        while (message := self.next_message()).kind == wire.PART:
            ((part,), parameters) = self.read(message)
            assert not isinstance(part, RequestFailure)
            parts.append(part)
            said += parameters
            self.take(unwanted=most is not None and len(parts) >= most)
        assert message.kind == wire.DONE
        self._answered_request, self._answered_loans = self._request, dict(self._loans)
        retired = bool(message.flags & wire.RETIRED)
        if retired:
            self._request = None
            self._loans.clear()
        outcomes, parameters = self.read(message)
        return Answered(outcomes, retired, said + parameters, parts)

    def take(self, *, unwanted: bool = False) -> None:
        """Say that the last part was read, and whether nobody wants another one."""
        flags = wire.CANCELLED if unwanted else 0
        send(self._sock, wire.CHANNEL_MESSAGE.pack(wire.TAKEN, flags, 0, 0, self._batch, 0, 0))

    def cancel(self, *places: int) -> None:
        """Let the worker see that nobody waits for these requests of the batch, and tell it if that is so of all."""
        assert self._request is not None
        for place in places if self._details else ():
            self._request.view[self._details + 16 + 4 * place] = 1
        if self._declaration.is_async and len(places) == len(self._rows):
            send(self._sock, wire.CHANNEL_MESSAGE.pack(wire.CANCEL, 0, 0, 0, self._batch, 0, 0))

    def lend(self, number: int, descriptor: int, memory: NDArray[np.uint8]) -> None:
        """Lend ``memory``, which ``descriptor`` maps: requests of views of it, sent alone, are not copied."""
        self._loans[number] = memory
        self._unsent_loans[number] = os.dup(descriptor)

    def call_in(self, number: int) -> None:
        """End a loan."""
        del self._loans[number]
        send(self._sock, wire.CHANNEL_MESSAGE.pack(wire.FORGET, 0, 0, number, 0, 0, 0))

    def close(self) -> None:
        """End the channel and wait for the worker's loop."""
        self._sock.close()
        self._thread.join(TIMEOUT)

    def _packed(self, details: Details) -> bytes:
        # Room for the flags is there even where the details are damaged.
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

    def _serve(self, server: Any, sock: Any) -> None:
        try:
            with sock:
                served = server.serve()
                if served is not None:
                    import asyncio

                    asyncio.run(served)
        except BaseException as error:
            self.ended_by = error

    def _need(self, size: int, replaced: int) -> Segment:
        self.needs.append(size)
        if self.is_full:
            raise ShmError("no more memory")
        return self._new_segment(size)

    def _new_segment(self, size: int) -> Segment:
        descriptor = create_segment_file(size)
        self._segments += 1
        segment = Segment(self._segments, descriptor, writable=True)
        segment.unsent = descriptor
        return segment

    def _rows_of(self, request: Arrays) -> int:
        return len(next(iter(request.values()))) if self._declaration.batched else 1

    def _write(self, block: bytes, tensors: list[Any], details: bytes, at: int) -> int:
        end = max((position + encoded.size for encoded, position in tensors), default=len(block))
        end = max(end, len(block), at + len(details))
        flags = 0
        if self._request is None or self._request.size < end:
            self._request = self._new_segment(max(end, self._size))
            flags = wire.NEW_SEGMENT
        self._request.view[: len(block)] = block
        self._request.view[at : at + len(details)] = details
        for encoded, position in tensors:
            write(encoded, self._request, position)
        return flags

    def next_message(self) -> wire.ChannelMessage:
        """The next message about the batch, a new segment taken; raises AssertionError at the end of the loop."""
        data, descriptors = receive(self._sock, wire.CHANNEL_MESSAGE.size)
        if not data:
            self._thread.join(TIMEOUT)
            raise AssertionError("the worker's loop ended without an answer") from self.ended_by
        message = wire.ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(data))
        assert message.batch == self._batch
        for descriptor in descriptors:
            self._response = Segment(message.segment, descriptor, writable=False)
            os.close(descriptor)
        return message

    def read(self, message: wire.ChannelMessage) -> tuple[list[Arrays | RequestFailure], list[wire.ResponseParameter]]:
        """What stands in the block that a message names: outcomes, and parameters of responses."""
        rows = self._rows
        results, entries, said = unpack_response_block(self._response.view, message.offset, message.length)
        self.entries = entries
        assert len(results) == len(rows)
        outcomes: list[Arrays | RequestFailure] = []
        for index, (code, text) in enumerate(results):
            outcomes.append(RequestFailure(_CODES[code], text) if code else self._outputs(index, rows, entries))  # type: ignore[arg-type]
        return outcomes, said

    def _outputs(self, index: int, rows: list[int], entries: list[wire.TensorEntry]) -> Arrays:
        outputs = {}
        for entry in entries:
            if not entry.first <= index < entry.first + entry.requests:
                continue
            tensor = self._declaration.outputs[entry.tensor]
            if entry.flags >> wire.LOAN_SHIFT:
                array = view_array(self._answered_loans[entry.flags >> wire.LOAN_SHIFT], entry, tensor.dtype)
            else:
                segment = self._answered_request if entry.flags else self._response
                assert segment is not None
                array = read_array(segment, entry, tensor.dtype)
            start = sum(rows[entry.first : index])
            outputs[tensor.name] = (
                array[start : start + rows[index]].copy() if self._declaration.batched else array.copy()
            )
        return outputs


@contextlib.contextmanager
def open_channel(
    declaration: ModelDeclaration,
    callable_: Callable[..., Any],
    size: int = 1 << 16,
    new_server: NewServer | None = None,
) -> Iterator[ChannelEnd]:
    """A channel to ``callable_``; ``size`` is that of the first segments in bytes; ``new_server`` makes its end."""
    end = ChannelEnd(declaration, callable_, size, new_server or server_class(declaration, observed=False))
    try:
        yield end
    finally:
        end.close()
