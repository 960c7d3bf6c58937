"""call_model and call_batch, with which authors test their models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import Context, RequestError, Sequence, Tensor, infer_func
from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.testing import call_batch, call_model, call_sequence, call_stream

Array = NDArray[Any]


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,)), Tensor("factor", np.float32, (), optional=True)],
    outputs=[Tensor("y", np.float32, (-1,)), Tensor("total", np.float64, ())],
)
def scaled(x: Array, factor: Array | None = None) -> dict[str, Array]:
    if (x < 0).any():
        raise RequestError("negative", code="UNSUPPORTED")
    y = x if factor is None else x * factor[:, None]
    return {"y": y, "total": y.sum(axis=1, dtype=np.float64)}


@infer_func(inputs=[Tensor("text", str, (1,))], outputs=[Tensor("shout", str, ())], max_batch_size=0)
class Shout:
    def __init__(self, mark: str = "!") -> None:
        self._mark = mark

    def __call__(self, text: Array) -> str:
        return str(text[0]).upper() + self._mark


def test_arrays_lists_and_scalars() -> None:
    result = call_model(scaled, x=np.array([[1, 2]], np.float32))
    assert (result["y"].tolist(), result["total"].tolist()) == ([[1, 2]], [3])
    assert call_model(scaled, x=[[1, 2], [3, 4]], factor=[10, 100])["total"].tolist() == [30, 700]


def test_a_class_and_an_instance() -> None:
    assert call_model(Shout, text=["straße"])["shout"].item() == "STRASSE!"
    assert call_model(Shout(mark="?"), text=[b"who"])["shout"].item() == "WHO?"


def test_each_request_of_a_batch_has_its_answer() -> None:
    good, bad, last = call_batch(scaled, [{"x": [[1, 1]]}, {"x": [[-1, 1]]}, {"x": [[2, 2], [3, 3]]}])
    assert isinstance(good, dict)
    assert isinstance(bad, RequestError)
    assert isinstance(last, dict)
    assert good["total"].tolist() == [2]
    assert (bad.message, bad.code) == ("negative", "UNSUPPORTED")
    assert last["total"].tolist() == [4, 6]


def test_the_error_of_a_single_request_is_raised() -> None:
    with pytest.raises(RequestError, match="negative"):
        call_model(scaled, x=[[-1]])


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({}, "input 'x' is missing; pass x="),
        ({"x": [[1]], "z": 1}, "has no input 'z'; it has x, factor"),
        ({"x": np.zeros((1, 2))}, "is an array of float64, expected np.float32"),
        ({"x": np.ma.masked_array([[1, 2]], [[True, False]], np.float32)}, r"is a masked array: .*; pass .filled"),
        ({"x": [["1"]]}, "input 'x' holds text, expected np.float32; pass numbers"),
        ({"x": [1, 2]}, r"has shape \(2,\), expected 1 to 64 rows of \(-1,\)"),
        ({"x": np.zeros((65, 2), np.float32)}, r"has shape \(65, 2\)"),
    ],
)
def test_inputs_that_a_client_could_not_send_are_refused(inputs: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        call_model(scaled, **inputs)


@pytest.mark.parametrize(
    ("count", "problem"),
    [
        ([1.5], "input 'count' holds values of float64, expected np.int32; write round"),
        ([2**31], "input 'count' holds 2147483648, out of range for np.int32"),
    ],
)
def test_numbers_are_not_changed_on_their_way_in(count: list[float], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        call_model(awaited, count=count)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (np.array([b"a\x00"]), "input 'text' is an array of .S2, .* pass a list"),
        ([5], "input 'text': string 0 is a int; pass bytes or str"),
    ],
)
def test_strings_are_not_changed_on_their_way_in(text: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        call_model(Shout, text=text)


def test_an_unmarked_callable_is_refused() -> None:
    with pytest.raises(DeclarationError, match="is not marked; write @infer_func"):
        call_model(lambda x: x, x=1)


COUNT, NUMBER = Tensor("count", np.int32, ()), Tensor("number", np.int32, ())


@infer_func(inputs=[COUNT], outputs=[NUMBER])
def counted(count: Array) -> Iterator[list[int]]:
    for number in range(count[0]):
        if number == 3:
            raise RequestError("enough", code="UNSUPPORTED")
        yield [number]


@infer_func(inputs=[COUNT], outputs=[NUMBER])
async def counted_async(count: Array) -> AsyncIterator[list[int]]:
    for number in range(count[0]):
        yield [number]


@infer_func(inputs=[COUNT], outputs=[NUMBER])
async def awaited(count: Array) -> Array:
    return count + 1


@infer_func(inputs=[COUNT], outputs=[Tensor("text", str, ())])
def describe(count: Array, ctx: Context) -> list[str]:
    return [
        f"{each.id} {each.correlation_id} {each.sequence_start} {each.sequence_end} {each.timeout} {each.parameters} "
        f"{each.headers}"
        for each in ctx.requests
    ]


def test_streams() -> None:
    assert [part["number"].tolist() for part in call_stream(counted, count=[2])] == [[0], [1]]
    assert [part["number"].tolist() for part in call_stream(counted_async, count=[3])] == [[0], [1], [2]]
    stream = call_stream(counted, count=[5])
    assert [next(stream)["number"].item() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RequestError, match="enough"):
        next(stream)


def test_an_async_callable_is_awaited() -> None:
    assert call_model(awaited, count=[4])["number"].tolist() == [5]


def test_details_of_requests_reach_the_callable() -> None:
    first = {"id": "a", "correlation_id": 7, "parameters": {"deep": True}, "headers": {"x-request-id": "h"}}
    first |= {"sequence_start": True, "timeout": 0.5}
    second = {"correlation_id": "s", "sequence_end": True}
    answers = call_batch(describe, [{"count": [1]}, {"count": [2]}], details=[first, second])
    assert [answer["text"].item() for answer in answers if isinstance(answer, dict)] == [
        "a 7 True False 0.5 {'deep': True} {'x-request-id': 'h'}",
        " s False True None {} {}",
    ]
    with pytest.raises(
        DeclarationError, match="details: unknown key 'name'; expected one of correlation_id, headers, id"
    ):
        call_batch(describe, [{"count": [1]}], details=[{"name": "a"}])


def test_the_requests_of_a_batch_have_the_same_inputs() -> None:
    with pytest.raises(
        DeclarationError, match="the requests of a batch must have the same inputs; call the others separately"
    ):
        call_batch(scaled, [{"x": [[1]]}, {"x": [[1]], "factor": [2]}])


def test_the_wrong_way_to_call_is_told() -> None:
    with pytest.raises(DeclarationError, match="yields its responses; use call_stream"):
        call_model(counted, count=[1])
    with pytest.raises(DeclarationError, match="returns its response; use call_model"):
        list(call_stream(awaited, count=[1]))


@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("sum", np.int64, ())], sequence=Sequence())
class Summed:
    """Answers the sum of a sequence."""

    def __call__(self, x: Array, ctx: Context) -> Array:
        if x[0] < 0:
            raise RequestError("negative")
        state = ctx.sequence.state
        state["sum"] = state.get("sum", 0) + x[0] + (100 if ctx.sequence.end else 0)
        return np.array([state["sum"]])


def test_the_requests_of_a_sequence() -> None:
    answers = call_sequence(Summed, [{"x": [1]}, {"x": [-1]}, {"x": [2]}], correlation_id="a")
    assert [answer if isinstance(answer, RequestError) else answer["sum"].item() for answer in answers[::2]] == [1, 103]
    assert isinstance(answers[1], RequestError)
    assert answers[1].message == "negative"


def test_a_single_request_to_a_model_with_sequences_is_a_sequence() -> None:
    assert call_model(Summed, x=[5])["sum"].item() == 105
    assert call_model(Summed, x=[1])["sum"].item() == 101


def test_a_sequence_of_a_model_without_them() -> None:
    with pytest.raises(DeclarationError, match="has no sequences; use call_model"):
        call_sequence(scaled, [{"x": [[1, 2]]}])
