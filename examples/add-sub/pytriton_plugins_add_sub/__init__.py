"""The model `add_sub`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pytriton_plugins import Tensor, infer_func

Vectors = npt.NDArray[np.floating[Any]]


@infer_func(
    inputs=[Tensor("a", np.float32, (-1,)), Tensor("b", np.float32, (-1,))],
    outputs=[Tensor("sum", np.float32, (-1,)), Tensor("difference", np.float32, (-1,))],
)
def add_sub(a: Vectors, b: Vectors) -> dict[str, Vectors]:
    """The sum and the difference of each row of ``a`` and ``b``."""
    return {"sum": a + b, "difference": a - b}
