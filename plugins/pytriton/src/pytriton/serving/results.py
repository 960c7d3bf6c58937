"""From what a callable returned for its requests to what the framework sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pytriton.exceptions import PyTritonValidationError
from pytriton.proxy.types import Response
from pytriton.serving.model import BoundModel, native_dtype

Arrays = dict[str, Any]


class ResultReader:
    """Reads the results of one model's callables."""

    def __init__(self, model: BoundModel) -> None:
        self._name = model.name
        self._strict = model.strict
        self._dtypes = {str(each.name): native_dtype(each.dtype) for each in model.outputs}

    def responses(self, results: Any, count: int) -> list[Arrays]:
        """A mapping for each of ``count`` requests; raises PyTritonValidationError for anything else."""
        if not isinstance(results, (list, tuple)):
            kind = type(results).__name__
            raise PyTritonValidationError(
                f"model {self._name}: expected a list with a dict for each request, got {kind}"
            )
        if len(results) != count:
            raise PyTritonValidationError(f"model {self._name}: {len(results)} results for {count} requests")
        return [self._response(each) for each in results]

    def _response(self, result: Any) -> Arrays:
        if not isinstance(result, (Mapping, Response)):
            kind = type(result).__name__
            raise PyTritonValidationError(f"model {self._name}: expected a dict of arrays for a request, got {kind}")
        if self._strict:
            return dict(result.items())
        return {name: self._converted(name, value) for name, value in result.items() if name in self._dtypes}

    def _converted(self, name: str, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            kind = type(value).__name__
            raise PyTritonValidationError(f"model {self._name}: output {name}: expected a numpy array, got {kind}")
        dtype = self._dtypes[name]
        if dtype is bytes:
            return np.char.encode(value, "utf-8").astype(object) if value.dtype.kind == "U" else value.astype(object)
        return value if value.dtype == dtype else value.astype(dtype)
