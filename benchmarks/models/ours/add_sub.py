"""add-sub, served under the name of the file to which it is copied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func


@infer_func(
    name=Path(__file__).stem,
    inputs=[Tensor("a", np.float32, (-1,)), Tensor("b", np.float32, (-1,))],
    outputs=[Tensor("sum", np.float32, (-1,)), Tensor("difference", np.float32, (-1,))],
)
def add_sub(a: NDArray[np.float32], b: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Both at once."""
    return {"sum": a + b, "difference": a - b}
