# classes.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(
    name="nearest",
    inputs=[Tensor("point", np.float32, (2,))],
    outputs=[Tensor("index", np.int64, ())],
    workers=2,
)
class Nearest:
    def __init__(self, scale=1.0):
        self.known = scale * np.array([[0, 0], [3, 4]], np.float32)

    def __call__(self, point):
        return np.linalg.norm(point[:, np.newaxis] - self.known, axis=2).argmin(axis=1)

    def close(self):
        print("closing")
