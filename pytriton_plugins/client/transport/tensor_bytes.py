"""The bytes of a tensor as Triton sends it in binary, over both protocols, and back."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.model.tensors import NUMERIC, dtype_by_triton_name

Array = NDArray[Any]
_NUMERIC = {dtype.triton for dtype in NUMERIC} | {"BF16"}


def to_bytes(array: Array) -> bytes:
    """The elements in C order, little-endian; BYTES (an array of objects) with the length before each."""
    if array.dtype != object:
        return array.tobytes()
    from tritonclient.utils import serialize_byte_tensor

    serialized = serialize_byte_tensor(array)
    content: bytes = serialized.item() if serialized.size else b""
    return content


def to_array(datatype: str, shape: tuple[int, ...], content: bytes) -> Array:
    """The array of a response, a copy; raises ValueError if ``content`` does not fit."""
    if datatype == "BYTES":
        from tritonclient.utils import deserialize_bytes_tensor

        try:
            found: Array = deserialize_bytes_tensor(content).reshape(shape)
        except struct.error as error:
            raise ValueError(f"invalid lengths of strings: {error}") from None
        return found
    if datatype not in _NUMERIC:
        raise ValueError(f"unknown datatype {datatype}")
    # A copy, so that callers may write to it.
    copy: Array = np.frombuffer(content, dtype_by_triton_name(datatype).numpy).reshape(shape).copy()
    return copy
