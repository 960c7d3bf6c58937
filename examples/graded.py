# graded.py
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("score", np.float32, ())], outputs=[Tensor("grade", np.int32, ())])
class Graded:
    def __init__(self, limits=(0.5,)):
        self.limits = np.array(limits, np.float32)

    def __call__(self, score):
        return np.searchsorted(self.limits, score).astype(np.int32)
