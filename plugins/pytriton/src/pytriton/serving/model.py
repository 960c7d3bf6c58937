"""A bound model: what a script declared, in PyTriton's words and in the framework's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import pytriton_plugins
from pytriton.exceptions import PyTritonValidationError
from pytriton.model_config.model_config import ModelConfig
from pytriton.model_config.tensor import Tensor
from pytriton.model_config.triton_model_config import ResponseCache, TensorSpec, TritonModelConfig
from pytriton_plugins.errors import DeclarationError

Callables = Callable[..., Any] | Sequence[Callable[..., Any]]
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class BoundModel:
    """The arguments of ``bind``, checked; each tensor has a name, and there is a callable for each worker."""

    name: str
    version: int
    callables: tuple[Callable[..., Any], ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    config: ModelConfig
    strict: bool

    @property
    def max_batch_size(self) -> int:
        """0 without a batch axis."""
        return self.config.max_batch_size if self.config.batching else 0

    @property
    def described(self) -> TritonModelConfig:
        """What a callable sees of it."""
        return TritonModelConfig(
            self.name,
            self.version,
            max_batch_size=self.config.max_batch_size,
            batching=self.config.batching,
            batcher=self.config.batcher,
            decoupled=self.config.decoupled,
            inputs=_specs(self.inputs),
            outputs=_specs(self.outputs),
            response_cache=ResponseCache(True) if self.config.response_cache else None,
            model_warmup=self.config.model_warmup,
        )


def _specs(tensors: Sequence[Tensor]) -> list[TensorSpec]:
    return [TensorSpec(str(each.name), each.shape, each.dtype, each.optional) for each in tensors]


def bound_model(
    name: str, version: int, callables: Callables, inputs: Any, outputs: Any, config: ModelConfig | None, strict: bool
) -> BoundModel:
    """The model of these arguments; raises PyTritonValidationError for one that cannot be used."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PyTritonValidationError(
            f"invalid model name {name!r}: expected 1 to 64 of A-Z a-z 0-9 _ -, not beginning with -"
        )
    listed = tuple(callables) if isinstance(callables, (list, tuple)) else (callables,)
    if not listed or not all(callable(each) for each in listed):
        raise PyTritonValidationError(f"model {name}: infer_func must be a callable or a list of callables")
    if version < 1:
        raise PyTritonValidationError(f"model {name}: invalid model_version {version}: expected 1 or more")
    named = _named(name, "INPUT", inputs), _named(name, "OUTPUT", outputs)
    return BoundModel(name, version, listed, *named, config or ModelConfig(), bool(strict))


def _named(model: str, side: str, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    found = tuple(
        Tensor(tuple(each.shape), each.dtype, each.name or f"{side}_{place}", bool(each.optional))
        for place, each in enumerate(tensors or (), 1)
    )
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise PyTritonValidationError(f"model {model}: two tensors are named {name}; rename one of them")
    return found


def native_tensors(model: str, tensors: Sequence[Tensor]) -> list[pytriton_plugins.Tensor]:
    """The tensors in the framework's class; raises PyTritonValidationError for a dtype that Triton lacks."""
    try:
        return [_native(each) for each in tensors]
    except DeclarationError as error:
        raise PyTritonValidationError(f"model {model}: {error}") from None


def _native(tensor: Tensor) -> pytriton_plugins.Tensor:
    kind = native_dtype(tensor.dtype)
    return pytriton_plugins.Tensor(tensor.name, kind, tensor.shape, optional=bool(tensor.optional))


def native_dtype(dtype: Any) -> Any:
    """PyTriton's dtypes of strings are one, ``bytes``; all others are numpy's."""
    if dtype in (bytes, object, str) or (isinstance(dtype, type) and issubclass(dtype, (np.bytes_, np.object_))):
        return bytes
    found = np.dtype(dtype) if isinstance(dtype, (str, type)) else dtype
    return bytes if getattr(found, "kind", "") in "OSU" and found.kind else dtype
