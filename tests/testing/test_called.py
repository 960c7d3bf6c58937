"""The models that a callable calls, given to call_model, call_batch and call_stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Context, ModelCallError, Request, RequestError, Tensor, infer_func
from pytriton_plugins.testing import call_batch, call_model, call_stream

X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
ONE = [[1.0, 2.0]]


@infer_func(inputs=X, outputs=Y, calls=["inner"])
def outer(x: Any, ctx: Context) -> Any:
    return ctx.models["inner"](x=x)["y"] + 1


@infer_func(inputs=X, outputs=Y, calls=["inner"])
def summed(x: Any, ctx: Context) -> Any:
    return sum(part["y"] for part in ctx.models["inner"].stream(x=x))


@infer_func(inputs=X, outputs=Y, calls=["inner"])
async def asummed(x: Any, ctx: Context) -> Any:
    return sum([part["y"] async for part in ctx.models["inner"].stream(x=x)])


@infer_func(inputs=X, outputs=Y, calls=["inner"])
def each(requests: list[Request], ctx: Context) -> list[Any]:
    return [ctx.models["inner"](x=request["x"])["y"] for request in requests]


@infer_func(inputs=X, outputs=Y, calls=["inner"])
def parts(x: Any, ctx: Context) -> Iterator[Any]:
    for factor in range(2):
        yield ctx.models["inner"](x=x * factor)["y"]


@infer_func(inputs=X, outputs=Y)
class Scaled:
    def __init__(self, by: float = 3) -> None:
        self._by = np.float32(by)

    def __call__(self, x: Any) -> Any:
        if (x < 0).any():
            raise RequestError("negative", code="UNSUPPORTED")
        return x * self._by


@infer_func(inputs=X, outputs=Y)
def counted(x: Any) -> Iterator[Any]:
    yield x
    yield x * 10


def plain(x: Any) -> dict[str, Any]:
    return {"y": x * 3}


async def awaited(x: Any) -> dict[str, Any]:
    return {"y": x * 3}


def generated(x: Any) -> Iterator[dict[str, Any]]:
    yield {"y": x}
    yield {"y": x * 10}


async def agenerated(x: Any) -> AsyncIterator[dict[str, Any]]:
    yield {"y": x}
    yield {"y": x * 10}


@pytest.mark.parametrize("inner", [Scaled, Scaled(3), plain, awaited, lambda x: {"y": (x * 3).astype("f4")}])
def test_what_stands_for_a_model(inner: Any) -> None:
    assert call_model(outer, models={"inner": inner}, x=ONE)["y"].tolist() == [[4, 7]]
    assert call_model(outer, models={("inner", 1): Scaled(0), "inner": inner}, x=ONE)["y"].tolist() == [[4, 7]]
    first, second = call_batch(each, [{"x": ONE}, {"x": [[5]]}], models={"inner": inner})
    assert not isinstance(first, RequestError)
    assert not isinstance(second, RequestError)
    assert (first["y"].tolist(), second["y"].tolist()) == ([[3, 6]], [[15]])
    assert [part["y"].tolist() for part in call_stream(parts, models={"inner": inner}, x=ONE)] == [[[0, 0]], [[3, 6]]]


TEXT, FOUND = [Tensor("text", str, ())], [Tensor("label", str, ()), Tensor("score", np.float32, ())]


@infer_func(inputs=TEXT, outputs=FOUND)
def labels(text: Any) -> Any:
    return {"label": text, "score": np.arange(len(text), dtype=np.float32)}


@infer_func(inputs=TEXT, outputs=FOUND, calls=["labels"])
def whole(text: Any, ctx: Context) -> Any:
    return ctx.models["labels"](text=text[:, np.newaxis])


@infer_func(inputs=TEXT, outputs=FOUND, calls=["labels"])
async def awhole(text: Any, ctx: Context) -> Any:
    return (*(await ctx.models["labels"].call(text=text[:, np.newaxis])).values(),)


@infer_func(inputs=TEXT, outputs=FOUND, calls=["labels"])
def by_request(requests: list[Request], ctx: Context) -> Any:
    return [ctx.models["labels"](text=request["text"][:, np.newaxis]) for request in requests]


@infer_func(inputs=TEXT, outputs=FOUND, calls=["labels"])
def streamed(text: Any, ctx: Context) -> Iterator[Any]:
    yield ctx.models["labels"](text=text[:, np.newaxis])


@infer_func(inputs=TEXT, outputs=FOUND, calls=["labels"])
async def astreamed(text: Any, ctx: Context) -> AsyncIterator[Any]:
    yield await ctx.models["labels"].call(text=text[:, np.newaxis])


@infer_func(inputs=TEXT, outputs=FOUND, calls=["labels"], max_batch_size=0)
def unbatched(text: Any, ctx: Context) -> Any:
    found = ctx.models["labels"](text=text.reshape(1, 1))
    return {name: output[0] for name, output in found.items()}


@pytest.mark.parametrize("marked", [whole, awhole, by_request, streamed, astreamed])
def test_scalar_outputs_of_a_called_model_are_returned_as_they_are(marked: Any) -> None:
    if marked in (streamed, astreamed):
        (found,) = call_stream(marked, models={"labels": labels}, text=["a", "ü"])
    else:
        found = call_model(marked, models={"labels": labels}, text=["a", "ü"])
    assert (found["label"].tolist(), found["score"].tolist()) == (["a", "ü"], [0, 1])


def test_scalar_outputs_of_a_called_model_without_a_batch_axis() -> None:
    found = call_model(unbatched, models={"labels": labels}, text="ü")
    assert (found["label"].item(), found["score"].item()) == ("ü", 0)


def test_a_string_of_a_called_model_is_checked() -> None:
    found = {"label": np.array([[b"a"], [b"\xff"]], object), "score": np.ones((2, 1), np.float32)}
    with pytest.raises(RequestError, match="output 'label': string 1 is not UTF-8"):
        call_model(whole, models={"labels": lambda text: found}, text=["a", "b"])


@pytest.mark.parametrize("marked", [summed, asummed])
@pytest.mark.parametrize("inner", [counted, generated, agenerated])
def test_streams(marked: Any, inner: Any) -> None:
    assert call_model(marked, models={"inner": inner}, x=ONE)["y"].tolist() == [[11, 22]]


def test_a_called_model_that_calls_another() -> None:
    @infer_func(inputs=X, outputs=Y, calls=["last"])
    def middle(x: Any, ctx: Context) -> Any:
        return ctx.models["last"](x=x)["y"]

    assert call_model(outer, models={"inner": middle, "last": plain}, x=ONE)["y"].tolist() == [[4, 7]]


@pytest.mark.parametrize(
    ("inner", "code", "message"),
    [
        (RequestError("no", code="NOT_FOUND"), "NOT_FOUND", "no"),
        (ModelCallError("other", "CANCELLED", "left"), "CANCELLED", "left"),
        (KeyError("k"), "INTERNAL", "KeyError: 'k'"),
        (Scaled(-1), "UNSUPPORTED", "negative"),
        (lambda x: x, "INTERNAL", "models['inner'] returned a ndarray; return a dict by output name"),
        ("text", "INTERNAL", "models['inner'] is a str; pass a callable or an exception"),
        (counted, "UNSUPPORTED", "it answered with 2 responses; use .stream(…)"),
    ],
)
def test_errors(inner: Any, code: str, message: str) -> None:
    x = [[-1.0]] if isinstance(inner, Scaled) else ONE
    with pytest.raises(RequestError) as caught:
        call_model(outer, models={"inner": inner}, x=x)
    assert (caught.value.code, str(caught.value)) == (code, f"call of model 'inner': {message}")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"z": [[1.0]]}, "model 'Scaled' has no input 'z'; it has x"),
        ({}, "model 'Scaled': input 'x' is missing; pass x=…"),
        ({"x": np.zeros((1, 2))}, "model 'Scaled': input 'x' is an array of float64, expected np.float32"),
        ({"x": np.ones(1, np.float32)}, "model 'Scaled': input 'x' has shape [1], expected [-1, -1]"),
    ],
)
def test_a_call_that_triton_would_refuse(call: dict[str, Any], message: str) -> None:
    @infer_func(inputs=X, outputs=Y)
    def caller(x: Any, ctx: Context) -> Any:
        return ctx.models["inner"](call)["y"]

    with pytest.raises(RequestError) as caught:
        call_model(caller, models={"inner": Scaled}, x=ONE)
    assert (caught.value.code, str(caught.value)) == ("INVALID_ARG", f"call of model 'inner': {message}")


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (None, "the test has no such model; pass models={'inner': …} (it has none)"),
        ({"iner": plain}, "the test has no such model; write 'iner', or pass models={'inner': …} (it has 'iner')"),
        ({("inner", 2): plain}, "the test has no such model; pass models={'inner': …} (it has 'inner' version 2)"),
    ],
)
def test_a_model_that_is_not_given(models: Any, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        call_model(outer, models=models, x=ONE)
    assert str(caught.value) == f"call of model 'inner': {message}"
