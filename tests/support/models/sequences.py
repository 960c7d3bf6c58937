"""Models with state: those that tritonclient's sequence examples call, a sum, and sums of a list of requests."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from pytriton_plugins import Context, Request, Sequence, Tensor, infer_func

INPUT, OUTPUT = [Tensor("INPUT", np.int32, (1,))], [Tensor("OUTPUT", np.int32, (1,))]


@infer_func(inputs=INPUT, outputs=OUTPUT, sequence=Sequence(), workers=2)
def simple_sequence(INPUT: Any, ctx: Context) -> Any:
    """Answers the input, and one more for the first request."""
    return INPUT + int(ctx.sequence.start)


@infer_func(inputs=INPUT, outputs=OUTPUT, sequence=Sequence(strategy="direct"))
def simple_dyna_sequence(INPUT: Any, ctx: Context) -> Any:
    """The same, and adds the id to the answer to the last request."""
    sequence = ctx.sequence
    return INPUT + int(sequence.start) + (int(sequence.id) if sequence.end else 0)


@infer_func(inputs=INPUT, outputs=OUTPUT, sequence=Sequence())
def simple_string_dyna_sequence(INPUT: Any, ctx: Context) -> Any:
    """Answers the sum of the inputs, and adds the id to the last one."""
    sequence = ctx.sequence
    sequence.state["sum"] = sequence.state.get("sum", 0) + int(INPUT[0, 0])
    return np.full((1, 1), sequence.state["sum"] + (int(sequence.id) if sequence.end else 0), np.int32)


SUM = [Tensor("sum", np.int64, (1,)), Tensor("pid", np.int64, (1,)), Tensor("batch", np.int64, (1,))]


@infer_func(inputs=[Tensor("x", np.int64, (1,))], outputs=SUM, sequence=Sequence(max_live=300), workers=2)
def summed(requests: list[Request]) -> Any:
    """Answers the sum of each sequence so far, its worker, and how many sequences were in the batch."""
    assert len({request.sequence.id for request in requests}) == len(requests)
    return [_add(request, len(requests)) for request in requests]


@infer_func(inputs=[Tensor("x", np.int64, (1,))], outputs=SUM, max_batch_size=4, sequence=Sequence(8, 12, "direct"))
def direct(requests: list[Request]) -> Any:
    """The same by the other strategy, with fewer slots for each instance than live sequences."""
    return [_add(request, len(requests)) for request in requests]


@infer_func(
    inputs=[Tensor("x", np.int64, (1,))], outputs=SUM, sequence=Sequence(max_idle=0.3, max_live=2), max_batch_size=0
)
async def brief(x: Any, ctx: Context) -> Any:
    """The same without a batch axis, for sequences that are soon idle, two at a time."""
    return _add(ctx.requests[0], 1, int(x[0]))


@infer_func(inputs=[Tensor("x", np.int64, (1,))], outputs=[Tensor("sum", np.int64, (1,))], sequence=Sequence())
def counted(x: Any, ctx: Context) -> Any:
    """Answers the sum so far as often as the sequence has had requests."""
    state = ctx.sequence.state
    state["sum"], state["requests"] = state.get("sum", 0) + int(x[0, 0]), state.get("requests", 0) + 1
    for _ in range(state["requests"]):
        yield np.full((1, 1), state["sum"])


def _add(request: Request, batch: int, value: int | None = None) -> Any:
    state, x = request.sequence.state, int(request["x"][0, 0]) if value is None else value
    assert not (request.sequence.start and state)
    if x < 0:
        raise ValueError("negative")
    state["sum"] = state.get("sum", 0) + x
    shape = (1,) if value is not None else (1, 1)
    return tuple(np.full(shape, number, np.int64) for number in (state["sum"], os.getpid(), batch))
