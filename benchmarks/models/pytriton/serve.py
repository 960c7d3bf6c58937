"""Serves the same models with PyTriton: serve.py HTTP GRPC METRICS KIND NAME… Runs in PyTriton's own environment."""

import sys

import numpy as np
from pytriton.decorators import batch  # type: ignore[import-not-found]
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor  # type: ignore[import-not-found]
from pytriton.triton import Triton, TritonConfig, TritonSecurityConfig  # type: ignore[import-not-found]

TENSORS = {"identity": (("x",), ("y",)), "add_sub": (("a", "b"), ("sum", "difference"))}


@batch  # type: ignore[untyped-decorator]
def identity(x: np.ndarray) -> dict[str, np.ndarray]:
    """y = x."""
    return {"y": x}


@batch  # type: ignore[untyped-decorator]
def add_sub(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Both at once."""
    return {"sum": a + b, "difference": a - b}


def main(ports: list[int], kind: str, names: list[str]) -> None:
    """Bind each name to the callable of this kind and serve for ever."""
    addresses = {"http_address": "127.0.0.1", "grpc_address": "127.0.0.1", "metrics_address": "127.0.0.1"}
    config = TritonConfig(http_port=ports[0], grpc_port=ports[1], metrics_port=ports[2], **addresses)
    inputs, outputs = ([Tensor(name=name, dtype=np.float32, shape=(-1,)) for name in side] for side in TENSORS[kind])
    # perf_analyzer registers shared memory and reads statistics, which PyTriton closes unless told otherwise.
    with Triton(config=config, security_config=TritonSecurityConfig(restricted_endpoints=[])) as triton:
        for name in names:
            triton.bind(
                model_name=name,
                infer_func={"identity": identity, "add_sub": add_sub}[kind],
                inputs=inputs,
                outputs=outputs,
                config=ModelConfig(max_batch_size=64, batcher=DynamicBatcher()),
            )
        triton.serve()


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:4]], sys.argv[4], sys.argv[5:])
