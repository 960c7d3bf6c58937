"""The keyword arguments of a callable for the arrays of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytriton_plugins import RequestError, Tensor
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.worker.calling.arguments import ArgumentBuilder


def model(*inputs: Tensor, max_batch_size: int = 8) -> ModelDeclaration:
    output = Tensor("y", np.float32, (-1,))
    return ModelDeclaration("m", 1, "function", "m", inputs, (output,), max_batch_size=max_batch_size)


def arguments(declaration: ModelDeclaration, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    return ArgumentBuilder(declaration).keywords(arrays)


def objects(*items: object, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    array = np.empty(len(items), object)
    array[:] = items
    return array.reshape(shape)


def test_numbers_arrive_as_they_came() -> None:
    a = np.ones((3, 4), np.float32)
    keywords = arguments(model(Tensor("a", np.float32, (4,)), Tensor("b", np.int8, (-1,))), {"a": a, "b": a})
    assert keywords["a"] is a
    assert list(keywords) == ["a", "b"]


def test_keywords_follow_arg() -> None:
    a = np.ones((1, 1), np.float32)
    keywords = arguments(model(Tensor("images:0", np.float32, (1,), arg="images")), {"images:0": a})
    assert keywords == {"images": a}


def test_an_absent_optional_input_is_left_out() -> None:
    inputs = (Tensor("a", np.float32, ()), Tensor("b", np.float32, (), optional=True))
    assert list(arguments(model(*inputs), {"a": np.ones((2, 1), np.float32)})) == ["a"]


def test_scalars_lose_the_axis_that_they_travel_with() -> None:
    scalar = Tensor("a", np.float32, ())
    batched = arguments(model(scalar), {"a": np.array([[1], [2]], np.float32)})["a"]
    assert batched.shape == (2,)
    assert batched.tolist() == [1, 2]
    single = arguments(model(scalar, max_batch_size=0), {"a": np.array([7], np.float32)})["a"]
    assert single.shape == ()
    assert single == 7


def test_a_vector_of_one_element_keeps_its_axis() -> None:
    assert arguments(model(Tensor("a", np.int8, (1,))), {"a": np.ones((2, 1), np.int8)})["a"].shape == (2, 1)


def test_bytes_stay_bytes() -> None:
    raw = objects(b"\xff\x00", b"", shape=(2, 1))
    given = arguments(model(Tensor("raw", bytes, (-1,))), {"raw": raw})["raw"]
    assert given.tolist() == [[b"\xff\x00"], [b""]]


def test_text_is_decoded_in_every_shape() -> None:
    raw = objects("größe".encode(), b"", b"a\x00", b"b", shape=(2, 2))
    given = arguments(model(Tensor("text", str, (2,))), {"text": raw})["text"]
    assert given.tolist() == [["größe", ""], ["a\x00", "b"]]
    scalar = arguments(model(Tensor("text", str, ())), {"text": objects(b"x", b"y", shape=(2, 1))})["text"]
    assert scalar.tolist() == ["x", "y"]
    single = arguments(model(Tensor("text", str, ()), max_batch_size=0), {"text": objects(b"x", shape=(1,))})["text"]
    assert single.shape == ()
    assert single[()] == "x"
    none = arguments(model(Tensor("text", str, (-1,))), {"text": objects(shape=(2, 0))})["text"]
    assert none.shape == (2, 0)


@pytest.mark.parametrize("dtype", [bytes, str])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_strings_are_read_only(dtype: type, shape: tuple[int, ...]) -> None:
    given = arguments(model(Tensor("text", dtype, shape)), {"text": objects(b"x", shape=(1, 1))})["text"]
    with pytest.raises(ValueError, match="read-only"):
        given[0] = "y"


def test_text_that_is_not_utf8_is_the_clients_error() -> None:
    raw = objects(b"fine", b"ab\xff", shape=(2, 1))
    with pytest.raises(RequestError) as caught:
        arguments(model(Tensor("text", str, (1,))), {"text": raw})
    assert caught.value.code == "INVALID_ARG"
    expected = "model 'm': input 'text': string 1 is not UTF-8 (invalid start byte at byte 2); send UTF-8"
    assert caught.value.message == expected
