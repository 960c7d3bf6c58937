# unbatched.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("a", np.float64, (-1, -1)), Tensor("power", np.int32, ())],
    outputs=[Tensor("result", np.float64, (-1, -1)), Tensor("trace", np.float64, ())],
    max_batch_size=0,
)
def matrix_power(a, power):
    result = np.linalg.matrix_power(a, int(power))
    return result, np.trace(result)
