"""Models that end badly; each doubles what begins with 0 and is hostile else."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
KEPT: list[object] = []


def wait_for_ever() -> None:
    threading.Event().wait()


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
class CloseHangs:
    def __call__(self, x: Array) -> Array:
        return 2 * x

    def close(self) -> None:
        wait_for_ever()


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
class CloseRaises:
    def __call__(self, x: Array) -> Array:
        return 2 * x

    def close(self) -> None:
        raise RuntimeError("it does not close")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
class CloseForksAndStops:
    def __call__(self, x: Array) -> Array:
        return 2 * x

    def close(self) -> None:
        if os.fork() == 0:
            os.setsid()
            signal.pause()
        os.kill(os.getpid(), signal.SIGSTOP)


class Del:
    def __del__(self) -> None:
        raise RuntimeError("it does not go")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def del_that_raises(x: Array) -> Array:
    if x[0]:
        KEPT.append(Del())
        Del()
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def atexit_that_hangs(x: Array) -> Array:
    if x[0]:
        atexit.register(wait_for_ever)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def atexit_that_exits(x: Array) -> Array:
    if x[0]:
        atexit.register(os._exit, 77)
    return 2 * x


def fork() -> None:
    if os.fork() == 0:
        os.setsid()
        signal.pause()


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def atexit_that_forks(x: Array) -> Array:
    if x[0]:
        atexit.register(fork)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def excepthook_that_exits(x: Array) -> Array:
    if x[0]:
        sys.excepthook = lambda *_: os._exit(78)
        raise ValueError("caught by the worker")
    return 2 * x
