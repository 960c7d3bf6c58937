# tagged.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("y", np.float32, (-1,))],
    triton_config={
        "metric_tags": {"team": "vision"},
        "parameters": {"commit": {"string_value": "4f2a1c"}},
        "optimization": {"priority": "PRIORITY_MIN"},
        "dynamic_batching": {"preserve_ordering": True},
    },
)
def tagged(x):
    return x - 1
