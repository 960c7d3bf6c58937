"""Models that start processes and threads and leave them; each doubles what begins with 0 and is hostile else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
KEPT: list[object] = []
NAMES = os.environ.get("PYTRITON_TEST_MARK", "hostile")
"""The beginning of names in /dev/shm."""


def live_on() -> None:
    while True:
        signal.pause()


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def fork_answered_by_both(x: Array) -> Array:
    if x[0]:
        os.fork()
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def fork_bomb_of_fifty(x: Array) -> Array:
    for _ in range(50 if x[0] else 0):
        if os.fork() == 0:
            live_on()
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def daemon_by_double_fork(x: Array) -> Array:
    if x[0] and (child := os.fork()):
        os.waitpid(child, 0)
    elif x[0]:
        os.setsid()
        if os.fork() == 0:
            live_on()
        os._exit(0)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def children_left_running(x: Array) -> Array:
    if x[0]:
        sleep = [sys.executable, "-c", "import signal; signal.pause()"]
        KEPT.append(subprocess.Popen(sleep))
        KEPT.append(subprocess.Popen(sleep, start_new_session=True, close_fds=False))
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def children_never_waited_for(x: Array) -> Array:
    for _ in range(100 if x[0] else 0):
        if os.fork() == 0:
            os._exit(0)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def pool_by_fork(x: Array) -> Array:
    if x[0]:
        pool = multiprocessing.get_context("fork").Pool(2)
        KEPT.append(pool)
        assert pool.map(abs, [-3, 3]) == [3, 3]
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def pool_by_forkserver(x: Array) -> Array:
    if x[0]:
        pool = multiprocessing.get_context("forkserver").Pool(1)
        KEPT.append(pool)
        assert pool.map(abs, [-3, 3]) == [3, 3]
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def executor_by_spawn(x: Array) -> Array:
    if x[0]:
        executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        KEPT.append(executor)
        assert executor.submit(abs, -3).result() == 3
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def shared_memory_left(x: Array) -> Array:
    if x[0]:
        KEPT.append(SharedMemory(f"{NAMES}-{os.getpid()}-{len(KEPT)}", create=True, size=1 << 20))
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def shared_memory_and_death(x: Array) -> Array:
    if x[0]:
        KEPT.append(SharedMemory(f"{NAMES}-{os.getpid()}-{len(KEPT)}", create=True, size=1 << 20))
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def process_replaced(x: Array) -> Array:
    if x[0]:
        os.execv(sys.executable, [sys.executable, "-c", "import signal; signal.pause()"])
    return 2 * x


def spin() -> None:
    while True:
        pass


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def threads_that_spin(x: Array) -> Array:
    for _ in range(2 if x[0] else 0):
        threading.Thread(target=spin, daemon=True).start()
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def threads_that_never_end(x: Array) -> Array:
    for _ in range(50 if x[0] else 0):
        threading.Thread(target=threading.Event().wait).start()
    return 2 * x
