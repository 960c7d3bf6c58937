"""Models of more tensors than fit into one message of a link, with long names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Request, Tensor, infer_func

Array = NDArray[Any]
COUNT = 600
LONG = "x" * 200
INPUTS = [Tensor(f"feature_{LONG}_{number}", np.float32, (1,), optional=number > 0) for number in range(COUNT)]
OUTPUTS = [Tensor(f"result_{LONG}_{number}", np.float32, (1,)) for number in range(COUNT)]


def doubled(features: dict[str, Array]) -> dict[str, Array]:
    """An output for each given input, and zeros for the others."""
    rows = len(features[INPUTS[0].name])
    missing = np.zeros((rows, 1), np.float32)
    named = zip(INPUTS, OUTPUTS, strict=True)
    return {output.name: features.get(source.name, missing) * np.float32(2) for source, output in named}


@infer_func(inputs=[*INPUTS, Tensor("label", str, ())], outputs=[*OUTPUTS, Tensor("label", str, ())])
def wide(**inputs: Any) -> dict[str, Any]:
    return {**doubled(inputs), "label": inputs["label"]}


@infer_func(
    inputs=INPUTS,
    outputs=OUTPUTS,
    triton_config={
        "model_warmup": [
            {"name": "one", "inputs": {tensor.name: {"dims": [1], "zero_data": True} for tensor in INPUTS}}
        ]
    },
)
def wide_one_by_one(requests: list[Request]) -> list[dict[str, Array]]:
    return [doubled({**request.inputs}) for request in requests]
