"""The check of results that is left where a declaration is lenient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import ResultError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import MAX_RANK, Tensor
from pytriton_plugins.worker.calling.conversion import as_array
from pytriton_plugins.worker.calling.outputs import OutputChecker

Array = NDArray[Any]


def output_checker(declaration: ModelDeclaration) -> OutputChecker:
    """The checker for the results of this declaration's callable."""
    return LenientOutputChecker(declaration) if declaration.lenient else OutputChecker(declaration)


class LenientOutputChecker(OutputChecker):
    """Drops outputs that are not declared, misses none, converts numbers, and looks at no shape but for the rows."""

    def __init__(self, declaration: ModelDeclaration) -> None:
        super().__init__(declaration)
        self._tensors = declaration.outputs

    def check(self, result: Any, rows: int | None, wanted: Sequence[frozenset[str]] | None) -> dict[str, Array]:
        """The arrays in ``result`` by output name, each of the declared dtype; raises ResultError as the strict one."""
        named = self._named(result)
        found = [(tensor, named.get(tensor.name)) for tensor in self._tensors]
        return {tensor.name: self._array(tensor, value, rows) for tensor, value in found if value is not None}

    def _array(self, tensor: Tensor, value: Any, rows: int | None) -> Array:
        prefix = f"{self._prefix}: output {tensor.name!r}"
        array = _converted(prefix, value, tensor)
        if not array.shape and rows is None:
            array = array.reshape(1)
        if rows is not None and array.shape[:1] != (rows,):
            raise ResultError(f"{prefix} has shape {array.shape}, expected {rows} rows")
        if rows is not None and array.ndim == 1:
            array = array.reshape(rows, 1)
        if array.ndim > MAX_RANK:
            raise ResultError(f"{prefix} has {array.ndim} dimensions, expected at most {MAX_RANK}")
        return array


def _converted(prefix: str, value: Any, tensor: Tensor) -> Array:
    if not isinstance(value, np.ndarray):
        return as_array(prefix, value, tensor.dtype)
    if tensor.dtype.python:
        return as_array(prefix, value.astype(object) if value.dtype.kind == "S" else value, tensor.dtype)
    if value.dtype.kind not in "biufc" or value.dtype == tensor.dtype.numpy:
        return as_array(prefix, value, tensor.dtype)
    with np.errstate(all="ignore"):
        return value.astype(tensor.dtype.numpy)
