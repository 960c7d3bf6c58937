"""What may stand in a `triton_config`, and what a response cache would get wrong; in author modules and in the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.model.warmup import warmup_problem

_WRITTEN_BY_US = {
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
}
"""Top-level keys that follow from the declaration, and what an author writes instead."""

_NOT_READ = ("batch_input", "batch_output")
"""Keys by which a backend adds tensors to a batch; ours does not."""

_CACHE = "Triton's response cache"


def config_problems(declaration: ModelDeclaration) -> list[str]:
    """All that is wrong with the model's ``triton_config`` and that Triton would not tell, a line each."""
    config = declaration.triton_config
    warmup = warmup_problem(declaration) if "model_warmup" in config else ""
    cache = response_cache_problem(declaration) if caches_responses(config) else ""
    return [*key_problems(config), *([f"triton_config: {warmup}"] if warmup else []), *([cache] if cache else [])]


def key_problems(config: Mapping[str, Any]) -> list[str]:
    """What no ``triton_config`` has, whatever model it is for, a line each."""
    return [problem for key in config if (problem := key_problem(key))]


def key_problem(key: str) -> str:
    """Why no ``triton_config`` has ``key``; empty for one that may stand there."""
    if key in _WRITTEN_BY_US:
        instead = _WRITTEN_BY_US[key]
        return (
            f"triton_config has {key!r}, which the daemon writes itself; "
            f"{f'write {instead}… instead' if instead else 'leave it out'}"
        )
    if key in _NOT_READ:
        return f"triton_config has {key!r}, and no such tensor would come; leave it out"
    if key == "sequence_batching":
        return (
            "triton_config has sequence_batching, which is not supported: the requests of a sequence would reach any "
            "worker, and the callable could not tell whose they are; leave it out"
        )
    if key != key.lower():  # Triton takes responseCache for response_cache as well, and we would not
        return f"triton_config has {key!r}; write {_in_snake_case(key)!r}"
    return ""


def caches_responses(config: Mapping[str, Any]) -> bool:
    """Whether this configuration turns Triton's response cache on for the model."""
    cache = config.get("response_cache")
    return isinstance(cache, Mapping) and bool(cache.get("enable"))


def response_cache_problem(declaration: ModelDeclaration) -> str:
    """Why Triton's response cache would answer some requests to this model with what others got; empty if it would not.

    Its key is made of the model's name and version and the bytes of each input. It leaves out the inputs' shapes, the
    outputs that a request asks for, and the request's parameters.
    """
    if declaration.streams:
        return f"{_CACHE} holds one response to a request, and this model yields any number; leave response_cache out"
    if declaration.has_details:
        return (
            f"{_CACHE} does not look at a request's parameters, which this model can see (Context, list[Request]); "
            "take arrays only, or leave response_cache out"
        )
    if len(declaration.outputs) > 1:
        return (
            f"{_CACHE} does not look at which outputs a request asks for, and would answer with those that another "
            "one got; a model that uses it has one output"
        )
    tensor = _ambiguous(declaration)
    if tensor is None:
        return ""
    one, other = _two_shapes(tensor, batched=declaration.batched)
    return (
        f"{_CACHE} compares the bytes of an input and not its shape, and input {tensor.name} can have the same bytes "
        f"as {one} and as {other}; give it a shape that its bytes determine (at most one dimension of -1, and none "
        "beside a batch axis unless max_batch_size=1), or leave response_cache out"
    )


def _ambiguous(declaration: ModelDeclaration) -> Tensor | None:
    """An input whose shape does not follow from how many elements it has."""
    required = [tensor for tensor in declaration.inputs if not tensor.optional]
    # The batch axis is the same for all inputs, so one that has no other axis of any length gives it away.
    rows_are_known = declaration.max_batch_size <= 1 or any(_open_axes(tensor) == 0 for tensor in required)
    most = 1 if rows_are_known else 0
    return next((tensor for tensor in declaration.inputs if _open_axes(tensor) > most), None)


def _open_axes(tensor: Tensor) -> int:
    return tensor.wire_shape.count(-1)


def _two_shapes(tensor: Tensor, *, batched: bool) -> tuple[list[int], list[int]]:
    """Two shapes on the wire of one length."""
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
