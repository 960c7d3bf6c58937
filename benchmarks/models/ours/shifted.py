"""One of the three models of the pipeline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def shifted(x: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """y = x + 1."""
    return {"y": x + np.float32(1)}
