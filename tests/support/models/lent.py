"""Models for clients that send floats in their own shared memory."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
_KEPT: list[Array] = []
_X, _Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


@infer_func(inputs=[_X], outputs=[_Y])
def back(x: Array) -> Array:
    return x


@infer_func(inputs=[_X], outputs=[_Y])
def where(x: Array) -> Array:
    """y[0] is whether x is in a client's file; the rest is x + 1."""
    y = x + 1
    y[0, 0] = any(
        int(start, 16) <= x.ctypes.data < int(end, 16)
        for line in Path("/proc/self/maps").read_text().splitlines()
        if "/dev/shm/" in line
        for start, _, end in [line.split()[0].partition("-")]
    )
    return y


@infer_func(inputs=[_X], outputs=[_Y])
def keeps(x: Array) -> Array:
    """Keeps every input; y holds the sums of all of them."""
    _KEPT.append(x)
    return np.array([[float(each.sum()) for each in _KEPT]], np.float32)


@infer_func(inputs=[_X], outputs=[_Y])
def shrinks(x: Array) -> Array:
    """Reads a client's file that becomes shorter meanwhile."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "/dev/shm/" in line:
            os.truncate(line.split()[-1], mmap.PAGESIZE)
    return np.array([[x.sum()]], np.float32)
