"""Models for the tests of shared memory: one returns its input, one keeps every input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]

_kept: list[tuple[Array, Array]] = []


@infer_func(inputs=[Tensor("x", np.uint8, (-1,))], outputs=[Tensor("y", np.uint8, (-1,))], max_batch_size=4)
def echo(x: Array) -> Array:
    """The input as it is."""
    return x


@infer_func(
    inputs=[Tensor("x", np.int64, (-1,)), Tensor("names", str, (-1,))],
    outputs=[Tensor("kept", np.int64, (1,)), Tensor("changed", np.int64, (1,)), Tensor("writeable", np.bool_, (1,))],
    max_batch_size=4,
)
def keeper(x: Array, names: Array) -> dict[str, Array]:
    """Keeps its input arrays and copies of them, and counts the arrays that have changed since."""
    _kept.extend((array, array.copy()) for array in (x, names))
    changed = sum(not np.array_equal(array, copy) for array, copy in _kept)
    column = (len(x), 1)
    return {
        "kept": np.full(column, len(_kept)),
        "changed": np.full(column, changed),
        "writeable": np.full(column, x.flags.writeable or names.flags.writeable),
    }
