"""A model that fails as its requests say, one task a row."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))], timeout=1.0)
def faulty(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """y = x. A row with 1 never returns, with 2 raises; any other number is a duration in milliseconds."""
    tasks = x[:, 0]
    if 1 in tasks:
        time.sleep(3600)
    if 2 in tasks:
        raise ValueError("a request asked for an error")
    # A batch takes as long as its longest row.
    time.sleep(float(tasks.max()) / 1000)
    return x
