"""A model that deletes the file that it came from; it doubles what begins with 0 and is hostile else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


@infer_func(inputs=[X], outputs=[Y], max_batch_size=0)
def own_file_deleted(x: NDArray[Any]) -> NDArray[Any]:
    if x[0]:
        Path(__file__).unlink(missing_ok=True)
        raise ValueError("told all the same")
    return 2 * x
