# tripled.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("tripled", np.float32, (-1,))])
def tripled(x):
    return x * 3
