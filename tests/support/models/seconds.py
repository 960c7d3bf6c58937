"""A model whose calls take as many seconds as its input says, one request at a time; for the tests of stops."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]


@infer_func(
    inputs=[Tensor("seconds", np.float32, ())],
    outputs=[Tensor("slept", np.float32, ())],
    max_batch_size=0,
    workers=2,
)
def seconds(seconds: Array) -> Array:
    """Returns its input."""
    time.sleep(float(seconds))
    return seconds
