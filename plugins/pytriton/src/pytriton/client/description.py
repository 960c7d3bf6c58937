"""From what `pytriton_plugins.client` knows of a model to a `TritonModelConfig`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytriton.model_config.triton_model_config import TensorSpec, TritonModelConfig
from pytriton_plugins.client import ModelInfo, TensorInfo

_BY_DATATYPE: dict[str, Any] = {
    "BOOL": np.bool_,
    "BYTES": np.bytes_,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    **{f"INT{bits}": np.dtype(f"int{bits}").type for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"uint{bits}").type for bits in (8, 16, 32, 64)},
}


def config_of(info: ModelInfo, version: str) -> TritonModelConfig:
    """The configuration; ``version`` is the client's, empty for the newest."""
    return TritonModelConfig(
        info.name,
        model_version=int(version or 1),
        max_batch_size=info.max_batch_size,
        batching=info.batched,
        decoupled=info.streams,
        inputs=[_spec(item) for item in info.inputs],
        outputs=[_spec(item) for item in info.outputs],
    )


def _spec(item: TensorInfo) -> TensorSpec:
    return TensorSpec(item.name, item.shape, _BY_DATATYPE.get(item.datatype, np.void), item.optional)
