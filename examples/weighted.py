# weighted.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float16, (-1,)), Tensor("weights", np.float32, (-1,)), Tensor("bias", np.float64, ())],
    outputs=[Tensor("half", np.float16, ()), Tensor("single", np.float32, ()), Tensor("double", np.float64, ())],
)
def weighted(x, weights, bias):
    double = (x.astype(np.float64) * weights).sum(axis=1) + bias
    return {"half": double.astype(np.float16), "single": double.astype(np.float32), "double": double}
