"""Models that change the process and the modules around them; each doubles what begins with 0 and is hostile else."""

from __future__ import annotations

import ctypes
import gc
import json
import locale
import os
import resource
import socket
import struct
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
KEPT: list[object] = []
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CLONE_NEWPID, CLONE_NEWNS, MCL_ALL = 0x20000000, 0x00020000, 3


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def process_settings(x: Array) -> Array:
    if x[0]:
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)
        os.umask(0o777)
        os.nice(19)
        os.environ.clear()
        locale.setlocale(locale.LC_ALL, "C")
        time.tzset()
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def process_controls(x: Array) -> Array:
    if x[0]:
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, 0)
        libc.prctl(PR_SET_DUMPABLE, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.mlockall(MCL_ALL)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def all_limits_at_zero(x: Array) -> Array:
    if x[0]:
        for limit in ("FSIZE", "DATA", "STACK", "NPROC", "MEMLOCK", "AS", "NOFILE"):
            resource.setrlimit(getattr(resource, f"RLIMIT_{limit}"), (0, 0))
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def root_changed(x: Array) -> Array:
    if x[0]:
        if not KEPT:
            root = Path(__file__).with_name("root")
            root.mkdir(exist_ok=True)
            os.chroot(root)
            KEPT.append(root)
            os.chdir("/")
        raise ValueError("its source cannot be read")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def other_user(x: Array) -> Array:
    if x[0]:
        os.setgid(65534)
        os.setuid(65534)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def namespace_of_its_own(x: Array) -> Array:
    if x[0]:
        ctypes.CDLL(None).unshare(CLONE_NEWPID | CLONE_NEWNS)
        if os.fork() == 0:
            os.setsid()
            threading.Event().wait()
    return 2 * x


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("it was replaced")


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def json_replaced(x: Array) -> Array:
    """The link to the host speaks JSON: with the next question of the host the worker ends."""
    if x[0]:
        json.loads = json.dumps = refuse
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def struct_and_socket_replaced(x: Array) -> Array:
    if x[0]:
        struct.pack = struct.unpack = struct.Struct = refuse  # type: ignore[assignment,misc]
        socket.socket.sendmsg = socket.socket.send = refuse  # type: ignore[method-assign]
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def os_read_replaced(x: Array) -> Array:
    if x[0]:
        os.read = refuse
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def clocks_and_locks_replaced(x: Array) -> Array:
    if x[0]:
        time.monotonic = time.time = time.sleep = refuse
        threading.Lock = threading.Thread = threading.Event = refuse  # type: ignore[misc,assignment]
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def modules_forgotten(x: Array) -> Array:
    if x[0]:
        sys.modules.clear()
        sys.path.clear()
        sys.meta_path.clear()
        raise ValueError("told all the same")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def garbage_without_collection(x: Array) -> Array:
    if x[0]:
        gc.disable()
        gc.freeze()
        for _ in range(100_000):
            circle: list[Any] = []
            circle.append(circle)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def trace_that_raises(x: Array) -> Array:
    if x[0]:
        threading.settrace(refuse)
        sys.settrace(refuse)
    return 2 * x


def spin() -> None:
    while True:
        pass


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0, timeout=2.0)
def lock_never_given_up(x: Array) -> Array:
    """With a switch interval of an hour, a thread that spins has the interpreter for itself."""
    if x[0]:
        sys.setswitchinterval(3600)
        threading.Thread(target=spin, daemon=True).start()
        time.sleep(0.001)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def switches_without_end(x: Array) -> Array:
    if x[0]:
        sys.setswitchinterval(1e-9)
        threading.Thread(target=spin, daemon=True).start()
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def warnings_are_errors(x: Array) -> Array:
    if x[0]:
        warnings.simplefilter("error")
        np.seterr(all="raise")
    return 2 * x
