"""Calls the identity model by `ctx.models`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from timed_calls import nanoseconds  # type: ignore[import-not-found, unused-ignore]

from pytriton_plugins import Context, Tensor, infer_func


@infer_func(
    inputs=[Tensor("elements", np.int64, (-1,)), Tensor("calls", np.int64, (-1,))],
    outputs=[Tensor("nanoseconds", np.int64, (-1,))],
    max_batch_size=1,
    calls=["identity"],
)
def nested_call(elements: NDArray[np.int64], calls: NDArray[np.int64], ctx: Context) -> dict[str, Any]:
    """The time of each call."""
    models = ctx.models
    return {"nanoseconds": [nanoseconds(lambda x: models["identity"](x=x)["y"], elements.item(), calls.item())]}
