"""Models whose exceptions are huge or broken; each doubles what begins with 0 and is hostile else."""

from __future__ import annotations

import builtins
import ctypes
import resource
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import RequestError, Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
GROUP = getattr(builtins, "ExceptionGroup", type("ExceptionGroup", (Exception,), {}))


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def text_of_ten_megabytes(x: Array) -> Array:
    if x[0]:
        raise ValueError("x" * 10_000_000)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def name_of_a_megabyte(x: Array) -> Array:
    if x[0]:
        raise type("Name\n" * 200_000, (Exception,), {})("text")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def text_of_control_characters(x: Array) -> Array:
    if x[0]:
        raise ValueError("\x00\x1b[2J\r\n\x1e\x1f\ud800\u202e")
    return 2 * x


class StrRaises(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def str_raises(x: Array) -> Array:
    if x[0]:
        raise StrRaises
    return 2 * x


class StrRecurses(Exception):
    def __str__(self) -> str:
        return f"{self}"


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def str_recurses(x: Array) -> Array:
    if x[0]:
        raise StrRecurses
    return 2 * x


class StrIsNoText(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def str_is_no_text(x: Array) -> Array:
    if x[0]:
        raise StrIsNoText
    return 2 * x


class StrLoops(Exception):
    def __str__(self) -> str:
        while True:
            pass


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=1.0)
def str_loops(x: Array) -> Array:
    if x[0]:
        raise StrLoops
    return 2 * x


class OddCode(RequestError):
    def __init__(self) -> None:
        super().__init__("odd")
        self.code = np.zeros(3)  # type: ignore[assignment]


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def request_error_of_an_odd_code(x: Array) -> Array:
    if x[0]:
        raise OddCode
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def causes_in_a_circle(x: Array) -> Array:
    if x[0]:
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        raise first
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def thousand_causes(x: Array) -> Array:
    if x[0]:
        last = ValueError("last")
        for number in range(2000):
            last, cause = ValueError(number), last
            last.__cause__ = cause
        raise last
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def exception_group_in_depth(x: Array) -> Array:
    if x[0]:
        error: Exception = ValueError("inside")
        for _ in range(2000):
            error = GROUP("groups", [error, ValueError("beside")])
        raise error
    return 2 * x


def deeper(depth: int) -> int:
    return 1 + deeper(depth + 1)


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def recursion_without_end(x: Array) -> Array:
    if x[0]:
        deeper(0)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def recursion_of_ten_thousand(x: Array) -> Array:
    if x[0]:
        sys.setrecursionlimit(10_000)
        deeper(0)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def stop_iteration(x: Array) -> Array:
    if x[0]:
        raise StopIteration(x)
    return 2 * x


class OwnBase(BaseException):
    pass


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def base_exception(x: Array) -> Array:
    if x[0]:
        raise OwnBase("not caught")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def memory_error(x: Array) -> Array:
    if x[0]:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + (128 << 20), resource.RLIM_INFINITY))
        kept = []
        while True:
            kept.append(bytearray(16 << 20))
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def raised_from_another_thread(x: Array) -> Array:
    """As libraries do that stop a thread: the exception comes at any instruction."""
    if x[0]:
        error = ctypes.py_object(TimeoutError)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), error)
        while True:
            pass
    return 2 * x
