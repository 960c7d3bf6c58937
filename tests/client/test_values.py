"""From what a caller passes to an array of the declared dtype."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytriton_plugins.client.values import as_array
from pytriton_plugins.model.tensors import BYTES, NUMERIC, DType, as_dtype

BF16 = as_dtype("bfloat16")
B = "ml_dtypes.bfloat16"
FIXED = "in which numpy drops zeros at the end of an item; pass a list, or an array made with dtype=object"


@pytest.mark.parametrize("dtype", NUMERIC, ids=lambda dtype: dtype.triton)
def test_lists_become_arrays_of_the_dtype(dtype: DType) -> None:
    array = as_array([[True, False]] if dtype.triton == "BOOL" else [[0, 1]], dtype)
    assert (array.dtype, array.shape) == (dtype.numpy, (1, 2))
    assert as_array(array, dtype) is array


@pytest.mark.parametrize(
    ("value", "dtype", "found"),
    [
        (3, np.int8, 3),
        (2.5, np.float16, 2.5),
        (np.int64(7), np.uint8, 7),
        ([2**63, 1], np.uint64, [2**63, 1]),
        ([2**63, -0], np.uint64, [2**63, 0]),
        ([True, 2], np.int32, [1, 2]),
        ([1, float("inf")], np.float32, [1, float("inf")]),
        ([], np.int8, []),
        (np.array([1, 2], ">i4"), np.int32, [1, 2]),
        ([1.5, -2], BF16, [1.5, -2]),
        (np.array([1.5], ml_dtypes.bfloat16), BF16, [1.5]),
        ("text", BYTES, b"text"),
        (["a", b"b\0", bytearray(b"c")], BYTES, [b"a", b"b\0", b"c"]),
        (np.array(["é", "b"]), BYTES, ["é".encode(), b"b"]),
        (np.array([b"a", "b"], object), BYTES, [b"a", b"b"]),
        ([[], []], BYTES, [[], []]),
    ],
)
def test_values_are_converted(value: Any, dtype: Any, found: Any) -> None:
    array = as_array(value, as_dtype(dtype))
    assert array.tolist() == found


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ([1.0], np.int32, "values of float64, expected np.int32; write np.rint(x).astype(np.int32)"),
        ([1], bool, "values of int64, expected bool; write a comparison such as x > 0"),
        ([300], np.uint8, "300 is out of range for np.uint8"),
        ([-1], np.uint64, "-1 is out of range for np.uint64"),
        ([2**64, -1], np.int64, "18446744073709551616 is out of range for np.int64"),
        ([1e39], np.float32, "1e+39 is out of range for np.float32"),
        ([10**400], np.float64, f"{'1' + '0' * 38}… is out of range for np.float64"),
        ([1e39], BF16, "1e+39 is out of range for ml_dtypes.bfloat16"),
        (["a"], np.float32, "text, expected np.float32; pass numbers"),
        ([None], np.float32, "None, expected np.float32; pass numbers"),
        ([1j], np.float32, "values of complex128, expected np.float32; pass numbers"),
        ([[1], [1, 2]], np.int8, "the lists differ in length or depth; make all rows equally long"),
        (np.zeros(2), np.float32, "an array of float64, expected np.float32; write .astype(np.float32)"),
        (np.zeros(2), np.int8, "an array of float64, expected np.int8; write np.rint(x).astype(np.int8)"),
        (np.zeros(2, np.float32), BF16, f"an array of float32, expected {B}; write .astype({B})"),
        (np.ma.masked_array([1]), np.int64, "a masked array, whose mask cannot be sent; write .filled(…)"),
        ({1}, np.int64, "a set; pass an array, a list or a single value"),
        ([Fraction(1, 2)], np.float32, "a Fraction, expected np.float32; pass numbers"),
        ([1], BYTES, "item 0 is 1, expected bytes or str"),
        (np.array([b"a\0"]), BYTES, f"an array of |S2, {FIXED}"),
        (np.zeros(1), BYTES, "an array of float64, expected bytes or str"),
        ([["a"], ["b", "c"]], BYTES, "the lists differ in length or depth; make all rows equally long"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_one_line(value: Any, dtype: Any, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        as_array(value, as_dtype(dtype))
    assert str(raised.value) == message


def test_without_ml_dtypes_bfloat16_is_its_bits() -> None:
    bits = DType(14, "BF16", np.dtype(np.uint16), 2)
    assert as_array(np.array([0x3F80], np.uint16), bits).tolist() == [0x3F80]
    with pytest.raises(ValueError, match=r"np.uint16, the bits of bfloat16 numbers; write pip install ml_dtypes"):
        as_array([1.5], bits)
