"""Details of requests (ids, parameters, flags), which the backend writes, and parameters of responses."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm.wire import ResponseParameter

Value = str | int | bool | float

_HEAD = struct.Struct("<QIxxxx")
_SIZE = struct.Struct("<Q").unpack_from
_FLAG = struct.Struct("<I")
_DETAIL = struct.Struct("<IIQIIIIQ")
PARAMETER = struct.Struct("<IIIxxxx")
"""Type, name length and value length of a parameter, before its name and value."""

_STRING, _INT, _BOOL, _DOUBLE = 1, 2, 3, 4
_NUMBER = 1
_START, _END = 1, 2
_FORMS = {_INT: struct.Struct("<q"), _BOOL: struct.Struct("<?"), _DOUBLE: struct.Struct("<d")}

MAX_PARAMETERS, MAX_NAME, MAX_VALUE = 64, 256, 4096
"""Parameters of a response, and bytes of a name and of a text."""


class Detail(NamedTuple):
    """Details of one request: ``correlation_id`` 0 for none, ``parameters`` in the order in which they came.

    ``timeout`` in microseconds; 0 for none.
    """

    id: str = ""
    correlation_id: int | str = 0
    parameters: tuple[tuple[str, Value], ...] = ()
    timeout: int = 0
    sequence_start: bool = False
    sequence_end: bool = False


def details_size(view: memoryview, offset: int) -> int:
    """The bytes of the details at ``offset``."""
    size: int = _SIZE(view, offset)[0]
    return size


def flags_size(count: int) -> int:
    """Bytes from the start of the details of ``count`` requests to the end of their flags."""
    return _HEAD.size + (count * _FLAG.size + 7) // 8 * 8


def read_details(view: memoryview, offset: int) -> list[Detail]:
    """The details at ``offset``, one for each request; raises ProtocolError for bytes that cannot be read."""
    try:
        return _read(view, offset)
    except (struct.error, LookupError) as error:
        raise ProtocolError(f"channel: details of requests cannot be read: {error}") from error


def _read(view: memoryview, offset: int) -> list[Detail]:
    _, count = _HEAD.unpack_from(view, offset)
    at = offset + flags_size(count)
    details = []
    for _ in range(count):
        length, *_ = head = _DETAIL.unpack_from(view, at)
        if length < _DETAIL.size:
            raise LookupError(f"a record of {length} bytes")
        details.append(_detail(view, at + _DETAIL.size, *head[1:]))
        at += length
    return details


def is_cancelled(view: memoryview, offset: int, request: int) -> bool:
    """Whether the backend has flagged the request, given by its place in the batch, as cancelled.

    Raises struct.error for a place beyond the end of ``view``.
    """
    (flag,) = _FLAG.unpack_from(view, offset + _HEAD.size + request * _FLAG.size)
    return bool(flag)


def _detail(
    view: memoryview,
    at: int,
    kind: int,
    number: int,
    id_length: int,
    text_length: int,
    parameters: int,
    flags: int,
    timeout: int,
) -> Detail:
    request_id = read_text(view, at, id_length)
    text = read_text(view, at + id_length, text_length)
    at += id_length + text_length
    values = []
    for _ in range(parameters):
        form, name_length, value_length = PARAMETER.unpack_from(view, at)
        at += PARAMETER.size
        name = read_text(view, at, name_length)
        at += name_length
        values.append((name, read_value(view, at, form, value_length)))
        at += value_length
    correlation_id = number if kind == _NUMBER else text or 0
    return Detail(request_id, correlation_id, tuple(values), timeout, bool(flags & _START), bool(flags & _END))


def read_text(view: memoryview, at: int, length: int) -> str:
    """The text at ``at``; raises LookupError when it goes beyond the end."""
    if at + length > len(view):
        raise LookupError(f"a text of {length} bytes that goes beyond the end")
    return str(view[at : at + length], "utf-8", "replace")


def read_value(view: memoryview, at: int, form: int, length: int) -> Value:
    """The value of a parameter; raises LookupError for an unknown form or a cut text, struct.error for a cut number."""
    if form == _STRING:
        return read_text(view, at, length)
    value: int | bool | float
    (value,) = _FORMS[form].unpack_from(view, at)
    return value


def response_parameter(request: int, name: str, value: Any) -> ResponseParameter:
    """A parameter of the response to a request; raises TypeError or ValueError for one that cannot be sent.

    A scalar of numpy is sent as Python's number.
    """
    encoded = _utf8(name) if isinstance(name, str) else None
    if encoded is None or not 0 < len(encoded) <= MAX_NAME or b"\0" in encoded:
        raise ValueError(f"a response parameter's name is {name!r}; write a text of 1 to {MAX_NAME} bytes")
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if not isinstance(value, (bool, int, float, str)):
        raise TypeError(f"response parameter {name!r} is a {type(value).__name__}; write a str, int, float or bool")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"response parameter {name!r} is {value}; write a whole number of 64 bits, or a text")
    if isinstance(value, str) and _utf8(value) is None:
        raise ValueError(f"response parameter {name!r} is not valid UTF-8; remove lone surrogates")
    kind, packed = packed_value(value)
    if kind == _STRING and (len(packed) > MAX_VALUE or b"\0" in packed):
        raise ValueError(
            f"response parameter {name!r} has {len(packed)} bytes; write at most {MAX_VALUE}, without zero bytes"
        )
    return ResponseParameter(request, kind, encoded, packed)


def packed_value(value: Value) -> tuple[int, bytes]:
    """The type and the bytes of a parameter's value."""
    if isinstance(value, str):
        return _STRING, value.encode()
    kind = _BOOL if isinstance(value, bool) else _INT if isinstance(value, int) else _DOUBLE
    return kind, _FORMS[kind].pack(value)


def _utf8(text: str) -> bytes | None:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None
