"""The strings model for this project's workers."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", bytes, (-1,))], outputs=[Tensor("y", bytes, (-1,))])
def strings(x: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """y = x, in an array of its own."""
    return {"y": x.copy()}
