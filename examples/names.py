# names.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("image:0", np.uint8, (-1, -1, 3), arg="image")],
    outputs=[Tensor("grey:0", np.uint8, (-1, -1))],
)
def grey(image):
    return image.mean(axis=3).astype(np.uint8)
