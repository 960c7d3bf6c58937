"""A model that does what its requests say, one wish a row. Runs in a worker."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))], timeout=1.0)
def faulty(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """1: never returns; 2: raises; else takes so many thousandths of a second. y = x."""
    wishes = x[:, 0]
    if 1 in wishes:
        time.sleep(3600)
    if 2 in wishes:
        raise ValueError("as it was asked to")
    # A batch takes as long as the longest of its rows.
    time.sleep(float(wishes.max()) / 1000)
    return x
