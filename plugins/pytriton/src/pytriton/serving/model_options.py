"""From `ModelConfig` to the model configuration of Triton."""

from __future__ import annotations

from typing import Any

import pytriton_plugins
from pytriton.model_config.common import DynamicBatcher, ModelWarmup, QueuePolicy, WarmupInput
from pytriton.serving.model import BoundModel, native_dtype


def triton_config(model: BoundModel, *, cached: bool) -> dict[str, Any]:
    """The part of the model's configuration that is Triton's own; ``cached``: whether Triton keeps its responses."""
    config: dict[str, Any] = {}
    if model.max_batch_size:
        config["dynamic_batching"] = _batching(model.config.batcher)
    if cached:
        config["response_cache"] = {"enable": True}
    if model.config.model_warmup:
        config["model_warmup"] = [_warmup(each) for each in model.config.model_warmup]
    return config


def _batching(batcher: DynamicBatcher) -> dict[str, Any]:
    policies = batcher.priority_queue_policy or {}
    wanted = {
        "max_queue_delay_microseconds": batcher.max_queue_delay_microseconds,
        "preferred_batch_size": batcher.preferred_batch_size,
        "preserve_ordering": batcher.preserve_ordering,
        "priority_levels": batcher.priority_levels,
        "default_priority_level": batcher.default_priority_level,
        "default_queue_policy": _policy(batcher.default_queue_policy) if batcher.default_queue_policy else None,
        "priority_queue_policy": {str(level): _policy(policy) for level, policy in policies.items()},
    }
    return {name: value for name, value in wanted.items() if value}


def _policy(policy: QueuePolicy) -> dict[str, Any]:
    wanted = {
        "timeout_action": policy.timeout_action.value,
        "default_timeout_microseconds": policy.default_timeout_microseconds,
        "allow_timeout_override": policy.allow_timeout_override,
        "max_queue_size": policy.max_queue_size,
    }
    return {name: value for name, value in wanted.items() if value}


def _warmup(sample: ModelWarmup) -> dict[str, Any]:
    inputs = {name: _warmup_input(each) for name, each in sample.inputs.items()}
    return {"name": sample.name, "batch_size": sample.batch_size, "count": sample.count, "inputs": inputs}


def _warmup_input(wanted: WarmupInput) -> dict[str, Any]:
    tensor = pytriton_plugins.Tensor("sample", native_dtype(wanted.dtype), tuple(wanted.shape))
    data: dict[str, Any] = {"data_type": tensor.dtype.config, "dims": list(tensor.wire_shape)}
    if wanted.input_data_file:
        return {**data, "input_data_file": wanted.input_data_file}
    return {**data, "random_data" if wanted.random_data else "zero_data": True}
