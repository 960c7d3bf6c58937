"""Models that play with signals, and that end in all ways; each doubles what begins with 0 and is hostile else."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
HARMLESS = (signal.SIGCHLD, signal.SIGWINCH, signal.SIGCONT, signal.SIGURG)


def install(handler: Any) -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError):
            signal.signal(number, handler)


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def all_signals_ignored(x: Array) -> Array:
    if x[0]:
        install(signal.SIG_IGN)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def all_signals_handled(x: Array) -> Array:
    if x[0]:
        install(lambda number, frame: None)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def all_signals_blocked(x: Array) -> Array:
    if x[0]:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def alarm_every_millisecond(x: Array) -> Array:
    if x[0]:
        signal.signal(signal.SIGALRM, lambda number, frame: None)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    return 2 * x


def raises(number: int, frame: object) -> None:
    raise RuntimeError("alarm")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def alarm_that_raises(x: Array) -> Array:
    if x[0]:
        signal.signal(signal.SIGALRM, raises)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(60)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def harmless_signals_to_the_daemon(x: Array) -> Array:
    for number in HARMLESS if x[0] else ():
        for _ in range(1000):
            os.kill(os.getppid(), number)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def kill_of_itself(x: Array) -> Array:
    if x[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def kill_of_zero(x: Array) -> Array:
    if x[0]:
        os.kill(0, signal.SIGTERM)
        time.sleep(60)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def kill_of_its_group(x: Array) -> Array:
    if x[0]:
        os.killpg(0, signal.SIGKILL)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=1.0)
def stop_of_itself(x: Array) -> Array:
    if x[0]:
        os.kill(os.getpid(), signal.SIGSTOP)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def exit_zero(x: Array) -> Array:
    if x[0]:
        os._exit(0)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def abort(x: Array) -> Array:
    if x[0]:
        os.abort()
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def segfault(x: Array) -> Array:
    if x[0]:
        ctypes.string_at(0)
    return 2 * x


def nested(depth: int) -> list[Any]:
    deepest: list[Any] = []
    for _ in range(depth):
        deepest = [deepest]
    return deepest


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def stack_overflow_in_c(x: Array) -> Array:
    if x[0]:
        sys.setrecursionlimit(10**9)
        repr(nested(10**6))
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def exit_by_faulthandler(x: Array) -> Array:
    if x[0]:
        faulthandler.dump_traceback_later(0.05, exit=True)
        time.sleep(60)
    return 2 * x
