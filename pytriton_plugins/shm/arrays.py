"""Tensors in a segment as numpy arrays, and arrays written to a segment as tensors."""

from __future__ import annotations

from io import BytesIO
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.model.tensors import DType
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.wire import TensorEntry

Array = NDArray[Any]


def read_array(segment: Segment, entry: TensorEntry, dtype: DType) -> Array:
    """The tensor that ``entry`` describes: a read-only view of the segment, or an object array of ``bytes``."""
    return view_array(segment.bytes, entry, dtype) if dtype.item_size else _read_text(segment, entry)


def view_array(memory: NDArray[np.uint8], entry: TensorEntry, dtype: DType) -> Array:
    """The numbers that ``entry`` describes as a view of ``memory``, from whose start its offset counts."""
    array: Array = np.ndarray(entry.dims, dtype.numpy, memory, entry.offset)
    return array


def _read_text(segment: Segment, entry: TensorEntry) -> Array:
    count = prod(entry.dims)
    table = np.frombuffer(segment.view, np.uint64, count + 1, entry.offset)
    text_at = entry.offset + table.nbytes
    text = BytesIO(segment.view[text_at : text_at + table.item(-1)])
    # Read like a file, string after string: slices would take twice as long.
    array: Array = np.fromiter(map(text.read, (table[1:] - table[:-1]).tolist()), object, count)
    return array.reshape(entry.dims)


class Encoded(NamedTuple):
    """An array for a segment: `write` copies its ``size`` bytes there."""

    array: Array
    size: int
    dtype: np.dtype[Any]
    offsets: NDArray[np.uint64] | None = None
    text: bytes = b""


def encode(array: Array, dtype: DType) -> Encoded:
    """``array`` with its size; an object array of ``bytes`` is joined into one text with a table of offsets."""
    if dtype.item_size:
        return Encoded(array, array.nbytes, dtype.numpy)
    items = array.ravel().tolist()
    offsets = np.zeros(len(items) + 1, np.uint64)
    np.add.accumulate(np.fromiter(map(len, items), np.uint64, len(items)), out=offsets[1:])
    text = b"".join(items)
    return Encoded(array, offsets.nbytes + len(text), dtype.numpy, offsets, text)


def write_fixed(array: Array, dtype: np.dtype[Any], segment: Segment, offset: int) -> None:
    """Copy an array of numbers of ``dtype`` to ``offset``, a multiple of 64, where ``array.nbytes`` are free."""
    np.ndarray(array.shape, dtype, segment.bytes, offset)[...] = array


def write(encoded: Encoded, segment: Segment, offset: int) -> None:
    """Copy the tensor to ``offset``, a multiple of 64, where ``encoded.size`` bytes are free."""
    array = encoded.array
    if encoded.offsets is None:
        np.ndarray(array.shape, encoded.dtype, segment.bytes, offset)[...] = array
        return
    text_at = offset + encoded.offsets.nbytes
    segment.view[offset:text_at] = encoded.offsets.view(np.uint8).data
    segment.view[text_at : text_at + len(encoded.text)] = encoded.text
