"""`ModelConfig`: the batching and the kind of a model."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytriton.model_config.common import DynamicBatcher, ModelWarmup


@dataclass
class ModelConfig:
    """How a model is served; ``decoupled`` is for callables that yield any number of responses to a request."""

    batching: bool = True
    max_batch_size: int = 4
    batcher: DynamicBatcher = field(default_factory=DynamicBatcher)
    response_cache: bool = False
    decoupled: bool = False
    model_warmup: list[ModelWarmup] | None = None
