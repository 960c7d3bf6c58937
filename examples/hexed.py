# hexed.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("data", bytes, (-1,)), Tensor("mark", str, ())],
    outputs=[Tensor("hexed", str, (-1,)), Tensor("marked", bytes, (-1,))],
)
def hexed(data, mark):
    hexed = [[item.hex() for item in row] for row in data]
    marked = [[word.encode() + item for item in row] for row, word in zip(data, mark, strict=True)]
    return {
        "hexed": np.array(hexed, object).reshape(data.shape),
        "marked": np.array(marked, object).reshape(data.shape),
    }
