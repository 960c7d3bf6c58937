"""A model whose worker can be held, and which returns the number of a request's batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]


@infer_func(
    inputs=[Tensor("gate", bytes, ())],
    outputs=[Tensor("batch", np.int64, ()), Tensor("rows", np.int64, ())],
)
class Gated:
    """``gate``: a FIFO to wait at, or nothing. ``batch``: the number of the call, ``rows``: how many it had."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, gate: Array) -> tuple[Array, ...]:
        self.calls += 1
        calls = self.calls
        for path in filter(None, gate):
            with open(path, "rb") as fifo:
                fifo.read()
        return tuple(np.full(len(gate), value) for value in (calls, len(gate)))
