# serve_rounded.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("rounded", np.float32, (-1,))])
def rounded(x):
    return np.round(x)
