"""Models that return the name of the replica, its variable REPLICA; for the tests of clusters."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]
NAME = os.environ.get("REPLICA", "")


@infer_func(
    inputs=[Tensor("gate", str, (1,)), Tensor("seconds", np.float32, (1,))],
    outputs=[Tensor("replica", str, (1,))],
    max_batch_size=8,
)
def named(gate: Array, seconds: Array) -> Array:
    """Waits until every file that is named can be read to its end, and for the longest time."""
    for path in filter(None, gate[:, 0]):
        Path(path).read_bytes()
    time.sleep(float(seconds.max()))
    return np.full(gate.shape, NAME, object)


@infer_func(inputs=[Tensor("seconds", np.float32, (1,))], outputs=[Tensor("replica", str, (1,))], max_batch_size=0)
def alone(seconds: Array) -> Array:
    """One request at a time, however many wait."""
    time.sleep(float(seconds[0]))
    return np.array([NAME], object)
