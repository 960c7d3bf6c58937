"""Valid dtypes and shapes of a Tensor, and the message for each invalid one."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pytriton_plugins import Tensor
from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.model.tensors import BYTES, STR, as_dtype, bfloat16, dtype_by_triton_name

CODES = {
    "BOOL": (1, np.bool_, "TYPE_BOOL", "bool"),
    "UINT8": (2, np.uint8, "TYPE_UINT8", "np.uint8"),
    "UINT16": (3, np.uint16, "TYPE_UINT16", "np.uint16"),
    "UINT32": (4, np.uint32, "TYPE_UINT32", "np.uint32"),
    "UINT64": (5, np.uint64, "TYPE_UINT64", "np.uint64"),
    "INT8": (6, np.int8, "TYPE_INT8", "np.int8"),
    "INT16": (7, np.int16, "TYPE_INT16", "np.int16"),
    "INT32": (8, np.int32, "TYPE_INT32", "np.int32"),
    "INT64": (9, np.int64, "TYPE_INT64", "np.int64"),
    "FP16": (10, np.float16, "TYPE_FP16", "np.float16"),
    "FP32": (11, np.float32, "TYPE_FP32", "np.float32"),
    "FP64": (12, np.float64, "TYPE_FP64", "np.float64"),
}


@pytest.mark.parametrize("triton", CODES)
def test_a_number_type_has_triton_code_and_names(triton: str) -> None:
    code, numpy, config, written = CODES[triton]
    for way in (numpy, np.dtype(numpy), np.dtype(numpy).name, np.dtype(numpy).newbyteorder(">")):
        dtype = as_dtype(way)
        assert (dtype.code, dtype.triton, dtype.config, dtype.written) == (code, triton, config, written)
        assert dtype.item_size == np.dtype(numpy).itemsize
    assert dtype_by_triton_name(triton) is as_dtype(numpy)


@pytest.mark.parametrize("way", ["bfloat16", ml_dtypes.bfloat16, np.dtype(ml_dtypes.bfloat16), bfloat16()])
def test_ways_to_write_bfloat16(way: Any) -> None:
    dtype = as_dtype(way)
    assert dtype is bfloat16() is dtype_by_triton_name("BF16")
    assert (dtype.code, dtype.triton, dtype.config, dtype.item_size) == (14, "BF16", "TYPE_BF16", 2)
    assert (dtype.written, dtype.is_raw) == ("ml_dtypes.bfloat16", False)


def test_bfloat16_without_ml_dtypes_is_its_bits() -> None:
    """Only the declaration of such a tensor imports ml_dtypes."""
    program = """
import sys
from pytriton_plugins.model.tensors import Tensor
assert "ml_dtypes" not in sys.modules
sys.modules["ml_dtypes"] = None
dtype = Tensor("x", "bfloat16", (1,)).dtype
print(dtype.triton, dtype.numpy, dtype.written, dtype.is_raw)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "BF16 uint16 np.uint16 True\n"


class LikeTorch:
    """A dtype of another library."""

    def __repr__(self) -> str:
        return "torch.int64"


@pytest.mark.parametrize("way", [bytes, np.bytes_, "S", "S7", np.dtype("S"), np.dtype("S7"), BYTES])
def test_ways_to_write_bytes(way: Any) -> None:
    assert as_dtype(way) is BYTES
    assert (BYTES.code, BYTES.triton, BYTES.config, BYTES.written) == (13, "BYTES", "TYPE_STRING", "bytes")


@pytest.mark.parametrize("way", [str, np.str_, "U", "U7", np.dtype("U7"), STR])
def test_ways_to_write_text(way: Any) -> None:
    assert as_dtype(way) is STR
    assert (STR.code, STR.triton, STR.config, STR.written) == (13, "BYTES", "TYPE_STRING", "str")


def test_bytes_on_the_wire_are_text_or_not() -> None:
    assert dtype_by_triton_name("BYTES") is BYTES
    assert dtype_by_triton_name("BYTES", str) is STR


