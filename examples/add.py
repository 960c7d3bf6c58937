import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("a", np.float32, (-1,)), Tensor("b", np.float32, (-1,))],
    outputs=[Tensor("sum", np.float32, (-1,))],
)
def add(a, b):
    return {"sum": a + b}
