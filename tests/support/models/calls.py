"""Models that run a client's lines of Python, which call the other models here."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pytriton_plugins import Context, ModelCallError, RequestError, Tensor, infer_func

CODE, REPLY = [Tensor("code", str, ())], [Tensor("reply", str, ())]
X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
ALL = ["double", "count", "large", "lone", "hurried", "wait", "outer"]


def error(call: Any, *arguments: Any, **keywords: Any) -> str:
    """The code and the text of the error of a call."""
    try:
        call(*arguments, **keywords)
    except ModelCallError as failure:
        return f"{failure.code}: {failure}"
    except (RuntimeError, TypeError) as failure:
        return f"{type(failure).__name__}: {failure}"
    return "no error"


NAMES: dict[str, Any] = {
    "np": np,
    "os": os,
    "time": time,
    "threading": threading,
    "asyncio": asyncio,
    "ThreadPoolExecutor": ThreadPoolExecutor,
    "ModelCallError": ModelCallError,
    "RequestError": RequestError,
    "Path": Path,
    "kept": [],
    "error": error,
    "x": np.ones((1, 4), np.float32),
}


def reply(code: Any, ctx: Context) -> str:
    scope = {**NAMES, "ctx": ctx, "models": ctx.models}
    exec(code.item(), scope)
    return str(scope["reply"])


@infer_func(inputs=CODE, outputs=REPLY, max_batch_size=0, threads=2, calls=ALL)
def run(code: Any, ctx: Context) -> str:
    return reply(code, ctx)


@infer_func(inputs=CODE, outputs=REPLY, max_batch_size=0, timeout=1.0)
def hurried(code: Any, ctx: Context) -> str:
    return reply(code, ctx)


@infer_func(inputs=CODE, outputs=REPLY, max_batch_size=0)
def lone(code: Any, ctx: Context) -> str:
    return reply(code, ctx)


@infer_func(inputs=CODE, outputs=REPLY, max_batch_size=0)
async def wait(code: Any, ctx: Context) -> str:
    lines = "\n    ".join(code.item().splitlines())
    scope = dict(NAMES)
    exec(f"async def body(ctx, models):\n    {lines}", scope)
    return str(await scope["body"](ctx, ctx.models))


@infer_func(inputs=X, outputs=Y)
def produce(x: Any, ctx: Context) -> Iterator[Any]:
    """Calls before, between and while its responses are taken."""
    with ThreadPoolExecutor(1) as pool:
        for number in range(3):
            later = pool.submit(ctx.models["double"], x=x + number)
            yield ctx.models["double"](x=x)["y"]
            yield later.result()["y"]


@infer_func(inputs=X, outputs=Y)
async def aproduce(x: Any, ctx: Context) -> AsyncIterator[Any]:
    double = ctx.models["double"]
    for number in range(3):
        both = await asyncio.gather(double.call(x=x), double.call(x=x + number))
        yield both[0]["y"] + both[1]["y"]


@infer_func(inputs=X, outputs=Y)
def double(x: Any) -> Any:
    return x * 2


@infer_func(inputs=X, outputs=Y, calls=["double"])
def outer(x: Any, ctx: Context) -> Any:
    return ctx.models["double"](x=x)["y"]


KEPT: list[Any] = []


@infer_func(inputs=X, outputs=Y, calls=["double"])
def keep(x: Any, ctx: Context) -> Any:
    """Returns what a call has returned, keeps some of it, and changes what an earlier batch has kept."""
    y = ctx.models["double"](x=x)["y"]
    for kept in KEPT:
        kept += 1
    if x[0, 0] % 3 == 0:
        KEPT[:] = [y]
    return y


@infer_func(inputs=X, outputs=Y, calls=["keep"])
def outermost(x: Any, ctx: Context) -> Any:
    return ctx.models["keep"](x=x)


@infer_func(inputs=X, outputs=Y, name="slow")
class Slow:
    """Its set-up takes as long as there is a file ``hold`` in a folder."""

    def __init__(self, folder: str = "") -> None:
        hold = Path(folder, "hold")
        if folder and hold.exists():
            Path(folder, "begun").touch()
            while hold.exists():
                time.sleep(0.002)

    def __call__(self, x: Any) -> Any:
        return x


@infer_func(inputs=[Tensor("pixels", np.float32, (-1,))], outputs=[Tensor("scores", np.float32, (-1,))])
def resnet(pixels: Any) -> Any:
    return pixels / 255


@infer_func(inputs=[Tensor("scores", np.float32, (-1,))], outputs=[Tensor("label", str, ())])
def labels(scores: Any) -> Any:
    return np.array(["cat", "d\u00f6g"], object)[scores.argmax(axis=1)]


def decode(image: Any) -> Any:
    return np.array([[*each] for each in image], np.float32)


@infer_func(inputs=[Tensor("image", bytes, ())], outputs=[Tensor("label", str, ())], calls=["resnet", "labels"])
def classify(image: Any, ctx: Context) -> Any:
    scores = ctx.models["resnet"](pixels=decode(image))["scores"]
    return ctx.models["labels"](scores=scores)["label"]


@infer_func(inputs=X, outputs=Y, max_batch_size=0)
def count(x: Any) -> Iterator[Any]:
    for number in range(int(x[0])):
        yield np.full(1 + number, number, np.float32)


@infer_func(inputs=[Tensor("size", np.int64, (1,))], outputs=Y, max_batch_size=0)
def large(size: Any) -> Any:
    return np.ones(size[0], np.float32)
