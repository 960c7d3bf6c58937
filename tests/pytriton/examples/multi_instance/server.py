"""One model, whose callables use a device each."""

import threading

import numpy as np

from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton

DEVICES = ["cuda:0", "cuda:1"]
both_are_busy = threading.Barrier(len(DEVICES))


class InferenceOn:
    def __init__(self, device):
        self.device = device

    @batch
    def __call__(self, x):
        both_are_busy.wait(60)
        return {"y": x * 2, "device": np.array([[self.device.encode()]] * len(x))}


with Triton() as triton:
    triton.bind(
        model_name="OnDevices",
        infer_func=[InferenceOn(device) for device in DEVICES],
        inputs=[Tensor(name="x", dtype=np.float32, shape=(1,))],
        outputs=[Tensor(name="y", dtype=np.float32, shape=(1,)), Tensor(name="device", dtype=bytes, shape=(1,))],
        config=ModelConfig(max_batch_size=1),
    )
    triton.serve()
