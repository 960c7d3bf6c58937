"""Checks of a model's `triton_config`: keys that it must not have, and models that a response cache would break."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytriton_plugins.model.sequence import direct_problem
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.model.warmup import warmup_problem

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration

_DAEMON_KEYS = {
    "name": "name=",
    "max_batch_size": "max_batch_size=",
    "version_policy": "version=",
    "input": "inputs=",
    "output": "outputs=",
    "instance_group": "workers=",
    "backend": "",
    "platform": "",
    "ensemble_scheduling": "",
    "model_transaction_policy": "",
    "sequence_batching": "sequence=",
}
"""Top-level keys that the daemon writes from the declaration, and what an author writes instead."""

_UNSUPPORTED_KEYS = ("batch_input", "batch_output")
"""Keys with which other backends add tensors to a batch."""

_CACHE = "Triton's response cache"


def config_problems(declaration: ModelDeclaration) -> list[str]:
    """The problems of the model's ``triton_config`` that Triton would not report, a line each."""
    config = declaration.triton_config
    warmup = warmup_problem(declaration) if "model_warmup" in config else ""
    cache = response_cache_problem(declaration) if caches_responses(config) else ""
    sequence = sequence_problem(declaration)
    return [
        *key_problems(config),
        *([sequence] if sequence else []),
        *([f"triton_config: {warmup}"] if warmup else []),
        *([cache] if cache else []),
    ]


def sequence_problem(declaration: ModelDeclaration) -> str:
    """What contradicts the model's ``sequence``; empty for nothing."""
    if declaration.sequence is None:
        return ""
    if not declaration.has_details:
        return "sequence=: the callable cannot see its sequence; add a parameter ctx: Context, or take list[Request]"
    if "dynamic_batching" in declaration.triton_config:
        return "triton_config has 'dynamic_batching' beside sequence=, and Triton has one batcher a model; remove it"
    return direct_problem(declaration.sequence, declaration.max_batch_size)


def key_problems(config: Mapping[str, Any]) -> list[str]:
    """The problems of keys that no model may have, a line each."""
    return [problem for key in config if (problem := key_problem(key))]


def key_problem(key: str) -> str:
    """Why no ``triton_config`` may have ``key``; empty for a valid key."""
    if key in _DAEMON_KEYS:
        instead = _DAEMON_KEYS[key]
        return (
            f"triton_config has {key!r}, which the daemon writes itself; "
            f"{f'write {instead}… instead' if instead else 'remove it'}"
        )
    if key in _UNSUPPORTED_KEYS:
        return f"triton_config has {key!r}, which is not supported: no such tensor would be added; remove it"
    if key != key.lower():  # Triton takes responseCache for response_cache as well, and we would not
        return f"triton_config has {key!r}; write {_in_snake_case(key)!r}"
    return ""


def caches_responses(config: Mapping[str, Any]) -> bool:
    """Whether this configuration turns Triton's response cache on for the model."""
    cache = config.get("response_cache")
    return isinstance(cache, Mapping) and bool(cache.get("enable"))


def response_cache_problem(declaration: ModelDeclaration) -> str:
    """Why Triton's response cache would give this model's requests the answers of others; empty if it would not.

    The cache's key is made of the model's name and version and the bytes of each input. It does not include the inputs'
    shapes, the outputs that a request asks for, and the request's parameters.
    """
    if declaration.streams:
        return f"{_CACHE} holds one response to a request, and this model yields any number; remove response_cache"
    if declaration.has_details:
        return (
            f"{_CACHE} does not look at a request's parameters, which this model can see (Context, list[Request]); "
            "take arrays only, or remove response_cache"
        )
    if len(declaration.outputs) > 1:
        return (
            f"{_CACHE} does not look at which outputs a request asks for, and would answer with those of another "
            "request; declare one output, or remove response_cache"
        )
    tensor = _ambiguous(declaration)
    if tensor is None:
        return ""
    one, other = _two_shapes(tensor, batched=declaration.batched)
    return (
        f"{_CACHE} compares the bytes of an input and not its shape, and input {tensor.name} can have the same bytes "
        f"as {one} and as {other}; give it a shape that its bytes determine (at most one dimension of -1, and none "
        "beside a batch axis unless max_batch_size=1), or remove response_cache"
    )


def _ambiguous(declaration: ModelDeclaration) -> Tensor | None:
    """An input whose number of elements does not determine its shape."""
    required = [tensor for tensor in declaration.inputs if not tensor.optional]
    # The batch axis is the same for all inputs, so an input without another axis of any length determines it.
    rows_are_known = declaration.max_batch_size <= 1 or any(_open_axes(tensor) == 0 for tensor in required)
    max_open = 1 if rows_are_known else 0
    return next((tensor for tensor in declaration.inputs if _open_axes(tensor) > max_open), None)


def _open_axes(tensor: Tensor) -> int:
    return tensor.wire_shape.count(-1)


def _two_shapes(tensor: Tensor, *, batched: bool) -> tuple[list[int], list[int]]:
    """Two shapes on the wire with the same number of elements."""
    dims = list(tensor.wire_shape)
    axes = [-1, *dims] if batched else dims
    if batched and dims.count(-1) > 1:
        axes = [1, *dims]
    first, second = [position for position, dim in enumerate(axes) if dim == -1][:2]
    one = [1 if dim == -1 else dim for dim in axes]
    other = list(one)
    one[second], other[first] = 2, 2
    return one, other


def _in_snake_case(key: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in key).lstrip("_")
