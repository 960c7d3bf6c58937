"""Every binary layout of docs/reference/protocol.md as struct formats and small records."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from pytriton_plugins.errors import ProtocolError

VERSION = 1
ALIGNMENT = 64
MAX_MESSAGE = 65536
MAX_ERROR_TEXT = 4096

EXECUTE, DONE, SEGMENT, LOAN, FORGET, TRIM, PART, TAKEN, CANCEL = 1, 2, 3, 4, 5, 6, 7, 8, 9
CALL, RESULT, ROOM, ABANDON = 10, 11, 12, 13
NEW_SEGMENT, RETIRED, NEW_LOAN, CANCELLED, FINAL, NO_ROOM, LINGERS = 1, 2, 4, 8, 16, 32, 64
CALL_STREAM, CALL_START, CALL_END = 1, 2, 4
MAX_OPEN_CALLS = 64
"""Calls of a channel that are open at once."""

IN_CALL_SEGMENT, IN_REQUEST_SEGMENT = 0, 1
"""The place of an input of a call."""

IN_REQUEST, IN_CALLS = 1, 2
LOAN_SHIFT = 8
"""From this bit on a tensor entry's flags are the number of the loan that has its data."""

REQUEST_MAGIC, RESPONSE_MAGIC = b"PTRQ", b"PTRS"
CHANNEL_MESSAGE = struct.Struct("<IIIIQQQ")
REQUEST_HEADER = struct.Struct("<4sHHIIIIQ32x")
REQUEST_ENTRY = struct.Struct("<II")
TENSOR_ENTRY = struct.Struct("<IBBHIIQQ8q")
RESPONSE_HEADER = struct.Struct("<4sHHIIII8x")
OUTCOME = struct.Struct("<IIQ")
RESPONSE_PARAMETER = struct.Struct("<IIIIQ")
CALL_HEADER = struct.Struct("<IIqQQQIIIIQQ24x")
CALL_TENSOR = struct.Struct("<BBHIQQ")
"""An input of a call or an output of a result, before its dims and name."""

CALL_ROOM = struct.Struct("<QQ")
RESULT_HEADER = struct.Struct("<IIIIQI4x")
LINK_HEADER = struct.Struct("<IIIIQQ")
DECLARATION = struct.Struct("<IIIIIIQIIIIIII4x")
DECLARED_SEQUENCE = struct.Struct("<II")
DECLARED_TENSOR = struct.Struct("<BBHI")
METRIC_HEADER = struct.Struct("<BBHHHI4x")
METRIC_CHANGE = struct.Struct("<dQ")
METRIC_LABEL = struct.Struct("<HH")

COUNTER, GAUGE, HISTOGRAM = 1, 2, 3
MAX_OBSERVATIONS = 65536
"""Of one histogram in one message."""

OUTCOME_CODES = {
    "INTERNAL": 1,
    "NOT_FOUND": 2,
    "INVALID_ARG": 3,
    "UNAVAILABLE": 4,
    "UNSUPPORTED": 5,
    "ALREADY_EXISTS": 6,
    "CANCELLED": 7,
    "UNKNOWN": 8,  # Triton's 0, which is success here
}


class LinkKind:
    """Kinds of the messages on the backend link."""

    HELLO = 1
    MODEL = 2
    CHANNEL = 3
    CHANNEL_GONE = 4
    SEGMENT = 5
    REFUSED = 6
    GATE = 7
    STOP = 8
    GIVE_UP = 9
    COUNT = 10
    RETIRE = 11
    METRIC = 12
    BUSY = 13
    ENSEMBLE = 14
    BACKEND_HELLO = 101
    ACK = 102
    NEED = 103
    CHANNEL_LOST = 104
    MODEL_GONE = 105


class ChannelMessage(NamedTuple):
    """A message of a channel's socket; ``length`` in bytes."""

    kind: int
    flags: int
    slot: int
    segment: int
    batch: int
    offset: int
    length: int


class LinkMessage(NamedTuple):
    """A message of the backend link, without its descriptors."""

    kind: int
    model: int = 0
    channel: int = 0
    segment: int = 0
    token: int = 0
    value: int = 0
    payload: bytes = b""

    def pack(self) -> bytes:
        return LINK_HEADER.pack(*self[:6]) + self.payload

    @classmethod
    def unpack(cls, data: bytes) -> LinkMessage:
        if len(data) < LINK_HEADER.size:
            raise ProtocolError(f"backend link: a message of {len(data)} bytes; at least {LINK_HEADER.size} are needed")
        return cls(*LINK_HEADER.unpack_from(data))._replace(payload=data[LINK_HEADER.size :])


class MetricEntry(NamedTuple):
    """One metric of a METRIC message: ``changes`` are values, and how often each is added, set or observed."""

    kind: int
    name: str
    help: str
    labels: tuple[tuple[str, str], ...]
    changes: tuple[tuple[float, int], ...]
    buckets: tuple[float, ...] = ()

    def pack(self) -> bytes:
        help_text, name = self.help.encode(), self.name.encode()
        lengths = len(self.buckets), len(help_text), len(name), len(self.changes)
        parts = [
            METRIC_HEADER.pack(self.kind, len(self.labels), *lengths),
            struct.pack(f"<{lengths[0]}d", *self.buckets),
        ]
        parts += [METRIC_CHANGE.pack(*change) for change in self.changes]
        parts += [help_text, name]
        for label, value in ((label.encode(), value.encode()) for label, value in self.labels):
            parts += [METRIC_LABEL.pack(len(label), len(value)), label, value]
        return b"".join(parts)


