"""Models for the tests of the clients."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Context, RequestError, Tensor, infer_func

Array = NDArray[Any]
FLOATS = (-1,)


@infer_func(
    inputs=[Tensor("a", np.float32, FLOATS), Tensor("b", np.float32, FLOATS)],
    outputs=[Tensor("sum", np.float32, FLOATS), Tensor("difference", np.float32, FLOATS)],
    max_batch_size=8,
)
def add_sub(a: Array, b: Array) -> tuple[Array, Array]:
    return a + b, a - b


@infer_func(inputs=[Tensor("x", np.int32, (1,))], outputs=[Tensor("y", np.int32, (1,))])
def scaled(x: Array) -> Array:
    return x


@infer_func(inputs=[Tensor("x", np.int32, (1,))], outputs=[Tensor("y", np.int32, (1,))], name="scaled", version=3)
def scaled_3(x: Array) -> Array:
    """The newest version."""
    return x * 3


@infer_func(inputs=[Tensor("x", np.float32, FLOATS)], outputs=[Tensor("y", np.float32, FLOATS)], max_batch_size=0)
def unbatched(x: Array) -> Array:
    return x * 2


@infer_func(
    inputs=[Tensor("x", np.int32, (1,)), Tensor("more", np.int32, (1,), optional=True)],
    outputs=[Tensor("y", np.int32, (1,))],
)
def optional(x: Array, more: Array | None = None) -> Array:
    return x if more is None else x + more


@infer_func(inputs=[Tensor("x", bytes, (1,))], outputs=[Tensor("y", bytes, (1,))])
def upper(x: Array) -> Array:
    return np.array([[item.upper() for item in row] for row in x], object)


@infer_func(inputs=[Tensor("x", np.int32, (1,))], outputs=[Tensor("got", bytes, (1,))], max_batch_size=1)
def told(x: Array, ctx: Context) -> Array:
    """Answers with the parameters and the headers of the request."""
    request = ctx.requests[0]
    return np.array([[json.dumps([dict(request.parameters), dict(request.headers)]).encode()]], object)


@infer_func(inputs=[Tensor("why", bytes, (1,))], outputs=[Tensor("never", np.int8, (1,))])
def failing(why: Array) -> Array:
    text = why[0, 0].decode()
    if text == "exit":
        os._exit(4)
    if text == "raise":
        raise ValueError("it was asked to")
    raise RequestError("asked for", code=text)


@infer_func(
    inputs=[Tensor("seconds", np.float64, (1,))], outputs=[Tensor("seconds", np.float64, (1,))], threads=16,
    max_batch_size=1,
)
def waiting(seconds: Array, ctx: Context) -> Array:
    """Waits, unless it is cancelled."""
    end = time.monotonic() + float(seconds[0, 0])
    print(f"waiting {seconds[0, 0]}: called", flush=True)
    while time.monotonic() < end:
        if ctx.cancelled:
            print(f"waiting {seconds[0, 0]}: cancelled", flush=True)
            break
        time.sleep(0.01)
    return seconds


@infer_func(
    inputs=[Tensor("upto", np.int32, (1,)), Tensor("fails", bool, (1,), optional=True)],
    outputs=[Tensor("number", np.int32, (1,))],
    threads=8,
)
def counted(upto: Array, fails: Array | None = None) -> Iterator[Array]:
    """A number after the other; then it fails if asked, or waits for the cancellation if ``upto`` is below 0."""
    number = 0
    try:
        while number < abs(upto[0, 0]) or upto[0, 0] < 0:
            yield np.full((1, 1), number, np.int32)
            number += 1
            if number > abs(upto[0, 0]):
                time.sleep(0.01)
        if fails is not None and fails[0, 0]:
            raise RequestError("enough", code="UNAVAILABLE")
    finally:
        print(f"counted {upto[0, 0]}: closed", flush=True)


@infer_func(
    inputs=[Tensor("seconds", np.float64, (1,))], outputs=[Tensor("seconds", np.float64, (1,))], threads=8
)
def slow(seconds: Array, ctx: Context) -> Iterator[Array]:
    """Three responses, each after so many seconds."""
    for _ in range(3):
        end = time.monotonic() + float(seconds[0, 0])
        while time.monotonic() < end and not ctx.cancelled:
            time.sleep(0.01)
        yield seconds
