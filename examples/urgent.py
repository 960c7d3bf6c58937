# urgent.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("y", np.float32, (-1,))],
    triton_config={
        "dynamic_batching": {
            "priority_levels": 2,
            "default_priority_level": 2,
            "default_queue_policy": {"default_timeout_microseconds": 5000000},
        }
    },
)
def urgent(x):
    return x + 1
