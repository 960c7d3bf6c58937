"""The payloads of CALL, read, and of RESULT, written, as the backend does it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from pytriton_plugins.errors import ErrorCode
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import Call, CallInput
from pytriton_plugins.shm.details import PARAMETER, Value, packed_value, read_text, read_value

Entry = tuple[str, int, Sequence[int], int, int]
"""Name, dtype, dims, offset and length of an output."""


def unpack_call(payload: bytes) -> Call:
    """The call in a payload."""
    view, at = memoryview(payload), wire.CALL_HEADER.size
    flags, model_size, *rest = wire.CALL_HEADER.unpack_from(view)
    version, timeout, priority, correlation, inputs, outputs, parameters, id_size, *area = rest
    texts = []
    for size in (model_size, id_size):
        texts.append(read_text(view, at, size))
        at += size
    tensors = []
    for _ in range(inputs):
        each, at = _input(view, at)
        tensors.append(each)
    names = []
    for _ in range(outputs):
        size = int.from_bytes(view[at : at + 4], "little")
        names.append(read_text(view, at + 4, size))
        at += 4 + size
    values: list[tuple[str, Value]] = []
    for _ in range(parameters):
        kind, name_size, value_size = PARAMETER.unpack_from(view, at)
        at += PARAMETER.size
        values.append((read_text(view, at, name_size), read_value(view, at + name_size, kind, value_size)))
        at += name_size + value_size
    assert at == len(payload)
    options: Any = (version, texts[1], timeout, priority, correlation, flags, (area[0], area[1]))
    return Call(texts[0], tensors, names, values, *options)


def _input(view: memoryview, at: int) -> tuple[CallInput, int]:
    dtype, rank, name_size, place, offset, length = wire.CALL_TENSOR.unpack_from(view, at)
    at += wire.CALL_TENSOR.size
    dims = struct.unpack_from(f"<{rank}q", view, at)
    at += 8 * rank
    return CallInput(read_text(view, at, name_size), dtype, dims, offset, length, place), at + name_size


def pack_result(entries: Sequence[Entry], is_response: int, parameters: Sequence[tuple[str, Value]] = ()) -> bytes:
    """A response with outputs at these places, or the end of the responses."""
    parts = [wire.RESULT_HEADER.pack(0, len(entries), len(parameters), 0, 0, is_response)]
    for name, dtype, dims, offset, length in entries:
        text = name.encode()
        parts += [wire.CALL_TENSOR.pack(dtype, len(dims), len(text), 0, offset, length)]
        parts += [struct.pack(f"<{len(dims)}q", *dims), text]
    for name, value in parameters:
        text, (kind, packed) = name.encode(), packed_value(value)
        parts += [PARAMETER.pack(kind, len(text), len(packed)), text, packed]
    return b"".join(parts)


def pack_error(code: ErrorCode, message: str) -> bytes:
    """An error."""
    text = message.encode()[: wire.MAX_ERROR_TEXT]
    return wire.RESULT_HEADER.pack(wire.OUTCOME_CODES[code], 0, 0, len(text), 0, 0) + text


def pack_no_room(needed: int) -> bytes:
    """The answer where a response does not fit."""
    return wire.RESULT_HEADER.pack(0, 0, 0, 0, needed, 0)
