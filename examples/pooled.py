# pooled.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("total", np.float32, ())],
    max_batch_size=16,
    workers=2,
    triton_config={"dynamic_batching": {"preferred_batch_size": [8, 16], "max_queue_delay_microseconds": 2000}},
)
def pooled(x):
    return x.sum(axis=1)
