"""Results that a declaration allows, and the error message for each other one (API §1, Results)."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from pytriton_plugins import Tensor
from pytriton_plugins.errors import ResultError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.worker.calling.outputs import OutputChecker

F32 = np.float32
X = Tensor("x", F32, (-1,))
Y = Tensor("y", np.int32, (2,))


def model(*outputs: Tensor, max_batch_size: int = 8) -> ModelDeclaration:
    return ModelDeclaration("m", 1, "function", "m", (X,), outputs, max_batch_size=max_batch_size)


def checked(declaration: ModelDeclaration, result: Any, rows: int | None) -> dict[str, np.ndarray[Any, Any]]:
    return OutputChecker(declaration).check(result, rows, None)


def one(dtype: Any, shape: Any, result: Any, rows: int | None = None) -> np.ndarray[Any, Any]:
    """The only output ``x`` of ``dtype`` and ``shape``, from ``result``; without ``rows``, without a batch axis."""
    declaration = model(Tensor("x", dtype, shape), max_batch_size=0 if rows is None else 8)
    return checked(declaration, result, rows)["x"]


def refusal(dtype: Any, shape: Any, result: Any, rows: int | None = None) -> str:
    with pytest.raises(ResultError) as caught:
        one(dtype, shape, result, rows)
    message = str(caught.value)
    assert "\n" not in message
    return message


class Named(NamedTuple):
    x: Any
    y: Any


class LikeTorch:
    """A torch tensor as numpy sees it: it has `__array__`, which raises for a tensor on another device."""

    def __init__(self, values: np.ndarray[Any, Any], device: str = "cpu", problem: str = "") -> None:
        self.values, self.device, self.problem = values, device, problem

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        if self.problem:
            raise TypeError(self.problem)
        return self.values

    def cpu(self) -> LikeTorch:
        return LikeTorch(self.values)


def test_a_dict_goes_by_name() -> None:
    x, y = np.ones((3, 4), F32), np.ones((3, 2), np.int32)
    for result in ({"y": y, "x": x}, OrderedDict(y=y, x=x), MappingProxyType({"y": y, "x": x})):
        outputs = checked(model(X, Y), result, 3)
        assert outputs["x"] is x
        assert outputs["y"] is y


def test_a_tuple_goes_by_declared_order() -> None:
    x, y = np.ones((3, 4), F32), np.ones((3, 2), np.int32)
    for result in ((x, y), Named(x, y)):
        outputs = checked(model(X, Y), result, 3)
        assert outputs["x"] is x
        assert outputs["y"] is y
    assert checked(model(X), (x,), 3)["x"] is x


def test_anything_else_is_the_one_output() -> None:
    assert one(F32, (-1,), [1, 2.5]).tolist() == [1, 2.5]
    assert one(F32, (2,), [[1, 2], [3, 4]], rows=2).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "model 'm': the callable returned None; return a dict with 'x', 'y'"),
        ([1, 2], "model 'm': the callable returned one list for 2 outputs; return a dict with 'x', 'y'"),
        (np.ones(2), "model 'm': the callable returned one ndarray for 2 outputs; return a dict with 'x', 'y'"),
        ((1, 2, 3), "model 'm': the callable returned a tuple of 3 for 2 declared; return a dict with 'x', 'y'"),
        ((), "model 'm': the callable returned a tuple of 0 for 2 declared; return a dict with 'x', 'y'"),
        ({"x": [1.0], "z": 1}, "model 'm': the callable returned an unknown output 'z'; declared: 'x', 'y'"),
        ({"x": [1.0], 0: 1}, "model 'm': the callable returned an unknown output 0; declared: 'x', 'y'"),
        (
            {"x": [1.0], "y": [1, 2], "z": 1},
            "model 'm': the callable returned an unknown output 'z'; declared: 'x', 'y'",
        ),
        ({"x": [1.0]}, "model 'm': output 'y' is missing in the result; return a dict with 'x', 'y'"),
        ({"x": [1.0], "y": None}, "model 'm': output 'y' is None in the result; return a dict with 'x', 'y'"),
        ({}, "model 'm': output 'x' is missing in the result; return a dict with 'x', 'y'"),
    ],
)
def test_results_that_do_not_name_the_outputs(result: Any, message: str) -> None:
    with pytest.raises(ResultError) as caught:
        checked(model(X, Y, max_batch_size=0), result, None)
    assert str(caught.value) == message


def test_none_for_the_one_output_says_what_to_return() -> None:
    assert refusal(F32, (-1,), None) == "model 'm': the callable returned None; return an array for 'x'"


def test_a_tuple_is_never_the_data_of_the_one_output() -> None:
    message = refusal(F32, (-1,), (1.0, 2.0))
    assert message == "model 'm': the callable returned a tuple of 2 for 1 declared; return an array for 'x'"
    assert one(F32, (-1,), {"x": (1.0, 2.0)}).tolist() == [1, 2]


def test_an_output_that_no_request_wants_may_be_missing() -> None:
    checker = OutputChecker(model(X, Y, max_batch_size=0))
    x = np.ones(4, F32)
    only_x = frozenset({"x"})
    assert list(checker.check({"x": x}, None, [only_x, only_x])) == ["x"]
    assert list(checker.check((x, None), None, [only_x])) == ["x"]
    with pytest.raises(ResultError, match="output 'y' is missing"):
        checker.check({"x": x}, None, [only_x, frozenset({"x", "y"})])
    with pytest.raises(ResultError, match="unknown output 'z'"):
        checker.check({"x": x, "z": x}, None, [only_x])


@pytest.mark.parametrize(
    ("dtype", "result", "got", "written"),
    [
        (F32, np.ones(2), "float64", "np.float32"),
        (F32, np.ones(2, np.int32), "int32", "np.float32"),
        (F32, np.ones(2, ">f4"), ">f4", "np.float32"),
        (F32, np.ones(2, object), "object", "np.float32"),
        (F32, np.array([1, 2.5, True], object), "object", "np.float32"),
        (F32, np.array(1.0), "float64", "np.float32"),
        (F32, LikeTorch(np.ones(2)), "float64", "np.float32"),
        (F32, array("d", [1.0]), "float64", "np.float32"),
        (np.int64, np.ones(2, np.int32), "int32", "np.int64"),
        (np.uint8, np.ones(2, np.int8), "int8", "np.uint8"),
        (bool, np.ones(2, np.uint8), "uint8", "bool"),
        (np.uint8, np.ones(2, bool), "bool", "np.uint8"),
        (bool, np.array([0, 2], object), "object", "bool"),
    ],
)
def test_an_array_has_the_declared_dtype(dtype: Any, result: Any, got: str, written: str) -> None:
    message = refusal(dtype, (-1,), result)
    assert message == f"model 'm': output 'x' is an array of {got}, expected {written}; write .astype({written})"


@pytest.mark.parametrize(
    ("dtype", "result", "expected"),
    [
        (F32, 3, 3.0),
        (F32, [1, 2.5], [1.0, 2.5]),
        (F32, [True, 2], [1.0, 2.0]),
        (F32, [float("inf"), -1], [float("inf"), -1.0]),
        (F32, np.float64(2.5), 2.5),
        (F32, [np.ones(2), [1, 2]], [[1.0, 1.0], [1.0, 2.0]]),
        (np.float16, [65504], [65504.0]),
        (np.int8, [-128, 127], [-128, 127]),
        (np.uint64, [2**64 - 1], [2**64 - 1]),
        (np.uint64, [2**63, 1], [2**63, 1]),
        (np.int64, [np.uint64(5), 1], [5, 1]),
        (np.int64, [2**53 + 1, np.uint64(1)], [2**53 + 1, 1]),
        (np.float64, [2**64], [2.0**64]),
        (np.int32, True, 1),
        (bool, [True, False], [True, False]),
        (np.int32, [], []),
        (F32, [[], []], [[], []]),
    ],
)
def test_python_values_are_converted(dtype: Any, result: Any, expected: Any) -> None:
    shape = (-1,) * np.ndim(expected)
    made = one(dtype, shape, result)
    assert made.dtype == np.dtype(dtype)
    # A scalar travels as one element.
    assert made.tolist() == (expected if shape else [expected])


@pytest.mark.parametrize(
    ("dtype", "result", "problem"),
    [
        (np.int32, [1.5], " holds values of float64, expected np.int32; write round(x), or declare np.float64"),
        (np.int32, 2.0, " holds values of float64, expected np.int32; write round(x), or declare np.float64"),
        (
            np.int32,
            np.float32(2),
            " holds values of float32, expected np.int32; write round(x), or declare np.float32",
        ),
        (
            np.int64,
            [2**53 + 1, 1.0],
            " holds values of float64, expected np.int64; write round(x), or declare np.float64",
        ),
        (bool, [0, 1], " holds values of int64, expected bool; write bool(x)"),
        (bool, [0.3], " holds values of float64, expected bool; return a comparison such as x > 0.5"),
        (F32, [1j], " holds values of complex128, expected np.float32; return .real, or its parts as two outputs"),
        (F32, ["1"], " holds text, expected np.float32; return numbers"),
        (F32, [1, "2"], " holds text, expected np.float32; return numbers"),
        (F32, "hello", " holds text, expected np.float32; return numbers"),
        (np.uint8, b"hello", " holds bytes, expected np.uint8; return numbers"),
        (np.int8, [5, 128], " holds 128, out of range for np.int8; declare a wider dtype"),
        (np.uint8, 300, " holds 300, out of range for np.uint8; declare a wider dtype"),
        (np.uint8, [-1], " holds -1, out of range for np.uint8; declare a wider dtype"),
        (np.int64, [2**63], " holds 9223372036854775808, out of range for np.int64; declare a wider dtype"),
        (np.int64, [2**63, -1], " holds 9223372036854775808, out of range for np.int64; declare a wider dtype"),
        (np.uint64, [2**63, -1], " holds -1, out of range for np.uint64; declare a wider dtype"),
        (np.uint64, [2**64], " holds 18446744073709551616, out of range for np.uint64; declare a wider dtype"),
        (F32, [0.0, 1e300], " holds 1e+300, out of range for np.float32; declare a wider dtype"),
        (F32, [2**200], f" holds {2**200}, out of range for np.float32; declare a wider dtype"),
        (F32, [2**2000], f" holds {2**2000}, out of range for np.float32; declare a wider dtype"),
        (np.float16, 70000, " holds 70000, out of range for np.float16; declare a wider dtype"),
        (F32, [None, 1.0], " holds None, expected np.float32; return numbers"),
        (F32, [Decimal(1)], " holds a Decimal, expected np.float32; return numbers"),
        (np.int64, np.datetime64("2020-01-01"), " holds values of datetime64[D], expected np.int64; return numbers"),
        (F32, {1, 2}, " is a set; return an array, a list or a number"),
        (F32, object(), " is a object; return an array, a list or a number"),
        (F32, (i for i in [1]), " is a generator; return an array, a list or a number"),
    ],
)
def test_python_values_that_would_lose_something_are_refused(dtype: Any, result: Any, problem: str) -> None:
    assert refusal(dtype, (-1,), result) == f"model 'm': output 'x'{problem}"


@pytest.mark.parametrize(
    ("dtype", "result", "problem"),
    [
        (F32, np.array(["1", "2"]), "holds text, expected np.float32; return numbers"),
        (F32, np.array([b"1"]), "holds bytes, expected np.float32; return numbers"),
        (F32, np.array([1, None], object), "holds None, expected np.float32; return numbers"),
        (F32, np.array([1, "2"], object), "holds a str, expected np.float32; return numbers"),
        (F32, np.array([(1, 2)], "f4,f4"), "holds structures of f0, f1, expected np.float32; return numbers"),
        (
            np.int64,
            np.array(["2020-01-01"], "M8[D]"),
            "holds values of datetime64[D], expected np.int64; return numbers",
        ),
        (np.int64, np.ones(1, "m8[s]"), "holds values of timedelta64[s], expected np.int64; return numbers"),
        (
            F32,
            np.ones(1, np.complex64),
            "is an array of complex64, expected np.float32; return .real, or its parts as two outputs",
        ),
        (
            np.int32,
            np.array([1.5]),
            "is an array of float64, expected np.int32; write np.rint(x).astype(np.int32), or declare np.float64",
        ),
        (np.int32, np.array([1, np.nan]), "holds nan, out of range for np.int32; replace it, or declare np.float64"),
        (np.int32, np.array([1, 1e300]), "holds 1e+300, out of range for np.int32; declare a wider dtype"),
        (bool, np.array([0.3]), "is an array of float64, expected bool; return a comparison such as x > 0.5"),
        (np.uint8, np.array([3, 300]), "holds 300, out of range for np.uint8; declare a wider dtype"),
        (
            np.int64,
            np.array([2**63], np.uint64),
            "holds 9223372036854775808, out of range for np.int64; declare a wider dtype",
        ),
        (F32, np.array([1e300]), "holds 1e+300, out of range for np.float32; declare a wider dtype"),
    ],
)
def test_an_array_is_not_told_to_convert_what_would_be_changed_by_it(dtype: Any, result: Any, problem: str) -> None:
    assert refusal(dtype, (-1,), result) == f"model 'm': output 'x' {problem}"


MASKED = "is a masked array: clients do not get the mask; return .filled(…)"


@pytest.mark.parametrize("dtype", [F32, np.int64, bytes, str])
def test_masks_are_not_dropped(dtype: Any) -> None:
    """A masked array is always refused, even if it masks no element."""
    values = np.ones(2, np.dtype(object) if dtype in (bytes, str) else dtype)
    for mask in ([True, False], False):
        masked = np.ma.masked_array(values, mask=mask)
        for result in (masked, [masked], [[1, 2], masked], np.ma.masked, [np.ma.masked, 1]):
            assert refusal(dtype, (-1,), {"x": result}) == f"model 'm': output 'x' {MASKED}"


def test_ragged_lists_are_refused() -> None:
    problem = "model 'm': output 'x': the lists differ in length or depth; make all rows equally long"
    assert refusal(F32, (-1, -1), [[1, 2], [3]]) == problem
    assert refusal(F32, (-1, -1), [[1, 2], 3]) == problem


def test_an_output_with_array_on_the_cpu_is_accepted() -> None:
    """An object with `__array__` on the CPU is accepted."""
    values = np.ones((2, 3), F32)
    assert one(F32, (3,), LikeTorch(values), rows=2).tolist() == values.tolist()


def test_a_gpu_tensor_is_told_cpu() -> None:
    """The message for a GPU tensor says to call `.cpu()`."""
    on_gpu = LikeTorch(np.ones(2, F32), "cuda:0", "can't convert cuda:0 device type tensor to numpy")
    assert refusal(F32, (-1,), on_gpu) == "model 'm': output 'x' is on device cuda:0; write .cpu()"
    assert one(F32, (-1,), on_gpu.cpu()).tolist() == [1, 1]
    assert "can't convert cuda:0" in refusal(F32, (-1,), [on_gpu])


def test_another_refusal_of_a_tensor_is_passed_on() -> None:
    """Any other exception of `__array__` is passed on."""
    message = refusal(F32, (-1,), LikeTorch(np.ones(2, F32), problem="Use tensor.detach()"))
    assert message == "model 'm': output 'x': a LikeTorch cannot become an array (TypeError: Use tensor.detach())"


def test_running_out_of_memory_is_not_a_wrong_result() -> None:
    class TooLarge:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
            raise MemoryError

    with pytest.raises(MemoryError):
        one(F32, (-1,), TooLarge())


@pytest.mark.parametrize(
    ("shape", "got", "rows", "problem"),
    [
        ((-1,), (), 8, " is a single value, expected shape (B, -1) with a row for each of the 8"),
        ((), (), 1, " is a single value, expected shape (B,) with a row for each of the 1"),
        ((-1,), (3, 4), 8, " has 3 rows, expected 8: got shape (3, 4) for (B, -1)"),
        ((), (3,), 8, " has 3 rows, expected 8: got shape (3,) for (B,)"),
        ((-1,), (8,), 8, " has shape (8,), expected (8, -1): the declared (B, -1) with 8 rows"),
        ((4,), (8, 5), 8, " has shape (8, 5), expected (8, 4): the declared (B, 4) with 8 rows"),
        ((), (8, 2), 8, " has shape (8, 2), expected (8,): the declared (B,) with 8 rows"),
        ((-1, 3), (8, 2, 3, 1), 8, " has shape (8, 2, 3, 1), expected (8, -1, 3): the declared (B, -1, 3) with 8 rows"),
        ((-1,), (), None, " has shape (), expected (-1,)"),
        ((2, -1), (3, 4), None, " has shape (3, 4), expected (2, -1)"),
        ((), (2,), None, " has shape (2,), expected ()"),
        ((), (1, 1), None, " has shape (1, 1), expected ()"),
    ],
)
def test_wrong_shapes_name_got_and_expected(shape: Any, got: Any, rows: int | None, problem: str) -> None:
    assert refusal(F32, shape, np.ones(got, F32), rows) == f"model 'm': output 'x'{problem}"


@pytest.mark.parametrize(
    ("shape", "got", "rows", "wire"),
    [
        ((-1,), (3, 0), 3, (3, 0)),
        ((-1, 2), (0, 2), None, (0, 2)),
        ((), (3,), 3, (3, 1)),
        ((), (3, 1), 3, (3, 1)),
        ((), (1, 1), 1, (1, 1)),
        ((), (0, 1), 0, (0, 1)),
        ((), (), None, (1,)),
        ((), (1,), None, (1,)),
        ((1,), (3, 1), 3, (3, 1)),
    ],
)
def test_shapes_on_the_wire(shape: Any, got: Any, rows: int | None, wire: Any) -> None:
    assert one(F32, shape, np.ones(got, F32), rows).shape == wire


def test_python_scalars_make_a_scalar_output() -> None:
    assert one(F32, (), 2.5).tolist() == [2.5]
    assert one(F32, (), [1, 2, 3], rows=3).tolist() == [[1], [2], [3]]
    assert one(str, (), "a").tolist() == [b"a"]


def test_views_and_subclasses_are_taken() -> None:
    view = np.arange(12, dtype=F32).reshape(3, 4).T
    assert one(F32, (3,), view, rows=4) is view
    assert one(F32, (2,), np.ones((2, 2), F32).view(np.matrix), rows=2).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("dtype", [bytes, str])
@pytest.mark.parametrize(
    "result",
    [
        np.array([b"a\x00b", "ü".encode()], object),
        np.array(["a\x00b", "ü"], object),
        np.array([b"a\x00b", "ü"], object),
        [b"a\x00b", "ü"],
        ["a\x00b", bytearray("ü".encode()).decode()],
        [np.str_("a\x00b"), np.bytes_("ü".encode())],
        np.array(["a\x00b", "ü"]),
        # The one type of numpy's that loses nothing came with numpy 2.
        *([np.array(["a\x00b", "ü"], np.dtypes.StringDType())] if hasattr(np.dtypes, "StringDType") else []),
    ],
)
def test_strings_become_bytes(dtype: type, result: Any) -> None:
    made = one(dtype, (-1,), result)
    assert made.dtype == object
    assert made.tolist() == [b"a\x00b", b"\xc3\xbc"]
    assert all(isinstance(item, bytes) for item in made.tolist())


@pytest.mark.parametrize("dtype", [bytes, str])
@pytest.mark.parametrize(
    "result",
    [
        np.array([b"a\x00"]),
        np.array(b"a\x00"),
        [np.array([b"a\x00"])],
        [["b"], np.array([b"a\x00"])],
        [[[b"b"], np.array([b"a\x00"])]],
    ],
)
def test_arrays_in_which_numpy_drops_zeros_at_the_end_are_refused(dtype: type, result: Any) -> None:
    """numpy may already have dropped zeros, so all such arrays are refused."""
    message = refusal(dtype, (-1,), result)
    assert message.startswith("model 'm': output 'x' is an array of |S2, ")
    assert message.endswith(
        ", in which numpy drops zeros at the end of a string; return a list, or an array made with dtype=object"
    )


def test_strings_at_the_edges() -> None:
    assert one(bytes, (-1,), np.array([b"a\x00", b"\x00"], object)).tolist() == [b"a\x00", b"\x00"]
    assert one(bytes, (-1,), [memoryview(b"ab"), bytearray(b"cd")]).tolist() == [b"ab", b"cd"]
    assert one(bytes, (-1,), [b"a\x00", b"\xff"]).tolist() == [b"a\x00", b"\xff"]
    assert one(bytes, (2,), [["a", b"b"], ["c", "d"]], rows=2).tolist() == [[b"a", b"b"], [b"c", b"d"]]
    assert one(bytes, (), bytearray(b"x")).tolist() == [b"x"]
    assert one(bytes, (), memoryview(b"x")).tolist() == [b"x"]
    assert one(str, (-1,), []).tolist() == []
    assert one(str, (-1,), np.empty((2, 0), object), rows=2).shape == (2, 0)


@pytest.mark.parametrize(
    ("dtype", "result", "problem"),
    [
        (bytes, np.ones(2), " is an array of float64, expected bytes; return bytes or str"),
        (str, np.ones(2, np.uint8), " is an array of uint8, expected str; return bytes or str"),
        (bytes, [b"a", 1], ": string 1 is a int; return bytes or str"),
        (str, ["a", None], ": string 1 is a NoneType; return bytes or str"),
        (bytes, [["a"], ["b", "c"]], ": string 0 is a list; return bytes or str"),
        (bytes, 3, " is an array of int64, expected bytes; return bytes or str"),
        (str, [b"\xff"], ": string 0 is not UTF-8 ('utf-8' codec can't decode byte 0xff in position 0: "
                         "invalid start byte); declare bytes for other encodings"),
        (bytes, ["\ud800"], ": string 0 is not UTF-8 ('utf-8' codec can't encode character '\\ud800' in position 0: "
                            "surrogates not allowed); declare bytes for other encodings"),
        (bytes, {"a"}, " is a set; return an array, a list or a number"),
    ],
)  # fmt: skip
def test_strings_that_cannot_be_carried(dtype: type, result: Any, problem: str) -> None:
    assert refusal(dtype, (-1,), result) == f"model 'm': output 'x'{problem}"


def test_a_wrong_string_scalar_for_a_batch_names_the_shape() -> None:
    message = refusal(str, (), "a", rows=2)
    assert message == "model 'm': output 'x' is a single value, expected shape (B,) with a row for each of the 2"


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, F32])
def test_a_right_array_is_not_copied(dtype: Any) -> None:
    result = np.ones((2, 3), dtype)
    assert one(dtype, (-1,), result, rows=2) is result
