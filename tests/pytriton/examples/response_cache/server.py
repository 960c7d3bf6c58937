"""The answer to an input that was seen before comes from the server's cache."""

import itertools

import numpy as np

from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

calls = itertools.count(1)


@batch
def _numbered(x):
    return {"call": np.full((len(x), 1), next(calls), np.int32)}


with Triton(config=TritonConfig(cache_config=[f"local,size={1024 * 1024}"])) as triton:
    triton.bind(
        model_name="Numbered",
        infer_func=_numbered,
        inputs=[Tensor(name="x", dtype=np.float32, shape=(2,))],
        outputs=[Tensor(name="call", dtype=np.int32, shape=(1,))],
        config=ModelConfig(max_batch_size=4, response_cache=True),
    )
    triton.serve()
