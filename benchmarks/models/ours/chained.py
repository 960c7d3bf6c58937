"""The pipeline of three models: the first one does its own work, then calls the other two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Context, Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("y", np.float32, (-1,))],
    calls=["shifted", "halved"],
)
def chained(x: NDArray[np.float32], ctx: Context) -> dict[str, NDArray[np.float32]]:
    """y = x + ½."""
    shifted = ctx.models["shifted"](x=x + x)["y"]
    return {"y": ctx.models["halved"](x=shifted)["y"]}
