"""A fourth model, which only calls the three of the ensemble, one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Context, Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("y", np.float32, (-1,))],
    calls=["doubled", "shifted", "halved"],
)
def pipeline(x: NDArray[np.float32], ctx: Context) -> dict[str, NDArray[np.float32]]:
    """y = x + ½."""
    doubled = ctx.models["doubled"](x=x)["y"]
    shifted = ctx.models["shifted"](x=doubled)["y"]
    return {"y": ctx.models["halved"](x=shifted)["y"]}
