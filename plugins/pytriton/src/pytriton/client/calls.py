"""One call of a client: its arguments checked, the inputs as they are sent, the outputs as they are returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from pytriton.client.exceptions import (
    PyTritonClientInferenceServerError,
    PyTritonClientModelDoesntSupportBatchingError,
    PyTritonClientValueError,
)
from pytriton.model_config.triton_model_config import TritonModelConfig

Value: TypeAlias = str | int | bool
Outputs: TypeAlias = dict[str, NDArray[Any]]

_SINGLE = (bool, int, float, str, bytes, np.generic)
"""One value, which fills an input of one element by itself."""


@attrs.frozen
class Call:
    """``is_batch``: the inputs have the batch axis already, and the outputs keep it."""

    positional: tuple[Any, ...]
    named: Mapping[str, Any]
    parameters: dict[str, Value]
    headers: dict[str, str]
    is_batch: bool

    def arrays(self, config: TritonModelConfig) -> dict[str, Any]:
        """The inputs by name, with the batch axis where the model has one."""
        if self.is_batch and not config.batching:
            raise PyTritonClientModelDoesntSupportBatchingError(
                f"model {config.model_name}: it has no batch axis; call infer_sample"
            )
        given = self.named or self._by_position(config)
        with_axis = config.batching and not self.is_batch
        return {name: _sent(value, with_axis=with_axis) for name, value in given.items()}

    def outputs(self, arrays: Outputs, config: TritonModelConfig) -> Outputs:
        """The outputs by name, without the batch axis for a sample."""
        without_axis = config.batching and not self.is_batch
        return {name: array[0] if without_axis else array for name, array in arrays.items()}

    def _by_position(self, config: TritonModelConfig) -> dict[str, Any]:
        names = [spec.name for spec in config.inputs or ()]
        if len(self.positional) > len(names):
            raise PyTritonClientValueError(
                f"model {config.model_name}: {len(self.positional)} inputs, expected {len(names)} ({', '.join(names)})"
            )
        return dict(zip(names, self.positional, strict=False))


def checked_call(
    positional: tuple[Any, ...],
    named: Mapping[str, Any],
    parameters: Mapping[str, Value] | None,
    headers: Mapping[str, Value] | None,
    *,
    is_batch: bool,
) -> Call:
    """The call; raises PyTritonClientValueError."""
    if positional and named:
        raise PyTritonClientValueError("inputs: some by position and some by keyword; pass all of them in one way")
    if not positional and not named:
        raise PyTritonClientValueError("inputs: none; pass at least one")
    texts = {name: str(value) for name, value in _checked("headers", headers).items()}
    return Call(positional, named, _checked("parameters", parameters), texts, is_batch)


def check_kind(config: TritonModelConfig, *, streams: bool) -> None:
    """Raise PyTritonClientInferenceServerError if the model needs the other kind of client."""
    if config.decoupled and not streams:
        raise PyTritonClientInferenceServerError(
            f"model {config.model_name} is decoupled; use DecoupledModelClient or AsyncioDecoupledModelClient"
        )
    if streams and not config.decoupled:
        raise PyTritonClientInferenceServerError(
            f"model {config.model_name} is not decoupled; use ModelClient, FuturesModelClient or AsyncioModelClient"
        )


def _checked(what: str, values: Mapping[str, Value] | None) -> dict[str, Value]:
    if not isinstance(values or {}, Mapping):
        raise PyTritonClientValueError(f"{what}: a {type(values).__name__}, expected a dict")
    for name, value in (values or {}).items():
        if not isinstance(name, str) or not isinstance(value, (str, int, bool)):
            raise PyTritonClientValueError(
                f"{what}: {name!r:.60} is {value!r:.60}; expected a str, an int or a bool by name"
            )
    return dict(values or {})


def _sent(value: Any, *, with_axis: bool) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        value = value.astype(object)  # scripts encode their texts with np.char.encode
    if value is None or not with_axis or isinstance(value, _SINGLE):
        return value
    return [value] if isinstance(value, (list, tuple)) else np.asarray(value)[np.newaxis]
