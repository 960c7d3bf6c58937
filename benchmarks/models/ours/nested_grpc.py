"""Calls the identity model of its own server with tritonclient."""

from __future__ import annotations

from typing import Any

import numpy as np
import tritonclient.grpc
from numpy.typing import NDArray
from timed_calls import nanoseconds  # type: ignore[import-not-found, unused-ignore]

from pytriton_plugins import Tensor, infer_func


@infer_func(
    name="nested_grpc",
    inputs=[Tensor("elements", np.int64, (-1,)), Tensor("calls", np.int64, (-1,))],
    outputs=[Tensor("nanoseconds", np.int64, (-1,))],
    max_batch_size=1,
)
class NestedGrpc:
    """The client is made once."""

    def __init__(self, address: str) -> None:
        self.client = tritonclient.grpc.InferenceServerClient(address)

    def __call__(self, elements: NDArray[np.int64], calls: NDArray[np.int64]) -> dict[str, Any]:
        """The time of each call."""
        return {"nanoseconds": [nanoseconds(self.call, elements.item(), calls.item())]}

    def call(self, x: NDArray[np.float32]) -> Any:
        """The answer of the identity model."""
        tensor = tritonclient.grpc.InferInput("x", list(x.shape), "FP32")
        tensor.set_data_from_numpy(x)
        return self.client.infer("identity", [tensor]).as_numpy("y")
