# optional.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,)), Tensor("factor", np.float32, (), optional=True)],
    outputs=[Tensor("y", np.float32, (-1,))],
)
def scale(x, factor=None):
    return x if factor is None else x * factor[:, np.newaxis]
