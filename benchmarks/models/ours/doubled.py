"""One of the three models of the pipeline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def doubled(x: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """y = 2 x."""
    return {"y": x + x}
