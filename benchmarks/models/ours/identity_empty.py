"""The identity model that writes its output into the response segment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Context, Tensor, infer_func  # type: ignore[attr-defined, unused-ignore]


@infer_func(name="identity", inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def identity_empty(x: NDArray[np.float32], ctx: Context) -> dict[str, NDArray[np.float32]]:
    """y = x, copied as a callable writes its result."""
    out = ctx.empty("y", x.shape)
    out[...] = x
    return {"y": out}
