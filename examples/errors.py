# errors.py
import numpy as np
from pytriton_plugins import RequestError, Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float64, (-1,))], outputs=[Tensor("root", np.float64, (-1,))])
def square_root(x):
    if (x < 0).any():
        raise RequestError("x must not be negative", code="INVALID_ARG")
    return np.sqrt(x)
