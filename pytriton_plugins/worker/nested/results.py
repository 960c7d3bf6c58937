"""From a RESULT to the outputs of a response."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import CODES, ModelCallError, ProtocolError
from pytriton_plugins.model.tensors import BYTES, NUMERIC, bfloat16
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import Result, ResultOutput, unpack_result
from pytriton_plugins.shm.details import Value
from pytriton_plugins.worker.nested.memory import Region

Array = NDArray[Any]
_BY_CODE = {dtype.code: dtype.numpy for dtype in (*NUMERIC, BYTES)}
_BFLOAT16 = 14
_REQUEST = "[request id: "
_SCALAR = re.compile(r"Expected \[-1,1\], got \[\d+\]")
"""In Triton's messages about shapes."""

_LENGTH = struct.Struct("<I")
_MAX_KNOWN = 256

_CODES = {wire.OUTCOME_CODES[code]: code for code in CODES}


class Outputs(dict[str, Array]):
    """The outputs of one response by name; ``parameters`` are those that the called model set.

    Shapes have the batch axis, and a scalar of each row is ``(B, 1)``. Strings are ``bytes`` in an array of objects.
    """

    __slots__ = ("parameters",)

    parameters: Mapping[str, Value]


class ResultReader:
    """Reads payloads of RESULT; equal ones are parsed once."""

    def __init__(self) -> None:
        self._known: dict[bytes, Result] = {}

    def read(self, payload: bytes) -> Result:
        """The content; raises ProtocolError."""
        found = self._known.get(payload)
        if found is None:
            found = unpack_result(payload)
            if found.code and found.code not in _CODES:
                raise ProtocolError(f"channel: the result of a call has the unknown code {found.code}")
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[payload] = found
        return found


def error_of(result: Result, model: str) -> ModelCallError:
    """The error of a call of ``model``."""
    text = result.message
    if text.startswith(_REQUEST):  # the caller knows which one
        text = text.partition("] ")[2] or text
    if _SCALAR.search(text):
        text = f"{text.partition(' NOTE: ')[0]} A single value of each row is passed as [B, 1]: write x[:, None]"
    return ModelCallError(model, _CODES[result.code], text)


def outputs_of(result: Result, area: Region, *, copies: bool) -> tuple[Outputs, int]:
    """The outputs in an area, as views of it unless ``copies``, and where in the segment the last view ends.

    Raises ProtocolError for outputs outside the area.
    """
    outputs = Outputs()
    outputs.parameters = dict(result.parameters)
    end = 0
    try:
        for output in result.outputs:
            array, at = _array(output, area)
            outputs[output.name] = array.copy() if copies else array
            end = max(end, at)
    except (ValueError, TypeError, LookupError, struct.error, OverflowError) as error:
        raise ProtocolError(f"channel: an output of a call cannot be read: {error}") from error
    return outputs, end


def _array(output: ResultOutput, area: Region) -> tuple[Array, int]:
    """An output, and where it ends in the area."""
    name, code, dims, offset, length = output
    at = offset - area.origin
    if offset < area.area or at + length > len(area.bytes):
        raise ValueError(f"output {name!r} is outside the area")
    if code == BYTES.code:
        return _strings(area.bytes[at : at + length].tobytes(), dims), 0
    dtype = bfloat16().numpy if code == _BFLOAT16 else _BY_CODE[code]
    array: Array = np.ndarray(dims, dtype, area.bytes, at)
    if array.nbytes != length:
        raise ValueError(f"output {name!r} has {length} bytes for the shape {dims}")
    return array, offset + length


def _strings(data: bytes, dims: tuple[int, ...]) -> Array:
    read, unpack = BytesIO(data).read, _LENGTH.unpack
    count = prod(dims)
    if count < 0 or count * _LENGTH.size > len(data):
        raise ValueError(f"{len(data)} bytes for {count} strings")
    array: Array = np.fromiter((read(unpack(read(4))[0]) for _ in range(count)), object, count)
    return array.reshape(dims)
