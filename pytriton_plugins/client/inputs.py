"""The arrays of one request: names, dtypes, shapes and rows are checked against the model's description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.client.description import ModelInfo, TensorInfo
from pytriton_plugins.client.errors import InvalidInput, Unsupported
from pytriton_plugins.client.values import SINGLE, as_array
from pytriton_plugins.model.tensors import NUMERIC, dtype_by_triton_name
from pytriton_plugins.text import first_few, one_line
from pytriton_plugins.text.suggestions import suggestion

Array = NDArray[Any]
_KNOWN = {dtype.triton for dtype in NUMERIC} | {"BYTES", "BF16"}
_MAX_LISTED = 12


def build_inputs(info: ModelInfo, given: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays by name, with the shapes that are sent; None for an optional input means that it is omitted.

    Nothing is added: neither a batch axis nor an input. Raises InvalidInput, one line, and Unsupported.
    """
    known = {item.name: item for item in info.inputs}
    given = {name: value for name, value in given.items() if not (value is None and _is_optional(known.get(name)))}
    _check_names(info, known, given)
    arrays = {name: _array(info, known[name], value) for name, value in given.items()}
    _check_rows(info, arrays)
    return arrays


def _is_optional(item: TensorInfo | None) -> bool:
    return item is not None and item.optional


def _check_names(info: ModelInfo, known: Mapping[str, TensorInfo], given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in known:
            raise _mistake(info, f"unknown input {one_line(name)}{suggestion(str(name), known)}; {described(info)}")
    missing = [item.name for item in info.inputs if item.name not in given and not item.optional]
    if missing:
        raise _mistake(info, f"missing input {one_line(', '.join(missing))}; {described(info)}")


def _array(info: ModelInfo, item: TensorInfo, value: Any) -> Array:
    where = f"input {one_line(item.name)}"
    if item.datatype not in _KNOWN:
        raise Unsupported(
            f"model {one_line(info.name)}: {where}: the client has no arrays of {one_line(item.datatype)}",
            model=info.name,
        )
    try:
        array = as_array(value, dtype_by_triton_name(item.datatype))
        return _shaped(info, item, array, single=isinstance(value, SINGLE))
    except ValueError as error:
        raise _mistake(info, f"{where}: {error}") from None


def _shaped(info: ModelInfo, item: TensorInfo, array: Array, *, single: bool) -> Array:
    """``array`` if its shape fits. A single value has no shape: it fills an input of one element."""
    wire = info.wire_shape(item)
    if single and array.ndim == 0 and all(dim == 1 for dim in item.shape):
        return array.reshape([1] * len(wire))
    if len(array.shape) == len(wire) and all(dim in (-1, size) for size, dim in zip(array.shape, wire, strict=True)):
        return np.ascontiguousarray(array)
    batch = "; the first axis is the batch" if info.batched else ""
    raise ValueError(f"invalid shape {list(array.shape)}: expected {list(wire)}{batch}")


def _check_rows(info: ModelInfo, arrays: Mapping[str, Array]) -> None:
    rows = {name: array.shape[0] for name, array in arrays.items()} if info.batched else {}
    if len(set(rows.values())) > 1:
        counts = first_few([f"{one_line(name)} {count}" for name, count in rows.items()], _MAX_LISTED)
        raise _mistake(info, f"the inputs differ in their number of rows ({counts}); pass the same number for each")
    most = max(rows.values(), default=0)
    if most > info.max_batch_size:
        raise _mistake(info, f"{most} rows: the model takes {info.max_batch_size} in one request; send them in parts")


def described(info: ModelInfo) -> str:
    """The inputs as they are sent, for a message."""
    return f"its inputs are {info.described(info.inputs)}" if info.inputs else "it has no inputs"


def _mistake(info: ModelInfo, text: str) -> InvalidInput:
    return InvalidInput(f"model {one_line(info.name)}: {text}", model=info.name)
