"""Models for the tests of the client."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Context, RequestError, Sequence, Tensor, infer_func
from pytriton_plugins.errors import ErrorCode

Array = NDArray[Any]


@infer_func(
    inputs=[Tensor("a", np.float32, (-1,)), Tensor("b", np.float32, (-1,))], outputs=[Tensor("sum", np.float32, (-1,))]
)
def add(a: Array, b: Array) -> Array:
    return a + b


@infer_func(inputs=[Tensor("code", str, ())], outputs=[Tensor("never", np.int8, ())])
def failing(code: Array) -> Array:
    """Answers with the error code of that name; ``exit`` ends the worker, another text is an exception."""
    if code[0] == "exit":
        os._exit(4)
    if not code[0].isupper():
        raise ValueError(code[0])
    known: ErrorCode = code[0]
    raise RequestError(f"asked for {known}", code=known)


@infer_func(
    inputs=[Tensor("timeout", np.int32, ()), Tensor("images:0", np.uint8, (2,), arg="images")],
    outputs=[Tensor("both", np.int32, ())],
)
def awkward(timeout: Array, images: Array) -> Array:
    """Its inputs have the name of an option, and a name that is not a keyword."""
    total: Array = timeout + images.sum(axis=1, dtype=np.int32)
    return total


@infer_func(
    inputs=[Tensor("x", np.int32, ()), Tensor("timeout", np.int32, (), optional=True)],
    outputs=[Tensor("given", np.int32, ())],
)
def patient(x: Array, timeout: Array | None = None) -> Array:
    """Its optional input has the name of an option; -1 without it."""
    return np.full_like(x, -1) if timeout is None else timeout


@infer_func(
    inputs=[Tensor("words", str, (-1,)), Tensor("count", np.int32, ())],
    outputs=[Tensor("word", bytes, ()), Tensor("pair", np.float64, (-1, 2))],
)
def told(words: Array, count: Array) -> Iterator[dict[str, Array]]:
    """One response for each word, and an output of an array; fails after ``count`` of them."""
    for number, word in enumerate(words[0]):
        if number == count[0]:
            raise RequestError("enough", code="UNAVAILABLE")
        word_array = np.array([word.encode()], object)
        yield {"word": word_array, "pair": np.full((1, number, 2), number + 0.5)}


@infer_func(inputs=[Tensor("grid", np.int8, (-1, -1))], outputs=[Tensor("row", np.int8, (-1, -1))])
def gridded(grid: Array) -> Iterator[Array]:
    """A stream that HTTP cannot carry: two dimensions of any length."""
    for number in range(grid.shape[1]):
        yield grid[:, number : number + 1]


@infer_func(inputs=[Tensor("seconds", np.float64, ())], outputs=[Tensor("id", str, ())], threads=32, max_batch_size=0)
def waiting(seconds: Array, ctx: Context) -> str:
    """Waits, unless it is cancelled, and answers with the id of the request."""
    end = time.monotonic() + float(seconds)
    print(f"waiting: {ctx.requests[0].id} called", flush=True)
    while time.monotonic() < end:
        if ctx.cancelled:
            print(f"waiting: {ctx.requests[0].id} cancelled", flush=True)
            break
        time.sleep(0.01)
    return ctx.requests[0].id


@infer_func(inputs=[Tensor("file", str, ())], outputs=[Tensor("id", str, ())], threads=4, max_batch_size=0)
def held(file: str, ctx: Context) -> str:
    """Waits until ``file`` exists, and tells whether it was cancelled meanwhile."""
    print(f"held: {ctx.requests[0].id} called", flush=True)
    while not os.path.exists(str(file)):
        time.sleep(0.01)
    print(f"held: {ctx.requests[0].id} ended, cancelled: {ctx.cancelled}", flush=True)
    return ctx.requests[0].id


@infer_func(inputs=[Tensor("file", str, ())], outputs=[Tensor("number", np.int32, ())], threads=4, max_batch_size=0)
def held_stream(file: str, ctx: Context) -> Iterator[Array]:
    """One number when ``file`` exists; it ends when it is cancelled."""
    print(f"held_stream: {file} called", flush=True)
    while not os.path.exists(str(file)):
        time.sleep(0.01)
    print(f"held_stream: {file} answers, cancelled: {ctx.cancelled}", flush=True)
    yield np.array(0, np.int32)
    while not ctx.cancelled:
        time.sleep(0.01)
    print(f"held_stream: {file} cancelled", flush=True)


@infer_func(inputs=[Tensor("x", np.int32, ())], outputs=[Tensor("y", np.int32, ())])
def echoed(x: Array, ctx: Context) -> Array:
    """Answers with its input, and with what came with the request as parameters of the response."""
    for request in ctx.requests:
        for name, value in {**request.parameters, **request.headers}.items():
            request.set(f"got-{name}", value)
        request.set("timeout", request.timeout or 0.0)
        request.set("correlation", str(request.correlation_id))
    return x


@infer_func(inputs=[Tensor("x", np.int32, ())], outputs=[Tensor("y", np.int32, ())], name="echoed", version=3)
def echoed_3(x: Array) -> Array:
    """The newest version."""
    return x * 3


@infer_func(inputs=[Tensor("x", np.int32, ())], outputs=[Tensor("y", np.int32, ())], threads=4)
def endless(x: Array) -> Iterator[Array]:
    """A number after the other, until the request is cancelled."""
    print(f"endless: {x[0]} called", flush=True)
    number = 0
    try:
        while True:
            yield np.full(1, number, np.int32)
            number += 1
            time.sleep(0.01)
    finally:
        print(f"endless: {x[0]} closed", flush=True)


@infer_func(inputs=[Tensor("x", np.int32, ())], outputs=[Tensor("sum", np.int32, ())], sequence=Sequence())
def remembered(x: Array, ctx: Context) -> Array:
    """The sum of its sequence so far."""
    return _remembered(x, ctx)


@infer_func(inputs=[Tensor("x", np.int32, ())], outputs=[Tensor("sum", np.int32, ())], sequence=Sequence())
def remembered_twice(x: Array, ctx: Context) -> Iterator[Array]:
    """The sum of its sequence so far, in two responses."""
    yield from [_remembered(x, ctx)] * 2


def _remembered(x: Array, ctx: Context) -> Array:
    state = ctx.sequence.state
    state["sum"] = state.get("sum", 0) + x
    return np.array(state["sum"])
