"""Models that stream without end, not at all or wrongly; each yields the double of what begins with 0."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
PAUSE = 0.005
"""Seconds between two responses: tritonserver 2.51 ends of clients that leave faster streams over gRPC."""


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def stream_without_end(x: Array) -> Iterator[Array]:
    yield 2 * x
    while x[0]:
        time.sleep(PAUSE)
        yield 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def stream_without_end_that_refuses_to_close(x: Array) -> Iterator[Array]:
    yield 2 * x
    while x[0]:
        time.sleep(PAUSE)
        with contextlib.suppress(GeneratorExit):
            yield 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=1.0)
def stream_that_never_yields(x: Array) -> Iterator[Array]:
    if x[0]:
        threading.Event().wait()
    yield 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def stream_of_nothing(x: Array) -> Iterator[Array]:
    if not x[0]:
        yield 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def stream_of_odd_things(x: Array) -> Iterator[Any]:
    yield 2 * x
    if x[0]:
        yield object()


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
async def async_stream_without_end(x: Array) -> AsyncIterator[Array]:
    yield 2 * x
    while x[0]:
        await asyncio.sleep(PAUSE)
        yield 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=1.0)
async def async_stream_that_never_yields(x: Array) -> AsyncIterator[Array]:
    if x[0]:
        await asyncio.Event().wait()
    yield 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=1.0)
async def async_stream_that_swallows_the_end(x: Array) -> AsyncIterator[Array]:
    while x[0]:
        try:
            time.sleep(0.01)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
    yield 2 * x
