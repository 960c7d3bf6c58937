"""Strings and numbers come back as they are; tensors without names."""

import numpy as np

from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


@batch
def _identity(INPUT_1, INPUT_2):
    return [INPUT_1, INPUT_2]


triton = Triton(config=TritonConfig(log_verbose=1))
triton.bind(
    "Identity",
    _identity,
    inputs=[Tensor(dtype=bytes, shape=(1,)), Tensor(dtype=np.float64, shape=(-1, 2))],
    outputs=[Tensor(dtype=bytes, shape=(1,)), Tensor(dtype=np.float64, shape=(-1, 2))],
    config=ModelConfig(max_batch_size=8),
)
triton.serve()
