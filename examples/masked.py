# masked.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,)), Tensor("keep", bool, (-1,))],
    outputs=[Tensor("kept", np.float32, (-1,)), Tensor("all", bool, ())],
)
def masked(x, keep):
    return {"kept": np.where(keep, x, np.float32(0)), "all": keep.all(axis=1)}
