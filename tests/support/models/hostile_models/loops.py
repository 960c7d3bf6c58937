"""Models that spoil the event loop of their worker; each doubles what begins with 0 and is hostile else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
KEPT: list[object] = []


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=1.0)
async def loop_blocked(x: Array) -> Array:
    if x[0]:
        threading.Event().wait()
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=1.0)
async def awaits_for_ever(x: Array) -> Array:
    if x[0]:
        await asyncio.Event().wait()
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=1.0)
async def swallows_the_cancellation(x: Array) -> Array:
    while x[0]:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=5.0)
async def loop_stopped(x: Array) -> Array:
    if x[0]:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(60)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=5.0)
async def all_tasks_cancelled(x: Array) -> Array:
    if x[0]:
        for task in asyncio.all_tasks():
            task.cancel()
        await asyncio.sleep(60)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
async def cancels_itself(x: Array) -> Array:
    if x[0]:
        raise asyncio.CancelledError("by itself")
    return 2 * x


async def fail() -> None:
    raise RuntimeError("nobody looks at this")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
async def tasks_left(x: Array) -> Array:
    if x[0]:
        loop = asyncio.get_running_loop()
        KEPT.extend(loop.create_task(asyncio.sleep(1000)) for _ in range(10_000))
        failing = [loop.create_task(fail()) for _ in range(100)]
        await asyncio.wait(failing)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
async def loop_run_inside_the_loop(x: Array) -> Array:
    if x[0]:
        never = asyncio.sleep(0)
        try:
            asyncio.run(never)
        finally:
            never.close()
    return 2 * x


def flood(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        loop.call_soon_threadsafe(int)
        time.sleep(0.0001)


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
async def loop_flooded_by_a_thread(x: Array) -> Array:
    if x[0]:
        threading.Thread(target=flood, args=(asyncio.get_running_loop(),), daemon=True).start()
    return 2 * x
