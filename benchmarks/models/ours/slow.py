"""A slow identity model: clients of the long run leave in the middle of its calls."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

SECONDS = 0.02


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def slow(x: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """y = x."""
    time.sleep(SECONDS)
    return {"y": x}
