"""Tensors in segments: the vectors written by hand, then arrays of every kind written and read."""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins.model.tensors import BYTES, NUMERIC, DType, as_dtype
from pytriton_plugins.shm.arrays import encode, read_array, write
from pytriton_plugins.shm.segment import Segment, create_segment_file
from pytriton_plugins.shm.wire import TensorEntry, unpack_request_block
from tests.support.backend.golden import golden

FP32 = as_dtype(np.float32)


def new_segment(content: bytes = b"", size: int = 1 << 16) -> Segment:
    descriptor = create_segment_file(size)
    try:
        segment = Segment(1, descriptor, writable=True)
    finally:
        os.close(descriptor)
    segment.view[: len(content)] = content
    return segment


def objects(items: Any) -> NDArray[Any]:
    array: NDArray[Any] = np.array(items, dtype=object)
    return array


def there_and_back(array: NDArray[Any], dtype: DType, at: int = 128) -> NDArray[Any]:
    """``array``, written to a segment between guard bytes and read again."""
    encoded = encode(array, dtype)
    segment = new_segment()
    segment.bytes[...] = 0xEE
    write(encoded, segment, at)
    assert set(segment.bytes[:at].tolist()) | set(segment.bytes[at + encoded.size :].tolist()) == {0xEE}
    return read_array(segment, TensorEntry(0, dtype.code, 0, 1, at, encoded.size, array.shape), dtype)


def test_the_golden_request_is_read() -> None:
    segment = new_segment(golden("request", "block") + golden("request", "tensors"))
    x, text = unpack_request_block(segment.view, 0, 288).inputs
    array = read_array(segment, x, FP32)
    np.testing.assert_array_equal(array, np.array([[1, 2], [3, 4], [5, 6]], np.float32))
    assert array.dtype == np.float32
    assert read_array(segment, text, BYTES).tolist() == [[b"a"], [b"bc"], [b""]]


def test_the_golden_response_is_written() -> None:
    tensors = golden("response", "tensors")
    segment = new_segment()
    write(encode(np.array([[10, 20]], np.float32), FP32), segment, 0)
    label = encode(objects([[b"ok"]]), BYTES)
    write(label, segment, 64)
    assert label.size == 18
    assert bytes(segment.view[: len(tensors)]) == tensors


@pytest.mark.parametrize("dtype", NUMERIC, ids=lambda dtype: dtype.triton)
@pytest.mark.parametrize("shape", [(1,), (0,), (3, 0), (0, 4), (2, 3, 4), (1,) * 8])
def test_numbers_of_every_type_and_shape(dtype: DType, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(3).integers(0, 256, (*shape, dtype.item_size), np.uint8)
    if dtype.triton == "BOOL":
        array %= 2
    values = array.view(dtype.numpy).reshape(shape)
    result = there_and_back(values, dtype)
    assert result.dtype == dtype.numpy
    assert result.shape == shape
    assert result.tobytes() == values.tobytes()


def test_arrays_that_do_not_lie_in_one_piece() -> None:
    base = np.arange(48, dtype=np.float32).reshape(6, 8)
    for array in (base.T, base[::2, 1::3], base[::-1], np.broadcast_to(base[0], (3, 8)), np.asfortranarray(base)):
        np.testing.assert_array_equal(there_and_back(array, FP32), array)


def test_numbers_lie_little_endian_whatever_the_array_s_order() -> None:
    segment = new_segment()
    for array in (np.array([1.0, 2.0], "<f4"), np.array([1.0, 2.0], ">f4")):
        write(encode(array, FP32), segment, 0)
        assert bytes(segment.view[:8]) == bytes.fromhex("0000803f 00000040")


@pytest.mark.parametrize(
    "items",
    [[], [b""], [b"", b"", b""], [b"\0", b"a\0"], ["é".encode(), b"\xff\xfe"], [b"x" * 5000, b"", b"y"]],
    ids=["none", "one empty", "empty", "zero bytes", "not ASCII", "long"],
)
def test_strings(items: list[bytes]) -> None:
    array = np.empty(len(items), object)
    array[:] = items
    assert there_and_back(array, BYTES).tolist() == items


def test_strings_of_several_dimensions_and_any_layout() -> None:
    random.seed(3)
    base = np.empty(24, object)
    base[:] = [random.randbytes(random.randrange(9)) for _ in range(24)]
    grid = base.reshape(2, 3, 4)
    for array in (grid, grid.transpose(2, 0, 1), grid[:, ::2], grid[..., ::-1]):
        result = there_and_back(array, BYTES)
        assert result.shape == array.shape
        assert result.tolist() == array.tolist()


def test_a_table_of_offsets_that_goes_back_is_refused() -> None:
    encoded = encode(objects([b"ab", b"cd"]), BYTES)
    segment = new_segment()
    write(encoded, segment, 0)
    segment.view[8:16] = (9).to_bytes(8, "little")
    with pytest.raises(OverflowError):
        read_array(segment, TensorEntry(0, BYTES.code, 0, 1, 0, encoded.size, (2,)), BYTES)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_no_strings_keep_their_shape(shape: tuple[int, ...]) -> None:
    assert there_and_back(np.empty(shape, object), BYTES).shape == shape


def test_inputs_cannot_be_written_and_stay_readable_without_their_segment() -> None:
    descriptor = create_segment_file(4096)
    writer, reader = Segment(1, descriptor, writable=True), Segment(1, descriptor, writable=False)
    os.close(descriptor)
    write(encode(np.array([7], np.float32), FP32), writer, 64)
    array = read_array(reader, TensorEntry(0, 11, 0, 1, 64, 4, (1,)), FP32)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    del reader
    assert array[0] == 7
