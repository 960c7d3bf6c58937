# rectified.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", "bfloat16", (-1,))], outputs=[Tensor("y", "bfloat16", (-1,))])
def rectified(x):
    if x.dtype == np.uint16:  # the bits of each number: this environment has no ml_dtypes
        return np.where(x >> 15, np.uint16(0), x)
    return np.where(x < 0, x.dtype.type(0), x)
