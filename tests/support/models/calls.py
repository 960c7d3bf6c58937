"""Models that run a client's lines of Python, which call the other models here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pytriton_plugins import Context, ModelCallError, RequestError, Tensor, infer_func

CODE = [Tensor("code", str, ())]
SAID = [Tensor("said", str, ())]
X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
KEPT: list[Any] = []
NAMES = {"np": np, "os": os, "time": time, "threading": threading, "asyncio": asyncio, "contextlib": contextlib}
NAMES |= {"ThreadPoolExecutor": ThreadPoolExecutor, "ModelCallError": ModelCallError, "Path": Path, "KEPT": KEPT}


def call_error(call: Any, *arguments: Any, **keywords: Any) -> str:
    """The code and the text of the error of a call."""
    try:
        call(*arguments, **keywords)
    except (ModelCallError, RuntimeError, TypeError) as error:
        return f"{getattr(error, 'code', type(error).__name__)} {error}"
    return "no error"


def _run(code: Any, ctx: Context) -> Any:
    scope: dict[str, Any] = {**NAMES, "ctx": ctx, "models": ctx.models, "error": call_error}
    scope["x"] = np.ones((1, 4), np.float32)
    exec(code.item(), scope)
    return str(scope["said"])


@infer_func(inputs=CODE, outputs=SAID, max_batch_size=0, threads=2)
def run(code: Any, ctx: Context) -> Any:
    return _run(code, ctx)


@infer_func(inputs=CODE, outputs=SAID, max_batch_size=0, timeout=1.0)
def hurried(code: Any, ctx: Context) -> Any:
    return _run(code, ctx)


@infer_func(inputs=CODE, outputs=SAID, max_batch_size=0)
async def wait(code: Any, ctx: Context) -> Any:
    lines = "\n    ".join(code.item().splitlines())
    scope: dict[str, Any] = {**NAMES, "error": call_error}
    exec(f"async def body(ctx, models, x):\n    {lines}", scope)
    return str(await scope["body"](ctx, ctx.models, np.ones((1, 4), np.float32)))


@infer_func(inputs=X, outputs=Y, max_batch_size=0)
def produce(x: Any, ctx: Context) -> Iterator[Any]:
    """Calls before, between and while its responses are taken."""
    with ThreadPoolExecutor(1) as pool:
        for number in range(3):
            later = pool.submit(ctx.models["double"], x=x + number)
            yield ctx.models["double"](x=x)["y"]
            yield later.result()["y"]


@infer_func(inputs=X, outputs=Y, max_batch_size=0)
async def aproduce(x: Any, ctx: Context) -> AsyncIterator[Any]:
    for number in range(3):
        both = await asyncio.gather(ctx.models["double"].call(x=x), ctx.models["double"].call(x=x + number))
        yield sum(outputs["y"] for outputs in both)


@infer_func(inputs=X, outputs=Y)
def double(x: Any) -> Any:
    return x * 2


@infer_func(inputs=X, outputs=Y, retry_alone=False)
def outer(x: Any, ctx: Context) -> Any:
    return ctx.models["double"](x=x)["y"] + 1


@infer_func(inputs=[Tensor("a", bytes, (-1,)), Tensor("b", str, ())], outputs=[Tensor("joined", str, ())])
def join(a: Any, b: Any) -> Any:
    return [b"".join(row).decode() + text for row, text in zip(a, b, strict=True)]


@infer_func(inputs=X, outputs=Y)
def refuse(x: Any) -> Any:
    raise RequestError("x is not wanted", code="NOT_FOUND")


@infer_func(inputs=X, outputs=Y)
def fail(x: Any) -> Any:
    raise KeyError("inside")


@infer_func(inputs=X, outputs=Y, max_batch_size=0)
def count(x: Any) -> Iterator[Any]:
    for number in range(int(x.ravel()[0])):
        yield np.full(1 + number, number, np.float32)


@infer_func(inputs=[Tensor("size", np.int64, (1,))], outputs=Y, max_batch_size=0)
def large(size: Any) -> Any:
    return np.ones(int(size[0]), np.float32)


@infer_func(inputs=[Tensor("path", str, ())], outputs=[Tensor("end", str, ())], max_batch_size=0)
async def hold(path: Any, ctx: Context) -> str:
    """Creates the file, and waits until it is gone; says whether it was cancelled."""
    file = Path(path.item())
    file.touch()
    try:
        while file.exists():
            await asyncio.sleep(0.002)
    except asyncio.CancelledError:
        file.with_suffix(".cancelled").touch()
        raise
    return "held"


@infer_func(inputs=[Tensor("path", str, ())], outputs=[Tensor("end", str, ())], max_batch_size=0)
def stuck(path: Any) -> str:
    """Creates a file with its process id, and waits until it is gone."""
    file = Path(path.item())
    file.write_text(str(os.getpid()))
    while file.exists():
        time.sleep(0.002)
    return "free"


@infer_func(inputs=[Tensor("depth", np.int32, (1,))], outputs=[Tensor("names", str, ())], max_batch_size=0)
def again(depth: Any, ctx: Context) -> Any:
    """Calls itself."""
    if not depth[0]:
        return "end"
    return ctx.models["again"](depth=depth - 1)["names"]


@infer_func(inputs=[Tensor("depth", np.int32, (1,))], outputs=[Tensor("names", str, ())], max_batch_size=0)
def ping(depth: Any, ctx: Context) -> Any:
    return ctx.models["pong"](depth=depth)["names"]


@infer_func(inputs=[Tensor("depth", np.int32, (1,))], outputs=[Tensor("names", str, ())], max_batch_size=0)
def pong(depth: Any, ctx: Context) -> Any:
    return ctx.models["ping"](depth=depth)["names"]


def _link(name: str, following: str) -> Any:
    @infer_func(name=name, inputs=X, outputs=Y)
    def link(x: Any, ctx: Context) -> Any:
        return ctx.models[following](x=x + 1)["y"]

    return link


link1, link2, link3, link4 = (_link(f"link{i}", f"link{i + 1}") for i in range(1, 5))


@infer_func(inputs=X, outputs=Y, retry_alone=False)
def link5(x: Any) -> Any:
    if x[0, 0] < 0:
        raise RequestError("negative", code="INVALID_ARG")
    return x
