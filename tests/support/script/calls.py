"""Calls of the models that the tests attach: an input ``x`` and an output ``y`` of floats."""

from __future__ import annotations

import numpy as np

from pytriton_plugins import Tensor
from pytriton_plugins.testing import RunningHost
from tests.support.traffic.clients import infer

X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


def call(host: RunningHost, model: str, *values: float) -> list[float]:
    """The output for one row of ``values``; raises InferenceServerException."""
    outputs = infer(host, "grpc", model, {"x": np.array([values], np.float32)})
    result: list[float] = outputs["y"].ravel().tolist()
    return result


def is_served(host: RunningHost, model: str) -> bool:
    """Whether Triton has the model."""
    return host.status(f"/v2/models/{model}/ready") == 200
