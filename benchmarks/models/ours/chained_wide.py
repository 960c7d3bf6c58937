"""The same as `chained`, with a thread for each of eight clients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Context, Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("y", np.float32, (-1,))],
    threads=8,
    calls=["shifted", "halved"],
)
def chained_wide(x: NDArray[np.float32], ctx: Context) -> dict[str, NDArray[np.float32]]:
    """y = x + ½."""
    shifted = ctx.models["shifted"](x=x + x)["y"]
    return {"y": ctx.models["halved"](x=shifted)["y"]}
