"""Models that return how often they ran before their first client; the first waits at the FIFO in WARM_GATE."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import RequestError, Tensor, infer_func

Array = NDArray[Any]
X = [Tensor("x", np.float32, (-1,))]


def samples(kind: str, **more: Any) -> dict[str, Any]:
    sample = {"name": kind, "inputs": {"x": {"data_type": "TYPE_FP32", "dims": [5], kind: True}}, **more}
    return {"model_warmup": [sample]}


@infer_func(
    inputs=X,
    outputs=[Tensor("pid", np.int64, ()), Tensor("zeros", np.int64, ()), Tensor("rows", np.int64, ())],
    triton_config=samples("zero_data", batch_size=4, count=3),
)
class Warm:
    """Returns the worker's process id, the number of calls with zeros, and the number of rows of the last of them."""

    def __init__(self) -> None:
        self.zeros, self.rows = 0, 0

    def __call__(self, x: Array) -> tuple[Array, ...]:
        if not x.any():
            self.zeros, self.rows = self.zeros + 1, len(x)
            gate = os.environ.get("WARM_GATE")
            if gate and self.zeros == 1:
                with open(gate, "rb") as fifo:
                    fifo.read()
        return tuple(np.full(len(x), value) for value in (os.getpid(), self.zeros, self.rows))


@infer_func(inputs=X, outputs=[Tensor("y", np.float32, (-1,))], triton_config=samples("zero_data"))
def no_zeros(x: Array) -> Array:
    """``x``, unless it is a sample."""
    if not x.any():
        raise RequestError("only zeros")
    return x


@infer_func(inputs=X, outputs=[Tensor("y", np.float32, (-1,))], triton_config=samples("random_data", batch_size=2))
class Random:
    """The greatest number in the samples."""

    greatest = 0.0

    def __call__(self, x: Array) -> Array:
        if len(x) == 2:
            self.greatest = x.max()
        return np.full_like(x, self.greatest)
