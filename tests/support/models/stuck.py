"""Models that return at once or never, as their input says."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
_X, _Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


@infer_func(inputs=[_X], outputs=[_Y], timeout=1.0, max_batch_size=1)
def stuck(x: Array) -> Array:
    """1: waits for ever; 2: waits for ever and holds the GIL; any other input is returned."""
    if x[0, 0] == 1:
        threading.Event().wait()
    if x[0, 0] == 2:
        ctypes.PyDLL(None).sleep(3600)
    return x


@infer_func(inputs=[_X], outputs=[_Y])
def other(x: Array) -> Array:
    return x
