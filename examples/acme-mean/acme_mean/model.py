# acme_mean/model.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("mean", np.float32, ())],
)
def row_mean(x):
    return x.mean(axis=1)
