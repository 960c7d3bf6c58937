"""The arrays of one request, from NAME=VALUE texts and the model's metadata."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from pytriton_plugins.cli.infer.values import mistake, parse_value
from pytriton_plugins.client import ModelInfo, TensorInfo
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.model.tensors import NUMERIC, DType, dtype_by_triton_name
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

Array = np.ndarray[Any, Any]
_MAX_EXAMPLE_ROWS, _MAX_EXAMPLE = 3, 100
"""Limits of an example in rows and in characters."""

_KNOWN = {dtype.triton for dtype in NUMERIC} | {"BYTES", "BF16"}


def build_inputs(model: ModelInfo, given: dict[str, str]) -> dict[str, Array]:
    """The request's arrays by input, with the batch axis; ConfigError names the input and the expected value."""
    known = {item.name: item for item in model.inputs}
    for name in given:
        if name not in known:
            raise ConfigError(
                f"model {one_line(model.name)}: unknown input {one_line(name)}{suggestion(name, known)}; "
                f"its inputs are {_described(model)}"
            )
    missing = [item for item in model.inputs if item.name not in given and not item.optional]
    if missing:
        names = " ".join(f"{one_line(item.name)}=VALUE" for item in missing)
        raise ConfigError(
            f"model {one_line(model.name)}: missing input; add {names}; its inputs are {_described(model)}"
        )
    arrays = {name: _array(known[name], text, model.batched) for name, text in given.items()}
    _check_rows(model, arrays)
    return arrays


def _array(item: TensorInfo, text: str, batched: bool) -> Array:
    if item.datatype not in _KNOWN:
        raise ConfigError(f"input {one_line(item.name)}: infer cannot send {one_line(item.datatype)}; use tritonclient")
    dtype: DType = dtype_by_triton_name(item.datatype)
    if dtype.is_raw:
        raise ConfigError(f"input {one_line(item.name)}: BF16 needs ml_dtypes; run: pip install ml_dtypes")
    try:
        return _shaped(parse_value(text, dtype), item.shape, batched, plain=text[:1] not in ("@", "[", '"'))
    except ValueError as error:
        raise mistake(item.name, error) from None


def _shaped(array: Array, shape: tuple[int, ...], batched: bool, *, plain: bool) -> Array:
    """``array`` with a batch axis, if the model has one and ``array`` does not."""
    if batched and array.ndim == len(shape) + 1 and _fits(array.shape[1:], shape):
        return array
    if not _fits(array.shape, shape):
        array = _reshaped(array, shape, batched, plain=plain)
    return array[np.newaxis] if batched else array


def _reshaped(array: Array, shape: tuple[int, ...], batched: bool, *, plain: bool) -> Array:
    """A flat list, or one value, in the model's shape, if there is only one way to fill it."""
    fixed = math.prod(dim for dim in shape if dim > 0)
    free = sum(dim < 0 for dim in shape)
    fills = array.size == fixed if free == 0 else free == 1 and array.size and array.size % fixed == 0
    if (plain or array.size == 1) and fills:
        return array.reshape(shape)
    batch = "; with the batch axis one dimension more" if batched else ""
    nested = " (write several dimensions as JSON, such as [[1, 2], [3, 4]])" if plain and len(shape) > 1 else ""
    rows = _as_rows(array, shape) if batched else ""
    raise ValueError(f"invalid shape {list(array.shape)}: expected {list(shape)}{rows or batch}{nested}")


def _as_rows(array: Array, shape: tuple[int, ...]) -> str:
    """The correct form of a flat list with the values of several rows; empty for anything else."""
    if array.ndim != 1 or min(shape, default=1) < 1 or array.size % math.prod(shape) or array.size == 0:
        return ""
    rows = array.reshape(-1, *shape)
    first = rows[:_MAX_EXAMPLE_ROWS].tolist()
    text = json.dumps(first, ensure_ascii=False, default=lambda item: item.decode(errors="replace"))
    if len(text) > _MAX_EXAMPLE:
        return f"; for {len(rows)} rows write brackets around each row"
    return f"; for {len(rows)} rows write {text[:-1]}{', …' if len(rows) > len(first) else ''}]"


def _fits(actual: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(actual) == len(shape) and all(dim in (-1, size) for size, dim in zip(actual, shape, strict=True))


def _check_rows(model: ModelInfo, arrays: dict[str, Array]) -> None:
    rows = {name: array.shape[0] for name, array in arrays.items()}
    if model.batched and len(set(rows.values())) > 1:
        counts = ", ".join(f"{one_line(name)} {count}" for name, count in rows.items())
        raise ConfigError(f"the inputs differ in their number of rows ({counts}); write the same number for each")


def _described(model: ModelInfo) -> str:
    return ", ".join(
        f"{one_line(item.name)} ({one_line(item.datatype)} {list(item.shape)}{', optional' if item.optional else ''})"
        for item in model.inputs
    )
