"""A process that binds its model to a server that runs already."""

import argparse

import numpy as np

from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import RemoteTriton

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url


@batch
def _squared(x):
    return [x * x]


with RemoteTriton(url=url) as triton:
    triton.bind(
        model_name="Squared",
        infer_func=_squared,
        inputs=[Tensor(name="x", dtype=np.float32, shape=(-1,))],
        outputs=[Tensor(name="y", dtype=np.float32, shape=(-1,))],
        config=ModelConfig(max_batch_size=4),
    )
    triton.serve()
