"""Models that spoil their own descriptors; each doubles what begins with 0 and is hostile else."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Context, Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
MANY = 100_000
KEPT: list[object] = []


def sockets() -> list[int]:
    """The channel, and the link to the host, which has a high number for it was inherited."""
    found = []
    for name in sorted(map(int, os.listdir("/proc/self/fd"))):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found.append(name)
    return found


def shut_down(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        sock.shutdown(socket.SHUT_RDWR)


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def all_descriptors_closed(x: Array) -> Array:
    if x[0]:
        os.closerange(0, MANY)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def standard_streams_closed(x: Array) -> Array:
    if x[0]:
        os.closerange(0, 3)
        print("nobody reads this")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def standard_streams_none(x: Array) -> Array:
    if x[0]:
        sys.stdin = sys.stdout = sys.stderr = None
        raise ValueError("there is nothing to print it to")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def kill_pipe_closed(x: Array) -> Array:
    if x[0]:
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if int(name) > 2 and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
                    os.close(int(name))
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def channel_redirected(x: Array) -> Array:
    if x[0]:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in sockets()[:-1]:
            os.dup2(nothing, descriptor)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def garbage_to_the_channel(x: Array) -> Array:
    for descriptor in sockets()[:-1] if x[0] else ():
        os.write(descriptor, b"garbage" * 5)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def message_of_zeros_to_the_channel(x: Array) -> Array:
    for descriptor in sockets()[:-1] if x[0] else ():
        os.write(descriptor, bytes(40))
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def channel_shut_down(x: Array) -> Array:
    for descriptor in sockets()[:-1] if x[0] else ():
        shut_down(descriptor)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def garbage_to_the_link(x: Array) -> Array:
    if x[0]:
        os.write(sockets()[-1], b"\xff{garbage")
        time.sleep(60)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def flood_of_the_link(x: Array) -> Array:
    ends = time.monotonic() + 1
    while x[0] and time.monotonic() < ends:
        os.write(sockets()[-1], json.dumps({"type": "pong", "more": "x" * 10_000}).encode())
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def link_shut_down(x: Array) -> Array:
    if x[0]:
        shut_down(sockets()[-1])
        time.sleep(60)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def flood_of_metrics(x: Array, ctx: Context) -> Array:
    refused = 0
    for number in range(10_000 if x[0] else 0):
        try:
            ctx.metrics.counter("flood", number=str(number)).inc()
        except ValueError:
            refused += 1
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def no_descriptor_left(x: Array) -> Array:
    if x[0]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with contextlib.suppress(OSError):
            while True:
                os.open(os.devnull, os.O_RDONLY)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def no_descriptor_left_for_a_large_answer(x: Array) -> Array:
    if x[0]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        return np.zeros(8 << 20, np.float32)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def memory_files_kept(x: Array) -> Array:
    for _ in range(8 if x[0] else 0):
        file = os.memfd_create("hostile")
        os.pwrite(file, bytes(1 << 20), 0)
        KEPT.append(file)
    return 2 * x
