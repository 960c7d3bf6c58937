# warmed.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("y", np.float32, (-1,)), Tensor("samples", np.int64, ())],
    triton_config={
        "model_warmup": [
            {"name": "full", "batch_size": 64, "count": 2, "inputs": {"x": {"dims": [128], "random_data": True}}},
            {"name": "one", "inputs": {"x": {"dims": [1], "zero_data": True}}},
        ]
    },
)
class Warmed:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x, np.full(len(x), self.calls - 1)
