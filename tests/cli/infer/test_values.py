"""From VALUE to an array: valid and invalid values."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from pytriton_plugins.cli.infer.request import build_inputs
from pytriton_plugins.cli.infer.values import parse_value
from pytriton_plugins.client import ModelInfo, TensorInfo
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.model.tensors import NUMERIC, as_dtype


@pytest.mark.parametrize("dtype", NUMERIC, ids=lambda dtype: dtype.triton)
def test_numbers_of_each_dtype(dtype: object) -> None:
    known = as_dtype(dtype)
    array = parse_value("1, 0,1", known)
    assert array.dtype == known.numpy
    assert array.tolist() == [1, 0, 1]


def test_numbers_are_read_in_every_form() -> None:
    assert parse_value("0x10,-3,007", as_dtype(np.int64)).tolist() == [16, -3, 7]
    assert parse_value("1e3,inf,-0.5", as_dtype(np.float64)).tolist() == [1000, float("inf"), -0.5]
    assert parse_value("true,FALSE,1", as_dtype(bool)).tolist() == [True, False, True]
    assert parse_value("18446744073709551615", as_dtype(np.uint64)).tolist() == [2**64 - 1]
    assert parse_value("[]", as_dtype(np.int8)).shape == (0,)


def test_text_is_taken_as_it_stands_and_json_for_more() -> None:
    assert parse_value("a,b=c", as_dtype(bytes)).tolist() == [b"a,b=c"]
    assert parse_value("", as_dtype(bytes)).tolist() == [b""]
    assert parse_value('"@é"', as_dtype(str)).tolist() == ["@é".encode()]
    assert parse_value('["a","b"]', as_dtype(bytes)).tolist() == [b"a", b"b"]


@pytest.mark.parametrize(
    ("text", "dtype", "expected"),
    [
        ("1.5", np.int32, "invalid value 1.5: INT32 needs a whole number"),
        ("300", np.uint8, "invalid value 300: expected 0 to 255 for UINT8"),
        ("-1", np.uint64, "invalid value -1: expected 0 to 18446744073709551615 for UINT64"),
        ("70000", np.float16, "expected -65504 to 65504 for FP16"),
        ("1e39", np.float32, "expected -3.40282e\\+38 to 3.40282e\\+38 for FP32"),
        ("2", bool, "invalid value 2: expected true or false"),
        ("true", np.float32, "invalid value True: expected a number"),
        ("[null]", np.float32, "invalid value None: expected a number"),
        ("[1]", bytes, "invalid value 1: expected text in double quotes"),
        ("[1,", np.float32, "invalid JSON"),
        ("[" * 100_000, np.float32, "invalid JSON"),
        ("1,,2", np.float32, "invalid number ''"),
        ("@nothing", np.float32, "cannot be read: No such file"),
        ("@/", bytes, "cannot be read: Is a directory"),
    ],
)
def test_an_unreadable_value_is_an_error(text: str, dtype: type, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        parse_value(text, as_dtype(dtype))
    assert len(str(caught.value)) < 300


def test_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 3), np.float32))
    np.savez(tmp_path / "a.npz", a=np.ones(2))
    np.save(tmp_path / "object.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "text").write_text("no array")
    assert parse_value(f"@{tmp_path / 'a.npy'}", as_dtype(np.float32)).shape == (2, 3)
    assert parse_value(f"@{tmp_path / 'text'}", as_dtype(bytes)).tolist() == [b"no array"]
    for name, expected in (
        ("a.npz", "is a .npz archive"),
        ("object.npy", "is not an array in .npy format"),
        ("text", "is not an array in .npy format"),
    ):
        with pytest.raises(ValueError, match=expected):
            parse_value(f"@{tmp_path / name}", as_dtype(np.float32))
    with pytest.raises(ValueError, match=r"holds float32, not float64; save array.astype\(np.float64\)"):
        parse_value(f"@{tmp_path / 'a.npy'}", as_dtype(np.float64))


@pytest.mark.parametrize(
    ("text", "shape", "batched", "expected"),
    [
        ("1,2,3", (-1,), True, (1, 3)),
        ("1,2,3", (-1,), False, (3,)),
        ("5", (1,), True, (1, 1)),
        ("1,2,3,4", (2, 2), True, (1, 2, 2)),
        ("1,2,3,4", (-1, 2), False, (2, 2)),
        ("[[1,2],[3,4]]", (-1,), True, (2, 2)),
        ("[[1,2],[3,4]]", (2, 2), True, (1, 2, 2)),
        ("[[[1,2],[3,4]]]", (2, 2), True, (1, 2, 2)),
        ("[[1],[2]]", (1,), True, (2, 1)),
    ],
)
def test_shapes(text: str, shape: tuple[int, ...], batched: bool, expected: tuple[int, ...]) -> None:
    model = ModelInfo("m", (TensorInfo("a", "FP32", shape),), (), 8 if batched else 0)
    assert build_inputs(model, {"a": text})["a"].shape == expected


@pytest.mark.parametrize(
    ("text", "shape", "batched"),
    [
        ("1,2", (3,), True),
        ("1,2,3", (2, -1), True),
        ("[[1,2]]", (-1,), False),
        ("1,2", (1,), True),
        ("1,2", (-1, -1), True),
    ],
)
def test_shapes_that_do_not_fit(text: str, shape: tuple[int, ...], batched: bool) -> None:
    with pytest.raises(ConfigError, match=r"input a: invalid shape \[.*\]: expected"):
        build_inputs(ModelInfo("m", (TensorInfo("a", "FP32", shape),), (), 8 if batched else 0), {"a": text})


def test_an_input_that_cannot_be_sent() -> None:
    with pytest.raises(ConfigError, match="input a: infer cannot send FP8"):
        build_inputs(ModelInfo("m", (TensorInfo("a", "FP8", (1,)),), (), 0), {"a": "1"})


def test_bfloat16() -> None:
    model = ModelInfo("m", (TensorInfo("a", "BF16", (-1,)),), (), 0)
    array = build_inputs(model, {"a": "1.5,-2,3.3895313892515355e38"})["a"]
    assert array.dtype == np.dtype(ml_dtypes.bfloat16)
    assert array.view(np.uint16).tolist() == [0x3FC0, 0xC000, 0x7F7F]
    with pytest.raises(ConfigError, match=r"input a: invalid value 3.39e\+38: expected -3.38953e\+38 to 3.38953e\+38"):
        build_inputs(model, {"a": "3.39e38"})
