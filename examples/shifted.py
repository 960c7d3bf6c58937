# shifted.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("shifted", np.float32, (-1,))])
def shifted(x):
    return x + 1
