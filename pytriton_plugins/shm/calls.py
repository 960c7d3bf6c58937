"""Messages of calls between models: CALL, ROOM and ABANDON of the worker, RESULT of the backend."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.details import PARAMETER, Value, packed_value, read_text, read_value


class CallInput(NamedTuple):
    """An input of a call; its data are at ``offset`` of the call segment, with ``place`` 1 of the request segment."""

    name: str
    dtype: int
    dims: tuple[int, ...]
    offset: int
    length: int
    place: int = wire.IN_CALL_SEGMENT


class Call(NamedTuple):
    """The payload of a CALL: ``timeout`` in microseconds, ``version`` -1 for the newest, ``area`` offset and length."""

    model: str
    inputs: Sequence[CallInput] = ()
    outputs: Sequence[str] = ()
    parameters: Sequence[tuple[str, Value]] = ()
    version: int = -1
    id: str = ""
    timeout: int = 0
    priority: int = 0
    correlation: int = 0
    flags: int = 0
    area: tuple[int, int] = (0, 0)

    def pack(self) -> bytes:
        """The payload; raises UnicodeEncodeError for a text with lone surrogates."""
        model, request_id = self.model.encode(), self.id.encode()
        counts = len(self.inputs), len(self.outputs), len(self.parameters), len(request_id)
        numbers = self.version, self.timeout, self.priority, self.correlation
        parts = [wire.CALL_HEADER.pack(self.flags, len(model), *numbers, *counts, *self.area), model, request_id]
        for each in self.inputs:
            parts += _packed_input(each)
        for output in self.outputs:
            name = output.encode()
            parts += [len(name).to_bytes(4, "little"), name]
        for key, value in self.parameters:
            name, (kind, packed) = key.encode(), packed_value(value)
            parts += [PARAMETER.pack(kind, len(name), len(packed)), name, packed]
        return b"".join(parts)


def _packed_input(each: CallInput) -> list[bytes]:
    name, rank = each.name.encode(), len(each.dims)
    head = wire.CALL_TENSOR.pack(each.dtype, rank, len(name), each.place, each.offset, each.length)
    return [head, struct.pack(f"<{rank}q", *each.dims), name]


class ResultOutput(NamedTuple):
    """An output of a result: ``length`` bytes at ``offset`` of the segment of its area; strings in Triton's form."""

    name: str
    dtype: int
    dims: tuple[int, ...]
    offset: int
    length: int


class Result(NamedTuple):
    """The payload of a RESULT: ``code`` 0 for success, ``needed`` bytes with NO_ROOM."""

    code: int
    message: str
    needed: int
    response: bool
    outputs: tuple[ResultOutput, ...]
    parameters: tuple[tuple[str, Value], ...]


def call_message(number: int, batch: int, segment: int, payload: bytes, new_segment: bool = False) -> bytes:
    """CALL number ``number``; ``segment`` is the call segment, whose descriptor comes along if it is new."""
    flags = wire.NEW_SEGMENT if new_segment else 0
    return wire.CHANNEL_MESSAGE.pack(wire.CALL, flags, 0, segment, batch, number, len(payload)) + payload


def room_message(number: int, batch: int, segment: int, area: tuple[int, int], new_segment: bool = False) -> bytes:
    """ROOM for the next response of a call; ``area`` is the offset and length of the memory."""
    flags, payload = wire.NEW_SEGMENT if new_segment else 0, wire.CALL_ROOM.pack(*area)
    return wire.CHANNEL_MESSAGE.pack(wire.ROOM, flags, 0, segment, batch, number, len(payload)) + payload


def abandon_message(number: int, batch: int) -> bytes:
    """ABANDON of a call."""
    return wire.CHANNEL_MESSAGE.pack(wire.ABANDON, 0, 0, 0, batch, number, 0)


def unpack_result(payload: bytes) -> Result:
    """The payload of a RESULT; raises ProtocolError for one that cannot be read."""
    try:
        return _result(memoryview(payload))
    except (struct.error, LookupError) as error:
        raise ProtocolError(f"channel: the result of a call cannot be read: {error}") from error


def _result(view: memoryview) -> Result:
    code, output_count, parameter_count, text_length, needed, response = wire.RESULT_HEADER.unpack_from(view)
    at = wire.RESULT_HEADER.size
    message = read_text(view, at, text_length)
    at += text_length
    outputs = []
    for _ in range(output_count):
        output, at = _output(view, at)
        outputs.append(output)
    parameters = []
    for _ in range(parameter_count):
        kind, name_length, value_length = PARAMETER.unpack_from(view, at)
        at += PARAMETER.size
        name = read_text(view, at, name_length)
        parameters.append((name, read_value(view, at + name_length, kind, value_length)))
        at += name_length + value_length
    return Result(code, message, needed, bool(response), tuple(outputs), tuple(parameters))


def _output(view: memoryview, at: int) -> tuple[ResultOutput, int]:
    dtype, rank, name_length, _, offset, length = wire.CALL_TENSOR.unpack_from(view, at)
    at += wire.CALL_TENSOR.size
    dims = struct.unpack_from(f"<{rank}q", view, at)
    at += 8 * rank
    name = read_text(view, at, name_length)
    return ResultOutput(name, dtype, dims, offset, length), at + name_length
