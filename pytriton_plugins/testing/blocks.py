"""The blocks of a channel as the backend writes and reads them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.details import Detail, Value, packed_value


def request_block(
    rows: list[int], requested: int, inputs: list[wire.TensorEntry], details: int = 0, outputs: int = 1
) -> bytes:
    """A request block of a model with ``outputs`` outputs; ``details``: where those begin in the segment."""
    tensors = bytearray(wire.TENSOR_ENTRY.size * len(inputs))
    for index, entry in enumerate(inputs):
        entry.pack_into(memoryview(tensors), index * wire.TENSOR_ENTRY.size)
    size = wire.request_entry_size(outputs)
    mask = requested.to_bytes(size - wire.REQUEST_ENTRY.size, "little")
    length = wire.REQUEST_HEADER.size + size * len(rows) + len(tensors)
    counts = (length, len(rows), len(inputs), sum(rows))
    head = wire.REQUEST_HEADER.pack(wire.REQUEST_MAGIC, wire.VERSION, 0, *counts, details)
    return head + b"".join(wire.REQUEST_ENTRY.pack(count, 0) + mask for count in rows) + tensors


def unpack_response_block(
    buffer: memoryview, offset: int, length: int
) -> tuple[list[tuple[int, str]], list[wire.TensorEntry], list[wire.ResponseParameter]]:
    """Code and text for each request, the tensors' entries, and the parameters of responses."""
    block = bytes(buffer[offset : offset + length])
    magic, version, _, size, requests, outputs, parameters = wire.RESPONSE_HEADER.unpack_from(block)
    assert (magic, version, size) == (wire.RESPONSE_MAGIC, wire.VERSION, length)
    results = []
    position = wire.RESPONSE_HEADER.size
    for _ in range(requests):
        code, text_length, text_at = wire.OUTCOME.unpack_from(block, position)
        results.append((code, block[text_at : text_at + text_length].decode()))
        position += wire.OUTCOME.size
    entries = []
    for _ in range(outputs):
        entries.append(wire.TensorEntry.unpack_from(block, position))
        position += wire.TENSOR_ENTRY.size
    values = []
    for _ in range(parameters):
        request, kind, name_length, value_length, at = wire.RESPONSE_PARAMETER.unpack_from(block, position)
        name, value = block[at : at + name_length], block[at + name_length : at + name_length + value_length]
        values.append(wire.ResponseParameter(request, kind, name, value))
        position += wire.RESPONSE_PARAMETER.size
    return results, entries, values


def pack_details(details: Sequence[Detail]) -> bytes:
    """Details of requests in the format of docs/reference/protocol.md, none of them cancelled."""
    records = b"".join(map(_record, details))
    flags = bytes((4 * len(details) + 7) // 8 * 8)
    return struct.pack("<QI4x", 16 + len(flags) + len(records), len(details)) + flags + records


def _record(detail: Detail) -> bytes:
    name, correlation = detail.id.encode(), detail.correlation_id
    text = correlation.encode() if isinstance(correlation, str) else b""
    kind, number = (2, 0) if text else (1, correlation) if correlation else (0, 0)
    tail = name + text + b"".join(_parameter(*parameter) for parameter in detail.parameters)
    tail += bytes(-len(tail) % 8)
    flags = detail.sequence_start | detail.sequence_end << 1
    lengths = len(name), len(text), len(detail.parameters)
    return struct.pack("<IIQIIIIQ", 40 + len(tail), kind, number, *lengths, flags, detail.timeout) + tail


def _parameter(name: str, value: Value) -> bytes:
    kind, packed = packed_value(value)
    return struct.pack("<III4x", kind, len(name.encode()), len(packed)) + name.encode() + packed
