# limited.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("y", np.float32, (-1,))],
    triton_config={
        "dynamic_batching": {"default_queue_policy": {"max_queue_size": 32, "default_timeout_microseconds": 500000}}
    },
)
def limited(x):
    return x + 1
