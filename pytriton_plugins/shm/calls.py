"""Calls between models: the payloads of CALL, ROOM and RESULT (docs/reference/protocol.md)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm.details import PARAMETER, Value, packed_value, read_value

CALL_HEADER = struct.Struct("<IIqQQQIIIIQQ24x")
CALL_INPUT = struct.Struct("<BBHIQQ")
CALL_OUTPUT = struct.Struct("<I")
ROOM_AREA = struct.Struct("<QQ")
RESULT_HEADER = struct.Struct("<IIIIQIxxxx")
RESULT_OUTPUT = struct.Struct("<BBHxxxxQQ")
DIMS = [struct.Struct(f"<{rank}q") for rank in range(9)]

STREAM, START, END = 1, 2, 4
"""Flags of a call."""

MAX_MODEL = 255
"""Bytes of a model's name."""

MAX_OPEN = 64
"""Calls of a channel that are open at once."""

NEWEST = -1
"""The version that means the newest."""

IN_CALL_SEGMENT, IN_REQUEST_SEGMENT = 0, 1
"""Where an input's data are."""

_UNREADABLE = (struct.error, LookupError, ValueError)


class CallTensor(NamedTuple):
    """An input of a call, or an output of its result; ``offset`` is in the segment, ``place`` of inputs only."""

    name: str
    dtype: int
    dims: tuple[int, ...]
    offset: int
    length: int
    place: int = IN_CALL_SEGMENT


class Call(NamedTuple):
    """The payload of CALL; ``timeout`` in microseconds, 0 for none."""

    model: str
    inputs: Sequence[CallTensor]
    outputs: Sequence[str] = ()
    parameters: Sequence[tuple[str, Value]] = ()
    version: int = NEWEST
    id: str = ""
    timeout: int = 0
    priority: int = 0
    correlation: int = 0
    flags: int = 0
    area: tuple[int, int] = (0, 0)
    """Offset and length of the memory for the first response."""

    def pack(self) -> bytes:
        """The payload."""
        model, request_id = self.model.encode(), self.id.encode()
        counts = len(self.inputs), len(self.outputs), len(self.parameters), len(request_id)
        numbers = self.version, self.timeout, self.priority, self.correlation
        parts = [CALL_HEADER.pack(self.flags, len(model), *numbers, *counts, *self.area), model, request_id]
        for name, dtype, dims, offset, length, place in self.inputs:
            text = name.encode()
            parts += [CALL_INPUT.pack(dtype, len(dims), len(text), place, offset, length), DIMS[len(dims)].pack(*dims)]
            parts.append(text)
        for output in map(str.encode, self.outputs):
            parts += [CALL_OUTPUT.pack(len(output)), output]
        parts += [packed_parameter(name, value) for name, value in self.parameters]
        return b"".join(parts)

    @classmethod
    def unpack(cls, data: bytes | memoryview) -> Call:
        """The call in a payload; raises ProtocolError."""
        try:
            return cls._read(_Reader(data))
        except _UNREADABLE as error:
            raise ProtocolError(f"channel: a call cannot be read: {error}") from error

    @classmethod
    def _read(cls, reader: _Reader) -> Call:
        flags, model_size, *numbers, inputs, outputs, parameters, id_size, at, size = reader.numbers(CALL_HEADER)
        model, request_id = reader.text(model_size), reader.text(id_size)
        tensors = []
        for _ in range(inputs):
            dtype, rank, name_size, place, offset, length = reader.numbers(CALL_INPUT)
            dims = reader.numbers(DIMS[rank])
            tensors.append(CallTensor(reader.text(name_size), dtype, dims, offset, length, place))
        names = [reader.text(*reader.numbers(CALL_OUTPUT)) for _ in range(outputs)]
        values = [reader.parameter() for _ in range(parameters)]
        reader.check_end()
        version, timeout, priority, correlation = numbers
        options = version, request_id, timeout, priority, correlation, flags
        return cls(model, tensors, names, values, *options, (at, size))


class CallResult(NamedTuple):
    """The payload of RESULT; ``code`` is an outcome code, ``needed`` the bytes of a response that does not fit."""

    outputs: Sequence[CallTensor] = ()
    parameters: Sequence[tuple[str, Value]] = ()
    code: int = 0
    message: str = ""
    needed: int = 0
    is_response: bool = False

    def pack(self) -> bytes:
        """The payload."""
        message = self.message.encode()
        counts = self.code, len(self.outputs), len(self.parameters), len(message)
        parts = [RESULT_HEADER.pack(*counts, self.needed, self.is_response), message]
        for name, dtype, dims, offset, length, _ in self.outputs:
            text = name.encode()
            parts += [RESULT_OUTPUT.pack(dtype, len(dims), len(text), offset, length), DIMS[len(dims)].pack(*dims)]
            parts.append(text)
        parts += [packed_parameter(name, value) for name, value in self.parameters]
        return b"".join(parts)

    @classmethod
    def unpack(cls, data: bytes | memoryview) -> CallResult:
        """The result in a payload; raises ProtocolError."""
        try:
            return cls._read(_Reader(data))
        except _UNREADABLE as error:
            raise ProtocolError(f"channel: the result of a call cannot be read: {error}") from error

    @classmethod
    def _read(cls, reader: _Reader) -> CallResult:
        code, outputs, parameters, message_size, needed, is_response = reader.numbers(RESULT_HEADER)
        message = reader.text(message_size)
        tensors = []
        for _ in range(outputs):
            dtype, rank, name_size, offset, length = reader.numbers(RESULT_OUTPUT)
            dims = reader.numbers(DIMS[rank])
            tensors.append(CallTensor(reader.text(name_size), dtype, dims, offset, length))
        values = [reader.parameter() for _ in range(parameters)]
        reader.check_end()
        return cls(tensors, values, code, message, needed, bool(is_response))


def packed_parameter(name: str, value: Value) -> bytes:
    """A parameter of a request as it travels."""
    text = name.encode()
    kind, packed = packed_value(value)
    return PARAMETER.pack(kind, len(text), len(packed)) + text + packed


class _Reader:
    """Reads a payload from its start; raises one of `_UNREADABLE` beyond its end."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._at = 0

    def numbers(self, layout: struct.Struct) -> tuple[int, ...]:
        found = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return found

    def text(self, size: int) -> str:
        return str(self._bytes(size), "utf-8", "replace")

    def parameter(self) -> tuple[str, Value]:
        kind, name_size, value_size = self.numbers(PARAMETER)
        name = self.text(name_size)
        return name, read_value(self._bytes(value_size), 0, kind, value_size)

    def check_end(self) -> None:
        if self._at != len(self._data):
            raise ValueError(f"{len(self._data) - self._at} bytes too many")

    def _bytes(self, size: int) -> memoryview:
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise LookupError(f"a text of {size} bytes that goes beyond the end")
        self._at += size
        return found
