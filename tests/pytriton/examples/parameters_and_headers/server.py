"""A callable that looks at the parameters and headers of each request."""

import numpy as np

from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def _echo(requests):
    answers = []
    for request in requests:
        scale = request.parameters.get("scale", 1)
        caller = request.parameters.get("header_caller", "nobody")
        answers.append({"scaled": request["x"] * scale, "caller": np.array([[caller]] * len(request["x"]))})
    return answers


config = TritonConfig(http_header_forward_pattern="header_.*", grpc_header_forward_pattern="header_.*")
with Triton(config=config) as triton:
    triton.bind(
        model_name="Echo",
        infer_func=_echo,
        inputs=[Tensor(name="x", dtype=np.int64, shape=(-1,))],
        outputs=[Tensor(name="scaled", dtype=np.int64, shape=(-1,)), Tensor(name="caller", dtype=bytes, shape=(1,))],
        config=ModelConfig(max_batch_size=8),
    )
    triton.serve()
