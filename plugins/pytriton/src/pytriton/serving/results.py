"""From what a callable returned for its requests to what the framework sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pytriton.exceptions import PyTritonValidationError
from pytriton.proxy.types import Response

Arrays = dict[str, Any]


def responses(model: str, results: Any, count: int) -> list[Arrays]:
    """A mapping for each of ``count`` requests; raises PyTritonValidationError for anything else."""
    if not isinstance(results, (list, tuple)):
        kind = type(results).__name__
        raise PyTritonValidationError(f"model {model}: expected a list with a dict for each request, got {kind}")
    if len(results) != count:
        raise PyTritonValidationError(f"model {model}: {len(results)} results for {count} requests")
    return [_response(model, each) for each in results]


def _response(model: str, result: Any) -> Arrays:
    if not isinstance(result, (Mapping, Response)):
        kind = type(result).__name__
        raise PyTritonValidationError(f"model {model}: expected a dict of arrays for a request, got {kind}")
    return {name: _checked(model, name, value) for name, value in result.items()}


def _checked(model: str, name: str, value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        kind = type(value).__name__
        raise PyTritonValidationError(f"model {model}: output {name}: expected a numpy array, got {kind}")
    return np.char.encode(value, "utf-8").astype(object) if value.dtype.kind == "U" else value
