"""Models with a response cache: how often a worker was called, and one that fails at first."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import RequestError, Tensor, infer_func

Array = NDArray[Any]
CACHE = {"response_cache": {"enable": True}}


@infer_func(inputs=[Tensor("x", np.float32, (2,))], outputs=[Tensor("calls", np.int64, ())], triton_config=CACHE)
class Calls:
    """Returns the number of calls, with this one."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Array) -> Array:
        self.calls += 1
        return np.full(len(x), self.calls)


@infer_func(inputs=[Tensor("how", str, ())], outputs=[Tensor("calls", np.int64, ())], triton_config=CACHE)
class FailsFirst:
    """Returns the number of calls with this text; the first call fails as the text says."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}

    def __call__(self, how: Array) -> Array:
        (text,) = how
        self.calls[text] = self.calls.get(text, 0) + 1
        if self.calls[text] == 1:
            fail(text)
        return np.array([self.calls[text]])


def fail(text: str) -> None:
    if "RequestError" in text:
        raise RequestError("not yet", code="UNAVAILABLE")
    if "ValueError" in text:
        raise ValueError("not yet")
    if "exit" in text and not os.path.exists(text):
        open(text, "x").close()
        os._exit(4)


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("calls", np.int64, ())])
class Ambiguous(Calls):
    """As `Calls`, with an input whose bytes do not determine its shape."""