class TensorEntry(NamedTuple):
    """One tensor of a batch: the index of its declaration, the requests that it covers, the place of its bytes."""

    tensor: int
    dtype: int
    first: int
    requests: int
    offset: int
    length: int
    dims: tuple[int, ...]
    flags: int = 0

    def pack_into(self, buffer: memoryview, position: int) -> None:
        rank = len(self.dims)
        padding = (0,) * (8 - rank)
        head = (self.tensor, self.dtype, rank, self.flags, self.first, self.requests, self.offset, self.length)
        TENSOR_ENTRY.pack_into(buffer, position, *head, *self.dims, *padding)

    @classmethod
    def unpack_from(cls, buffer: memoryview | bytes, position: int) -> TensorEntry:
        tensor, dtype, rank, flags, first, requests, offset, length, *dims = TENSOR_ENTRY.unpack_from(buffer, position)
        return cls(tensor, dtype, first, requests, offset, length, tuple(dims[:rank]), flags)


class ResponseParameter(NamedTuple):
    """One parameter of the response to ``request``, by its place in the batch; ``value`` as the protocol has it."""

    request: int
    kind: int
    name: bytes
    value: bytes


class RequestBlock(NamedTuple):
    """The metadata of one batch as the backend wrote it."""

    rows: tuple[int, ...]
    requested: tuple[int, ...]
    inputs: tuple[TensorEntry, ...]
    details: int = 0
    """The offset of the requests' details in the segment; 0 for none."""


def unpack_request_block(buffer: memoryview, offset: int, length: int) -> RequestBlock:
    """The request block at ``offset``; raises ProtocolError for another version or wrong lengths."""
    header = REQUEST_HEADER.unpack_from(buffer, offset)
    magic, version, _, block_length, request_count, input_count, _, details = header
    if magic != REQUEST_MAGIC or version != VERSION or block_length != length:
        raise ProtocolError(f"request block at offset {offset} is not of version {VERSION}: {header!r}")
    position = offset + REQUEST_HEADER.size
    rows, requested = [], []
    masks = length - REQUEST_HEADER.size - TENSOR_ENTRY.size * input_count - REQUEST_ENTRY.size * request_count
    mask_size = masks // max(request_count, 1)
    if mask_size < 0 or mask_size * request_count != masks:
        raise ProtocolError(f"request block has {length} bytes for {request_count} requests and {input_count} inputs")
    for _ in range(request_count):
        row_count, _ = REQUEST_ENTRY.unpack_from(buffer, position)
        rows.append(row_count)
        position += REQUEST_ENTRY.size
        requested.append(int.from_bytes(buffer[position : position + mask_size], "little"))
        position += mask_size
    inputs = []
    for _ in range(input_count):
        inputs.append(TensorEntry.unpack_from(buffer, position))
        position += TENSOR_ENTRY.size
    return RequestBlock(tuple(rows), tuple(requested), tuple(inputs), details)


def response_block(
    outcomes: list[tuple[int, bytes]], outputs: list[TensorEntry], parameters: Sequence[ResponseParameter] = ()
) -> bytearray:
    """The response block for ``outcomes``, one ``(code, message)`` per request, and the tensors' entries."""
    entries_at = RESPONSE_HEADER.size + OUTCOME.size * len(outcomes)
    parameters_at = entries_at + TENSOR_ENTRY.size * len(outputs)
    texts_at = parameters_at + RESPONSE_PARAMETER.size * len(parameters)
    length = texts_at + sum(len(text) for _, text in outcomes)
    length += sum(len(each.name) + len(each.value) for each in parameters)
    block = bytearray(length)
    view = memoryview(block)
    counts = (length, len(outcomes), len(outputs), len(parameters))
    RESPONSE_HEADER.pack_into(view, 0, RESPONSE_MAGIC, VERSION, 0, *counts)
    position = RESPONSE_HEADER.size
    for code, text in outcomes:
        OUTCOME.pack_into(view, position, code, len(text), texts_at if text else 0)
        view[texts_at : texts_at + len(text)] = text
        texts_at += len(text)
        position += OUTCOME.size
    for entry in outputs:
        entry.pack_into(view, position)
        position += TENSOR_ENTRY.size
    for request, kind, name, value in parameters:
        RESPONSE_PARAMETER.pack_into(view, position, request, kind, len(name), len(value), texts_at)
        view[texts_at : texts_at + len(name) + len(value)] = name + value
        texts_at += len(name) + len(value)
        position += RESPONSE_PARAMETER.size
    return block


def request_entry_size(outputs: int) -> int:
    """Bytes of a request in a request block: its entry and a bit for each of ``outputs``, in words of 64 bits."""
    return REQUEST_ENTRY.size + 8 * ((outputs + 63) // 64)


def aligned(position: int) -> int:
    """``position`` rounded up to a multiple of 64."""
    return (position + ALIGNMENT - 1) & -ALIGNMENT
