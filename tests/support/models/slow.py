"""Eight models with a long set-up, which tritonserver loads slowly because of their threads."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
X = [Tensor("x", np.float32, (1,))]
THREADS = 256
"""Each is one more instance in tritonserver."""


class _Slow:
    """Computes for ``SLOW_SETUP`` seconds before it serves, as a model that reads weights does."""

    def __init__(self) -> None:
        until = time.monotonic() + float(os.environ.get("SLOW_SETUP", "0"))
        while time.monotonic() < until:
            pass

    def __call__(self, x: Array) -> Array:
        return x


def _made(number: int) -> type[_Slow]:
    kind = type(f"slow_{number}", (_Slow,), {"__module__": __name__, "__call__": lambda self, x: x})
    return infer_func(inputs=X, outputs=[Tensor("y", np.float32, (1,))], threads=THREADS)(kind)


slow_0, slow_1, slow_2, slow_3, slow_4, slow_5, slow_6, slow_7 = map(_made, range(8))
