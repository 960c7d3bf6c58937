"""Arrays with a batch axis: joined, split, grouped and padded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytriton.exceptions import PyTritonValidationError
from pytriton.serving.current import current_model

Arrays = dict[str, Any]


def joined(requests: Sequence[Any]) -> Arrays:
    """The inputs of all requests, one after the other; raises PyTritonValidationError if they differ in their names."""
    first, *others = requests
    if any(each.keys() != first.keys() for each in others):
        raise PyTritonValidationError("@batch joins requests of the same inputs; put @group_by_keys above it")
    if not others:
        return dict(first.items())
    return {name: np.concatenate([first[name], *(each[name] for each in others)]) for name in [*first.keys()]}


def row_count(arrays: Any) -> int:
    """The length of the batch axis; 1 where there are no arrays."""
    return next((int(array.shape[0]) for array in arrays.values()), 1)


def named(result: Any) -> Arrays:
    """The outputs by name: a list of them is in the order of the bound model's outputs."""
    if isinstance(result, Mapping):
        return dict(result)
    if not isinstance(result, (list, tuple)):
        raise PyTritonValidationError(f"expected a dict or a list of arrays, got {type(result).__name__}")
    model = current_model()
    if model is None:
        raise PyTritonValidationError("a list of outputs gets its names from a bound model; return a dict")
    if len(result) != len(model.outputs):
        raise PyTritonValidationError(f"got {len(result)} outputs, expected {len(model.outputs)}, as declared")
    return {str(tensor.name): value for tensor, value in zip(model.outputs, result, strict=True)}


def checked(result: Any, rows: int) -> Arrays:
    """The outputs by name; raises PyTritonValidationError unless each is an array with so many rows."""
    outputs = named(result)
    for name, array in outputs.items():
        shape = getattr(array, "shape", None)
        if shape is None:
            raise PyTritonValidationError(f"output {name}: expected a numpy array, got {type(array).__name__}")
        if shape[:1] != (rows,):
            raise PyTritonValidationError(f"output {name} has shape {shape}, expected {rows} rows")
    return outputs


def split(result: Any, sizes: Sequence[int]) -> list[Arrays]:
    """The part of each request, which has so many rows."""
    outputs = checked(result, sum(sizes))
    ends = np.cumsum(sizes).tolist()
    return [
        {name: array[end - size : end] for name, array in outputs.items()}
        for size, end in zip(sizes, ends, strict=True)
    ]


def groups(values: Sequence[Any]) -> list[list[int]]:
    """The rows of equal values, in the order in which each value comes first; ``values``: an array for each input."""
    found: dict[Any, list[int]] = {}
    for row in range(len(values[0]) if values else 0):
        key = tuple(
            (array[row].shape, array[row].tobytes() if array.dtype != object else repr(array[row].tolist()))
            for array in values
        )
        found.setdefault(key, []).append(row)
    return list(found.values())


def in_order(results: Sequence[Arrays], rows: Sequence[Sequence[int]]) -> Arrays:
    """The outputs of groups as one batch, each row in the place where its input was."""
    order = np.argsort(np.concatenate([np.asarray(each, np.intp) for each in rows]), kind="stable")
    return {name: np.concatenate([each[name] for each in results])[order] for name in results[0]}


def padded(inputs: Arrays, rows: int) -> Arrays:
    """The inputs with their last row repeated, up to so many rows."""
    missing = rows - row_count(inputs)
    return {name: np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) for name, array in inputs.items()}


def without_padding(result: Any, rows: int) -> Arrays:
    """The outputs without the rows of the padding."""
    return {name: array[:rows] for name, array in named(result).items()}
