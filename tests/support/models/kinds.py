"""Well-behaved models for the tests of requests: every dtype, strings, scalars, optional inputs, no batch axis."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import RequestError, Tensor, infer_func

Array = NDArray[Any]
NUMBERS = (
    np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64,
    np.float16, np.float32, np.float64,
)  # fmt: skip


@infer_func(
    inputs=[Tensor(np.dtype(kind).name, kind, (-1, 2), optional=True) for kind in NUMBERS],
    outputs=[Tensor(np.dtype(kind).name, kind, (-1, 2)) for kind in NUMBERS],
)
def mirror(**inputs: Array) -> dict[str, Array]:
    """Each given input in reverse order along its middle axis; the others empty."""
    rows = len(next(iter(inputs.values())))
    absent = {np.dtype(kind).name: np.zeros((rows, 0, 2), kind) for kind in NUMBERS}
    return absent | {name: array[:, ::-1] for name, array in inputs.items()}


@infer_func(inputs=[Tensor("x", "bfloat16", (-1,))], outputs=[Tensor("y", "bfloat16", (-1,))])
def doubled(x: Array) -> Array:
    """``x`` times two, which is exact; as bits without ml_dtypes."""
    if x.dtype == np.uint16:
        bits = x.astype(np.uint32) << 16
        return np.asarray((bits.view(np.float32) * 2).view(np.uint32) >> 16, np.uint16)
    return x * 2


@infer_func(
    inputs=[Tensor("raw", bytes, (-1,)), Tensor("text", str, (-1,))],
    outputs=[Tensor("raw", bytes, (-1,)), Tensor("text", str, (-1,)), Tensor("lengths", np.int32, (-1,))],
)
def strings(raw: Array, text: Array) -> dict[str, Array]:
    """Bytes in reverse, text in capitals, and the number of characters of each text."""
    turned = np.array([[item[::-1] for item in row] for row in raw], object).reshape(raw.shape)
    capitals = np.array([[item.upper() for item in row] for row in text], object).reshape(text.shape)
    lengths = np.array([[len(item) for item in row] for row in text], np.int32).reshape(text.shape)
    return {"raw": turned, "text": capitals, "lengths": lengths}


@infer_func(
    inputs=[Tensor("x", np.float64, ()), Tensor("factor", np.float64, (), optional=True)],
    outputs=[Tensor("product", np.float64, ()), Tensor("had_factor", np.bool_, ())],
)
def scalars(x: Array, factor: Array | None = None) -> dict[str, Array]:
    """``x`` times ``factor``, or times ten."""
    assert x.ndim == 1
    product = x * (10.0 if factor is None else factor)
    return {"product": product, "had_factor": np.full(x.shape, factor is not None)}


@infer_func(
    inputs=[Tensor("matrix", np.int64, (-1, 3)), Tensor("add", np.int64, ())],
    outputs=[Tensor("sums", np.int64, (3,)), Tensor("total", np.int64, ())],
    max_batch_size=0,
)
def unbatched(matrix: Array, add: Array) -> tuple[Array, int]:
    """The sums of the columns plus ``add``, and the sum of everything."""
    assert add.shape == ()
    return matrix.sum(axis=0) + add, int(matrix.sum())


@infer_func(
    inputs=[Tensor("x", np.int32, (1,)), Tensor("gate", bytes, (1,))],
    outputs=[Tensor("doubled", np.int32, (1,)), Tensor("batch", np.int32, (1,)), Tensor("calls", np.int32, (1,))],
    max_batch_size=16,
)
def gathered(x: Array, gate: Array) -> dict[str, Array]:
    """Doubles ``x`` and returns the size of its batch; waits for a writer if ``gate`` is a FIFO.

    A batch with a negative number is answered with ValueError, one with a number above 1000 with RequestError.
    """
    global _calls
    _calls += 1
    path = gate[0, 0]
    if path:
        Path(os.fsdecode(path)).read_bytes()
    if (x < 0).any():
        raise ValueError(f"below zero: {x.min()}")
    if (x > 1000).any():
        raise RequestError(f"{x.max()} is more than 1000", code="INVALID_ARG")
    return {"doubled": x * 2, "batch": np.full_like(x, len(x)), "calls": np.full_like(x, _calls)}


@infer_func(
    inputs=[Tensor("x", np.int32, (1,)), Tensor("gate", bytes, (1,))],
    outputs=[Tensor("doubled", np.int32, (1,)), Tensor("batch", np.int32, (1,)), Tensor("calls", np.int32, (1,))],
    max_batch_size=16,
    retry_alone=False,
)
def gathered_once(x: Array, gate: Array) -> dict[str, Array]:
    """The same, but a batch that fails is not called again."""
    return gathered(x, gate)


_calls = 0
