"""Times the calls of a callable; the starters put it beside the models that call the identity model."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def nanoseconds(call: Callable[[Floats], Floats], elements: int, calls: int) -> NDArray[np.int64]:
    """The time of each of `calls` calls with an array [1, elements]; ValueError if an answer is not its input."""
    x = np.arange(elements, dtype=np.float32).reshape(1, elements)
    found = np.empty(calls, np.int64)
    for index in range(calls):
        begin = time.perf_counter_ns()
        y = call(x)
        found[index] = time.perf_counter_ns() - begin
        if index in (0, calls - 1) and not np.array_equal(x, y):
            raise ValueError(f"call {index} of the identity model returned another array")
        del y
    return found
