# versions.py
import numpy as np
from pytriton_plugins import Tensor, infer_func

X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


@infer_func(name="doubled", inputs=[X], outputs=[Y])
def first(x):
    return x * 2


@infer_func(
    name="doubled",
    version=2,
    inputs=[X],
    outputs=[Y],
    triton_config={"dynamic_batching": {"max_queue_delay_microseconds": 500}},
)
def second(x):
    return x + x
