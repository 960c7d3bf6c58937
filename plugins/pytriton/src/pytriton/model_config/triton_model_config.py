"""`TritonModelConfig`: a model as the server describes it, which the clients read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pytriton.model_config.common import DeviceKind, DynamicBatcher, ModelWarmup


@dataclass
class ResponseCache:
    """Whether Triton keeps responses."""

    enable: bool


@dataclass
class TensorSpec:
    """One input or output: ``shape`` has no batch axis, -1 is any length; ``dtype`` is numpy's class."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    optional: bool | None = False


@dataclass
class TritonModelConfig:
    """A model. Clients know its name, version, batching, kind and tensors; the other fields keep their defaults."""

    model_name: str
    model_version: int = 1
    max_batch_size: int = 4
    batching: bool = True
    batcher: DynamicBatcher | None = None
    instance_group: dict[DeviceKind, int | None] = field(default_factory=dict)
    decoupled: bool = False
    backend_parameters: dict[str, str] = field(default_factory=dict)
    inputs: Sequence[TensorSpec] | None = None
    outputs: Sequence[TensorSpec] | None = None
    response_cache: ResponseCache | None = None
    model_warmup: list[ModelWarmup] | None = None
