"""From `ModelConfig` to the keywords of ``Host.attach``."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from pytriton.model_config.common import DynamicBatcher, ModelWarmup, QueuePolicy, WarmupInput
from pytriton.serving.model import BoundModel, native_dtype, native_tensors
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import as_dtype
from pytriton_plugins.model.triton_config import response_cache_problem

_LOG = logging.getLogger("pytriton.triton")


def attach_keywords(model: BoundModel, *, cached: bool) -> dict[str, Any]:
    """The keywords for ``model``; ``cached``: whether Triton keeps its responses."""
    return {
        "name": model.name,
        "version": model.version,
        "inputs": native_tensors(model.name, model.inputs),
        "outputs": native_tensors(model.name, model.outputs),
        "max_batch_size": model.max_batch_size,
        "triton_config": _triton_config(model, cached=cached),
    }


def is_cached(model: BoundModel) -> bool:
    """Whether Triton keeps the model's responses; warns where it would answer with the response of another request."""
    if not model.config.response_cache:
        return False
    inputs = tuple(native_tensors(model.name, model.inputs))
    outputs = tuple(native_tensors(model.name, model.outputs))
    size, streams = model.max_batch_size, "stream" if model.config.decoupled else "plain"
    declaration = ModelDeclaration(
        model.name, model.version, "function", model.name, inputs, outputs, size, answers=streams
    )
    problem = response_cache_problem(declaration)
    if problem:
        _LOG.warning("model %s is served without a response cache: %s", model.name, problem)
    return not problem


def _triton_config(model: BoundModel, *, cached: bool) -> dict[str, Any]:
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
    dims = list(np.atleast_1d(wanted.shape).tolist())
    data: dict[str, Any] = {"data_type": as_dtype(native_dtype(wanted.dtype)).config, "dims": dims}
    if wanted.input_data_file:
        return {**data, "input_data_file": wanted.input_data_file}
    return {**data, "random_data" if wanted.random_data else "zero_data": True}
