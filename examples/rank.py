# rank.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("query", np.float32, (-1,)), Tensor("choices", np.float32, (-1, -1))],
    outputs=[Tensor("scores", np.float32, (-1,))],
)
def rank(query, choices):
    return np.einsum("bd,bcd->bc", query, choices).round(3)
