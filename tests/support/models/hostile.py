"""A model that reads everything that a client can send; served by tests/faults/test_row_15_hostile_clients.py."""

from __future__ import annotations

import os

import numpy as np

from pytriton_plugins import Context, Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,)), Tensor("text", bytes, (-1,), optional=True)],
    outputs=[Tensor("y", np.float32, (-1,)), Tensor("lengths", np.int64, (-1,)), Tensor("pid", np.int64, ())],
)
def look(x, ctx: Context, text=None):  # type: ignore[no-untyped-def]
    """Returns twice x, the length of each text, and the process that answered."""
    for request in ctx.requests:
        assert len(request.id) >= 0
        assert all(len(name) >= 0 for name in request.parameters)
    lengths = np.zeros((len(x), 1), np.int64)
    if text is not None:
        lengths = np.array([[len(item) for item in row] for row in text], np.int64).reshape(text.shape)
    return {"y": 2 * x, "lengths": lengths, "pid": np.full(len(x), os.getpid())}
