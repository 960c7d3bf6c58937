# strings.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("text", str, ()), Tensor("data", bytes, (-1,))],
    outputs=[Tensor("upper", str, ()), Tensor("sizes", np.int32, (-1,))],
)
def measure(text, data):
    sizes = [[len(item) for item in row] for row in data]
    return {"upper": [item.upper() for item in text], "sizes": np.array(sizes, np.int32)}
