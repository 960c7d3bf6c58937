"""A model for each form of callable; served by the tests of the daemon."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Context, Request, RequestError, Tensor, infer_func

Array = NDArray[Any]
X = Tensor("x", np.float32, (-1,))
Y = Tensor("y", np.float32, (-1,))
COUNT = Tensor("count", np.int32, (1,))
NUMBER = Tensor("number", np.int32, (1,))


@infer_func(inputs=[X], outputs=[Y])
def doubled(x: Array) -> Array:
    return x * 2


@infer_func(inputs=[X], outputs=[Y])
class Scaled:
    def __init__(self, factor: float = 2.0) -> None:
        self._factor = np.float32(factor)

    def __call__(self, x: Array) -> dict[str, Array]:
        return {"y": x * self._factor}


_INSIDE = threading.Barrier(3)


@infer_func(inputs=[X], outputs=[Y], threads=3, max_batch_size=0)
def three_at_once(x: Array) -> Array:
    """Returns only while two other calls are running."""
    _INSIDE.wait(60)
    return x + 1


_WAITING: list[asyncio.Event] = []


@infer_func(inputs=[X], outputs=[Y], max_concurrency=3, max_batch_size=0)
async def three_awaited(x: Array) -> Array:
    """Returns only while two other calls are awaited."""
    event = asyncio.Event()
    _WAITING.append(event)
    if len(_WAITING) == 3:
        for each in _WAITING:
            each.set()
        _WAITING.clear()
    await asyncio.wait_for(event.wait(), 60)
    return x + 2


@infer_func(inputs=[X], outputs=[Y])
class Awaited:
    """Made in the event loop that runs its calls."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def __call__(self, x: Array) -> dict[str, Array]:
        assert asyncio.get_running_loop() is self._loop
        await asyncio.sleep(0)
        if (x < 0).any():
            raise RequestError("negative")
        return {"y": x * 3}

    async def close(self) -> None:
        await asyncio.sleep(0)
        print("awaited: closed", flush=True)


@infer_func(inputs=[COUNT], outputs=[NUMBER])
def counted(count: Array) -> Iterator[Array]:
    """One response for each number up to ``count``; fails at 13."""
    for number in range(int(count[0, 0])):
        if number == 13:
            raise RequestError("unlucky")
        yield np.full((1, 1), number, np.int32)


@infer_func(inputs=[COUNT], outputs=[NUMBER])
def counted_statistics(count: Array) -> Iterator[Array]:
    """The same, for a test that looks at its statistics."""
    yield from counted(count)


@infer_func(inputs=[COUNT], outputs=[NUMBER])
def counted_up(count: Array) -> Iterator[Array]:
    """One response for each number up to ``count``; the worker ends behind those of a negative one."""
    for number in range(abs(int(count[0, 0]))):
        yield np.full((1, 1), number, np.int32)
    if count[0, 0] < 0:
        os._exit(3)


@infer_func(inputs=[COUNT], outputs=[NUMBER])
async def counted_async(count: Array) -> AsyncIterator[Array]:
    for number in range(int(count[0, 0])):
        if number == 13:
            raise RequestError("unlucky")
        await asyncio.sleep(0)
        yield np.full((1, 1), number, np.int32)


_BOTH = threading.Barrier(2)


@infer_func(inputs=[COUNT], outputs=[NUMBER], threads=2)
class TwoAtOnce:
    """A generator that begins only while another one runs."""

    def __call__(self, count: Array) -> Iterator[Array]:
        _BOTH.wait(60)
        yield from (np.full((1, 1), number, np.int32) for number in range(int(count[0, 0])))


@infer_func(inputs=[COUNT], outputs=[NUMBER])
class CountedClass:
    def __call__(self, count: Array) -> Iterator[Array]:
        yield from counted(count)


@infer_func(inputs=[COUNT], outputs=[NUMBER])
class CountedAsyncClass:
    async def __call__(self, count: Array) -> AsyncIterator[Array]:
        async for number in counted_async(count):
            yield number


@infer_func(inputs=[X], outputs=[Y])
def one_by_one(requests: list[Request]) -> list[Any]:
    """Requests of any shape in one batch; the smallest number of each must not be negative."""
    results: list[Any] = []
    for request in requests:
        x = request["x"]
        results.append(RequestError("negative") if (x < 0).any() else x * len(requests))
    return results


@infer_func(inputs=[X, Tensor("bias", np.float32, (), optional=True)], outputs=[Y, Tensor("batch", np.int32, ())])
def one_by_one_alike(requests: list[Request]) -> list[Any]:
    """All requests of a call have the bias, or none has; ``batch``: how many requests there were."""
    if len({len(request.inputs) for request in requests}) > 1:
        return [ValueError("some have a bias")] * len(requests)
    biases = [request["bias"] for request in requests] if "bias" in requests[0].inputs else [0] * len(requests)
    time.sleep(0.001)  # others gather meanwhile
    return [
        {"y": request["x"] + bias, "batch": np.full(len(request["x"]), len(requests), np.int32)}
        for request, bias in zip(requests, biases, strict=True)
    ]


@infer_func(inputs=[X], outputs=[Y])
async def one_by_one_awaited(requests: list[Request]) -> list[Any]:
    await asyncio.sleep(0)
    return one_by_one(requests)


@infer_func(inputs=[X], outputs=[Y])
class OneByOne:
    def __call__(self, requests: list[Request]) -> list[Any]:
        return one_by_one(requests)


@infer_func(inputs=[X], outputs=[Y])
def told(x: Array, ctx: Context) -> dict[str, Array]:
    """Answers with what the request carries, as parameters of its response."""
    for request in ctx.requests:
        request.set("id", request.id)
        request.set("correlation_id", str(request.correlation_id))
        for name, value in {**request.parameters, **request.headers}.items():
            request.set(f"got_{name}", value)
        request.set("timeout", request.timeout or 0.0)
        request.set("sequence", request.sequence_start + 2 * request.sequence_end)
        request.set("rows", request.rows.stop - request.rows.start)
        request.set("headers", ",".join(sorted(request.headers)))
        if request.parameters.get("fail"):
            request.fail("as you wish", code="NOT_FOUND")
    out = ctx.empty("y", x.shape)
    np.multiply(x, 2, out=out)
    return {"y": out}


def _note(word: str) -> None:
    print(word, flush=True)


@infer_func(inputs=[X], outputs=[Y])
def until_cancelled(x: Array, ctx: Context) -> Array:
    _note("until_cancelled: called")
    end = time.monotonic() + 30
    while not ctx.cancelled and time.monotonic() < end:
        time.sleep(0.01)
    _note("until_cancelled: cancelled" if ctx.cancelled else "until_cancelled: not cancelled")
    return x


@infer_func(inputs=[X], outputs=[Y])
async def awaited_until_cancelled(x: Array) -> Array:
    _note("awaited_until_cancelled: called")
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        _note("awaited_until_cancelled: cancelled")
        raise
    return x


@infer_func(inputs=[COUNT], outputs=[NUMBER])
def endless(count: Array) -> Iterator[Array]:
    _note("endless: called")
    try:
        number = 0
        while True:
            yield np.full((1, 1), number, np.int32)
            number += 1
            time.sleep(0.005)
    finally:
        _note("endless: closed")


@infer_func(inputs=[COUNT], outputs=[NUMBER])
async def endless_async(count: Array) -> AsyncIterator[Array]:
    _note("endless_async: called")
    try:
        number = 0
        while True:
            yield np.full((1, 1), number, np.int32)
            number += 1
            await asyncio.sleep(0.005)
    finally:
        _note("endless_async: closed")
