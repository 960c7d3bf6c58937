"""Serves the same models with PyTriton, in its own environment: serve.py HTTP GRPC METRICS KIND:NAME…"""

import sys
import time

import numpy as np

from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, QueuePolicy, Tensor
from pytriton.triton import Triton, TritonConfig, TritonSecurityConfig

FP32, BYTES = np.float32, bytes
TENSORS = {
    "identity": (FP32, ("x",), ("y",)),
    "strings": (BYTES, ("x",), ("y",)),
    "add_sub": (FP32, ("a", "b"), ("sum", "difference")),
    "faulty": (FP32, ("x",), ("y",)),
}


@batch
def identity(x: np.ndarray) -> dict[str, np.ndarray]:
    """y = x."""
    return {"y": x}


@batch
def strings(x: np.ndarray) -> dict[str, np.ndarray]:
    """y = x, in an array of its own."""
    return {"y": x.copy()}


@batch
def add_sub(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Both at once."""
    return {"sum": a + b, "difference": a - b}


@batch
def faulty(x: np.ndarray) -> dict[str, np.ndarray]:
    """y = x. A row with 1 never returns, with 2 raises; any other number is a duration in milliseconds."""
    tasks = x[:, 0]
    if 1 in tasks:
        time.sleep(3600)
    if 2 in tasks:
        raise ValueError("a request asked for an error")
    # A batch takes as long as its longest row.
    time.sleep(float(tasks.max()) / 1000)
    return {"y": x}


FUNCTIONS = {"identity": identity, "strings": strings, "add_sub": add_sub, "faulty": faulty}


# PyTriton has no limit for a callable, only for the time in Triton's queue: it gets the value of our `timeout`.
BATCHERS = {"faulty": DynamicBatcher(default_queue_policy=QueuePolicy(default_timeout_microseconds=1_000_000))}


def main(ports: list[int], models: list[str]) -> None:
    """Bind each name to the callable of its kind and serve without end."""
    local = "127.0.0.1"
    config = TritonConfig(
        http_port=ports[0],
        grpc_port=ports[1],
        metrics_port=ports[2],
        http_address=local,
        grpc_address=local,
        metrics_address=local,
    )
    # perf_analyzer registers shared memory and reads statistics, which PyTriton restricts by default.
    with Triton(config=config, security_config=TritonSecurityConfig(restricted_endpoints=[])) as triton:
        for kind, name in (model.split(":") for model in models):
            dtype, *sides = TENSORS[kind]
            inputs, outputs = ([Tensor(name=name, dtype=dtype, shape=(-1,)) for name in side] for side in sides)
            triton.bind(
                model_name=name,
                infer_func=FUNCTIONS[kind],
                inputs=inputs,
                outputs=outputs,
                config=ModelConfig(max_batch_size=64, batcher=BATCHERS.get(kind, DynamicBatcher())),
            )
        triton.serve()


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:4]], sys.argv[4:])
