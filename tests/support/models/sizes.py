"""Models that return a summary of their inputs, so that large inputs have small answers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

Array = NDArray[Any]


@infer_func(
    inputs=[Tensor("numbers", np.float32, (-1,), optional=True), Tensor("text", bytes, (1,), optional=True)],
    outputs=[Tensor("sum", np.int64, (1,)), Tensor("crc", np.int64, (1,))],
    max_batch_size=0,
)
def size_of(numbers: Array | None = None, text: Array | None = None) -> dict[str, Array]:
    """The sum of the numbers, and the CRC of the text; 0 for a missing input."""
    total = 0 if numbers is None else int(numbers.sum(dtype=np.float64))
    return {"sum": np.array([total]), "crc": np.array([0 if text is None else zlib.crc32(text[0])])}


@infer_func(inputs=[Tensor("text", bytes, (1,))], outputs=[Tensor("crc", np.int64, (1,))], max_batch_size=0)
def streamed_size_of(text: Array) -> Iterator[Array]:
    """The CRC of the text."""
    yield np.array([zlib.crc32(text[0])])
