"""A linear layer: an object with weights, whose method is bound."""

import numpy as np

from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton


class Linear:
    def __init__(self, inputs, outputs):
        generator = np.random.default_rng(3)
        self.weight = generator.random((inputs, outputs)).astype(np.float32)
        self.bias = generator.random(outputs).astype(np.float32)

    @batch
    def forward(self, **inputs):
        (features,) = inputs.values()
        return [features @ self.weight + self.bias]


with Triton() as triton:
    layer = Linear(20, 30)
    triton.bind(
        model_name="Linear",
        infer_func=layer.forward,
        inputs=[Tensor(dtype=np.float32, shape=(-1,))],
        outputs=[Tensor(dtype=np.float32, shape=(-1,))],
        config=ModelConfig(max_batch_size=16, batcher=DynamicBatcher(max_queue_delay_microseconds=100)),
    )
    triton.serve()
