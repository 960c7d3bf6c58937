# dominant.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    inputs=[Tensor("image", np.uint8, (-1, -1, 3), format="NHWC")],
    outputs=[Tensor("scores", np.float32, (3,), labels=["red", "green", "blue"])],
)
def dominant(image):
    return image.mean(axis=(1, 2), dtype=np.float32)