def test_python_bool_is_a_bool() -> None:
    assert as_dtype(bool).triton == "BOOL"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (int, "dtype int may mean 32 or 64 bits; write np.int32 or np.int64"),
        (float, "dtype float may mean 32 or 64 bits; write np.float32 or np.float64"),
        (np.complex64, "Triton has no dtype complex64; write one of bool, np.uint8"),
        (object, "Triton has no dtype object"),
        ("datetime64[s]", r"Triton has no dtype datetime64\[s\]"),
        ("float", "dtype 'float' may mean 32 or 64 bits; write np.float32 or np.float64"),
        ("int", "dtype 'int' may mean 32 or 64 bits; write np.int32 or np.int64"),
        ("int_", "dtype 'int_' may mean 32 or 64 bits; write np.int32 or np.int64"),
        ("long", "dtype 'long' may mean 32 or 64 bits; write np.int32 or np.int64"),
        ("uint", "dtype 'uint' may mean 32 or 64 bits; write np.uint32 or np.uint64"),
        ("FP32", "^invalid dtype 'FP32'; write np.float32$"),
        ("TYPE_FP32", "^invalid dtype 'TYPE_FP32'; write np.float32$"),
        ("INT64", "^invalid dtype 'INT64'; write np.int64$"),
        ("TYPE_BOOL", "^invalid dtype 'TYPE_BOOL'; write bool$"),
        ("BF16", "^invalid dtype 'BF16'; write \"bfloat16\"$"),
        ("BYTES", "^invalid dtype 'BYTES'; write bytes or str$"),
        ("TYPE_STRING", "^invalid dtype 'TYPE_STRING'; write bytes or str$"),
        ("flaot32", "^invalid dtype 'flaot32'; write np.float32$"),
        (LikeTorch(), "^invalid dtype torch.int64; write np.int64$"),
        ("nothing", "^invalid dtype 'nothing'; write a numpy dtype such as np.float32, or bytes, str, bool$"),
        ("f4,,", "invalid dtype 'f4,,'"),
        (5, "invalid dtype 5"),
        (None, "invalid dtype None"),
        (np.float32(3), "invalid dtype "),
        ([("a", "f4")], "invalid dtype "),
    ],
)
def test_other_dtypes_are_refused(value: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        as_dtype(value)


@pytest.mark.parametrize(
    ("shape", "stored"),
    [((), ()), ((-1,), (-1,)), ([2, -1], (2, -1)), ((np.int64(3),), (3,)), ((1,) * 7, (1,) * 7)],
)
def test_shapes(shape: Any, stored: tuple[int, ...]) -> None:
    tensor = Tensor("x", np.float32, shape)
    assert tensor.shape == stored
    assert all(type(dim) is int for dim in tensor.shape)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (3, r"Tensor 'x': shape 3 is not a tuple; write shape=\(3,\)"),
        (-1, r"Tensor 'x': shape -1 is not a tuple; write shape=\(-1,\)"),
        ((1.5,), r"Tensor 'x': shape \(1.5,\) is not a tuple of whole numbers; write for example shape=\(-1, 3\)"),
        ("33", "Tensor 'x': shape '33' is not a tuple of whole numbers"),
        ((True,), r"Tensor 'x': shape \(True,\) is not a tuple of whole numbers"),
        ({1, 2}, "is not a tuple of whole numbers"),
        ((None, 3), r"Tensor 'x': shape \(None, 3\) is not a tuple of whole numbers"),
        ((0,), r"Tensor 'x': invalid dimension 0 in shape \(0,\); write -1 for any length, or a positive number"),
        ((3, -2), r"Tensor 'x': invalid dimension -2 in shape \(3, -2\); write -1 for any length"),
        ((2**63,), "Tensor 'x': invalid dimension 9223372036854775808 in shape"),
        ((1,) * 8, "Tensor 'x': 8 dimensions; write at most 7, without the batch axis"),
    ],
)
def test_other_shapes_are_refused(shape: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        Tensor("x", np.float32, shape)


def test_a_scalar_travels_as_one_element() -> None:
    assert Tensor("x", np.float32, ()).wire_shape == (1,)
    assert Tensor("x", np.float32, (-1, 3)).wire_shape == (-1, 3)


def test_a_name_may_be_given_later() -> None:
    bare = Tensor(dtype=np.float32, shape=(-1,), optional=True)
    assert bare.named("a") == Tensor("a", np.float32, (-1,), optional=True)
    assert Tensor("images:0", np.uint8, (-1,), arg="images").arg == "images"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.float32, (-1,)), "Tensor: the first positional argument is the name, not <class 'numpy.float32'>; write"),
        (((-1,), np.float32), r"Tensor: the first positional argument is the name, not \(-1,\); write"),
        (("", np.float32, (-1,)), "Tensor: the name is empty; write for example Tensor"),
        (("x",), "Tensor 'x': the dtype is missing; write for example dtype=np.float32"),
        (("x", np.float32), r"Tensor 'x': the shape is missing; write for example shape=\(-1,\)"),
        (("x", float, (-1,)), "Tensor 'x': dtype float may mean 32 or 64 bits; write np.float32 or np.float64"),
    ],
)
def test_a_wrong_or_missing_argument_is_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        Tensor(*arguments)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"type": np.float32}, "Tensor: unknown argument 'type'; write dtype="),
        (
            {"dims": (-1,)},
            "Tensor: unknown argument 'dims'; its arguments are name, dtype, shape, optional, arg, format, labels",
        ),
        ({"Shape": (-1,)}, "Tensor: unknown argument 'Shape'; write shape="),
    ],
)
def test_an_unknown_keyword_is_told_what_was_meant(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Tensor("x", **keywords)
    assert str(caught.value) == message


@pytest.mark.parametrize("arg", ["", 5])
def test_arg_is_a_name(arg: Any) -> None:
    with pytest.raises(DeclarationError, match=r"Tensor 'x': arg=.* is not the name of a parameter"):
        Tensor("x", np.float32, (-1,), arg=arg)
