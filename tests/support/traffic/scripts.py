"""Programs that own a daemon, and a request to one."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any, Protocol

MODEL = """
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (1,))], outputs=[Tensor("y", np.float32, (1,))])
def scaled(x):
    return x * FACTOR
"""
"""A model that multiplies by the constant FACTOR, which has to be defined."""

TYPED_PORTS = "http_port=0, grpc_port=0, metrics_port=0"
"""Keywords for free ports, as they stand in a program."""


class Reached(Protocol):
    """A host, as a client of HTTP sees it."""

    @property
    def http_url(self) -> str: ...


def model_file(folder: Path, name: str, factor: float, more: str = "") -> Path:
    """A module of that name with the model `scaled`."""
    path = folder / f"{name}.py"
    path.write_text(f"FACTOR = {factor}\n{MODEL}{more}")
    return path


def scaled(host: Reached, x: float, model: str = "scaled") -> float:
    """The model's answer over HTTP."""
    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [x]}
    request = json.dumps({"inputs": [tensor]}).encode()
    with urllib.request.urlopen(f"{host.http_url}/v2/models/{model}/infer", request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return float(answer["outputs"][0]["data"][0])
