"""Models that end by Python's own means, one of each form; for the tests of how the log reports an end."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
WHAT, PID = Tensor("what", str, (1,)), Tensor("pid", np.int64, (1,))
FORM: dict[str, Any] = {"inputs": [WHAT], "outputs": [PID], "max_batch_size": 0}


class Panic(BaseException):
    """An exception as a library in Rust raises it."""


ENDS: dict[str, Callable[[], BaseException]] = {
    "5": lambda: SystemExit(5),
    "none": SystemExit,
    "text": lambda: SystemExit("no disk\nleft"),
    "interrupt": KeyboardInterrupt,
    "panic": lambda: Panic("at the disco"),
    "generator": GeneratorExit,
    "accents": lambda: ValueError("é" * 5_000_000),
    "cancelled": lambda: asyncio.CancelledError("all of it"),
}


def answer(what: Array) -> list[int]:
    """The process id, unless ``what`` names an end."""
    if what[0]:
        raise ENDS[what[0]]()
    return [os.getpid()]


@infer_func(**FORM)
def function(what: Array) -> list[int]:
    return answer(what)


@infer_func(**FORM, threads=3)
def threaded(what: Array) -> list[int]:
    return answer(what)


@infer_func(**FORM)
class Class:
    def __call__(self, what: Array) -> list[int]:
        return answer(what)


@infer_func(**FORM)
def generator(what: Array) -> Iterator[list[int]]:
    yield answer(what)


@infer_func(**FORM)
async def awaited(what: Array) -> list[int]:
    return answer(what)


@infer_func(**FORM)
async def async_generator(what: Array) -> AsyncIterator[list[int]]:
    yield answer(what)


@infer_func(**FORM, timeout=0.3)
def slow(what: Array) -> list[int]:
    """Never returns."""
    threading.Event().wait()
    return [0]


@infer_func(**FORM)
def deaf(what: Array) -> list[int]:
    """Ends the channel of its worker, and stays."""
    link = int(sys.argv[2])
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor == link or not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            continue
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            sock.shutdown(socket.SHUT_RDWR)
    return [0]
