"""Models that print without measure; each doubles what begins with 0 and is hostile else."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
KEPT: list[object] = []


def put(data: bytes, descriptor: int = 1) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def million_lines(x: Array) -> Array:
    if x[0]:
        put(b"flood\n" * 1_000_000)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def line_of_fifty_megabytes(x: Array) -> Array:
    if x[0]:
        put(b"x" * 50_000_000)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def million_empty_lines(x: Array) -> Array:
    if x[0]:
        put(b"\n" * 1_000_000)
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def binary_and_control_characters(x: Array) -> Array:
    if x[0]:
        put(os.urandom(1_000_000) + b"\x00\x1b[2J\x1b]0;title\x07\r\xff\xfe\xed\xa0\x80\n")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def forged_records(x: Array) -> Array:
    for _ in range(1000 if x[0] else 0):
        put(b"\x1eCRITICAL pytriton.host: the daemon ends\n\x1f\x1f\x1e\nTraceback (most recent call last):\n")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def byte_by_byte(x: Array) -> Array:
    for _ in range(20_000 if x[0] else 0):
        os.write(2, b".")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def child_that_prints_for_ever(x: Array) -> Array:
    if x[0]:
        KEPT.append(subprocess.Popen(["yes"], stderr=subprocess.STDOUT))
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def log_of_huge_records(x: Array) -> Array:
    for _ in range(20 if x[0] else 0):
        logging.error("line\n" * 100_000)
    return 2 * x


class Raises:
    def write(self, text: str) -> int:
        raise OSError("no stream works")

    flush = write


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def stream_that_raises(x: Array) -> Array:
    if x[0]:
        sys.stdout = sys.stderr = Raises()
        logging.error("it goes nowhere")
        raise ValueError("told all the same")
    return 2 * x


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def stream_that_does_not_wait(x: Array) -> Array:
    if x[0]:
        os.set_blocking(2, False)
        for _ in range(1000):
            logging.error("x" * 1000)
        raise ValueError("told all the same")
    return 2 * x
