"""Models that count as their input says, or send the daemon invalid messages; for the tests of metrics."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Context, Tensor, infer_func

LINK = socket.socket(fileno=os.dup(int(sys.argv[2]) if sys.argv[2:3] and sys.argv[2].isdigit() else 0))
"""The worker link as this process inherited it."""


def send(data: bytes) -> None:
    """Send any message to the daemon."""
    LINK.send(data)


def tell(kind: str, **content: Any) -> None:
    send(json.dumps({"type": kind, **content}).encode())


def run(program: NDArray[Any], ctx: Context) -> NDArray[np.int64]:
    """Run each text as a program with `metrics`, `send` and `tell`; answers with the process id."""
    for text in program.flat:
        exec(text, {"metrics": ctx.metrics, "send": send, "tell": tell})
    return np.full(program.shape, os.getpid(), np.int64)


INPUTS, OUTPUTS = [Tensor("program", str, (1,))], [Tensor("pid", np.int64, (1,))]


@infer_func(inputs=INPUTS, outputs=OUTPUTS, max_batch_size=1)
def one(program: NDArray[Any], ctx: Context) -> NDArray[np.int64]:
    return run(program, ctx)


@infer_func(inputs=INPUTS, outputs=OUTPUTS, max_batch_size=1)
def two(program: NDArray[Any], ctx: Context) -> NDArray[np.int64]:
    return run(program, ctx)


@infer_func(inputs=INPUTS, outputs=OUTPUTS, max_batch_size=1, name="closing")
class Closing:
    def __call__(self, program: NDArray[Any], ctx: Context) -> NDArray[np.int64]:
        self.closed = ctx.metrics.counter("closed")
        return run(program, ctx)

    def close(self) -> None:
        self.closed.inc()
