"""Values for optional inputs that clients omit, checked against the bound model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pytriton.exceptions import PyTritonBadParameterError
from pytriton.serving.model import BoundModel, native_tensors
from pytriton.serving.rows import row_count
from pytriton_plugins import Tensor


def checked_defaults(model: BoundModel | None, defaults: Mapping[str, Any]) -> None:
    """Raises PyTritonBadParameterError for a default that does not fit its input; outside of a server nothing is."""
    for name, value in defaults.items():
        if not isinstance(value, (np.ndarray, np.generic)):
            raise PyTritonBadParameterError(
                f"@fill_optionals: {name}: expected a numpy array, got {type(value).__name__}"
            )
    if model is not None:
        known = {tensor.name: tensor for tensor in native_tensors(model.name, model.inputs)}
        for name, value in defaults.items():
            _check(model.name, name, value, known.get(name))


def _check(model: str, name: str, value: Any, tensor: Tensor | None) -> None:
    where = f"@fill_optionals: {name}"
    if tensor is None:
        raise PyTritonBadParameterError(f"{where}: model {model} has no such input")
    dtype = tensor.dtype
    if not (value.dtype.kind in "OSU" if dtype.python else value.dtype == dtype.numpy):
        raise PyTritonBadParameterError(f"{where}: is {value.dtype}, expected {dtype.written}, as declared")
    if len(value.shape) != len(tensor.shape) or any(
        wanted not in (-1, found) for wanted, found in zip(tensor.shape, value.shape, strict=True)
    ):
        raise PyTritonBadParameterError(f"{where}: has shape {value.shape}, expected {tensor.shape}, as declared")


def with_defaults(request: Any, defaults: Mapping[str, Any], *, batched: bool) -> Any:
    """The request with the defaults of the inputs that it does not have, in each row."""
    rows = row_count(request)
    for name, value in defaults.items():
        if name not in request:
            request[name] = np.repeat(np.asarray(value)[None], rows, axis=0) if batched else np.array(value)
    return request
