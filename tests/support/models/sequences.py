"""Models with state: those that tritonclient's sequence examples call, a sum, and sums of a list of requests."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from pytriton_plugins import Context, Request, Sequence, Tensor, infer_func

INPUT, OUTPUT = [Tensor("INPUT", np.int32, (1,))], [Tensor("OUTPUT", np.int32, (1,))]


@infer_func(inputs=INPUT, outputs=OUTPUT, sequence=Sequence(), workers=2)
def simple_sequence(INPUT: Any, ctx: Context) -> Any:  # noqa: N803
    """Answers the input, and one more for the first request."""
    return INPUT + int(ctx.sequence.start)


@infer_func(inputs=INPUT, outputs=OUTPUT, sequence=Sequence(strategy="direct"))
def simple_dyna_sequence(INPUT: Any, ctx: Context) -> Any:  # noqa: N803
    """The same, and adds the id to the answer to the last request."""
    sequence = ctx.sequence
    return INPUT + int(sequence.start) + (int(sequence.id) if sequence.end else 0)


@infer_func(inputs=INPUT, outputs=OUTPUT, sequence=Sequence())
def simple_string_dyna_sequence(INPUT: Any, ctx: Context) -> Any:  # noqa: N803
    """Answers the sum of the inputs, and adds the id to the last one."""
    sequence = ctx.sequence
    sequence.state["sum"] = sequence.state.get("sum", 0) + int(INPUT[0, 0])
    return np.full((1, 1), sequence.state["sum"] + (int(sequence.id) if sequence.end else 0), np.int32)
