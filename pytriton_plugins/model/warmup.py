"""Checks of `model_warmup`, and the arrays of its samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.model.tensors import Tensor

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration

Arrays = dict[str, NDArray[Any]]
_KEYS = ("name", "batch_size", "count", "inputs")
_INPUT_KEYS = ("data_type", "dims", "zero_data", "random_data")
_RANDOM_BELOW = 100


def warmup_problem(declaration: ModelDeclaration) -> str:
    """The problem of the model's ``model_warmup``; empty for none."""
    samples = declaration.triton_config.get("model_warmup", [])
    if samples and declaration.calls:
        return "model_warmup and calls exclude each other: samples run before other models can be called; remove one"
    if not isinstance(samples, list) or not all(isinstance(sample, Mapping) for sample in samples):
        return 'model_warmup is not a list of samples; write [{"name": "zeros", "inputs": {…}}]'
    for number, sample in enumerate(samples, 1):
        for problem in _problems(declaration, sample):
            return f"model_warmup: sample {sample.get('name', number)!r}: {problem}"
    return ""


def _problems(declaration: ModelDeclaration, sample: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"unknown key {key}; the keys are {', '.join(_KEYS)}" for key in sample if key not in _KEYS)
    max_rows = max(1, declaration.max_batch_size)
    if not _is_count(sample.get("batch_size", 1), max_rows):
        yield f"batch_size is {sample['batch_size']!r}; write a whole number from 1 to {max_rows}"
    if not _is_count(sample.get("count", 1)):
        yield f"count is {sample['count']!r}; write a whole number from 1 up"
    inputs = sample.get("inputs")
    if not isinstance(inputs, Mapping):
        yield 'it has no inputs; write "inputs": {"x": {"dims": [3], "zero_data": True}}'
        return
    declared = {tensor.name: tensor for tensor in declaration.inputs}
    yield from (
        f"{name} is not an input; the inputs are {', '.join(declared)}" for name in inputs if name not in declared
    )
    for name, tensor in declared.items():
        if name in inputs:
            yield from (f"input {name}: {problem}" for problem in _input_problems(tensor, inputs[name]))
        elif not tensor.optional:
            yield f"input {name} is missing"


def _input_problems(tensor: Tensor, table: object) -> Iterator[str]:
    if not isinstance(table, Mapping):
        yield 'it is not a table; write {"dims": [3], "zero_data": True}'
        return
    if "input_data_file" in table:
        yield "input_data_file is not supported; write zero_data or random_data, or call the model in its __init__"
    yield from (f"unknown key {key}; the keys are {', '.join(_INPUT_KEYS)}" for key in table if key not in _INPUT_KEYS)
    if table.get("data_type", tensor.dtype.config) != tensor.dtype.config:
        yield f"data_type is {table['data_type']}; write {tensor.dtype.config}, as declared"
    dims, declared = table.get("dims", []), tensor.wire_shape
    fits = isinstance(dims, list) and len(dims) == len(declared) and all(map(_is_count, dims))
    if not fits or any(want not in (-1, got) for want, got in zip(declared, dims, strict=True)):
        yield f"dims is {dims}; write lengths that fit {list(declared)}"
    if [table.get("zero_data", False), table.get("random_data", False)].count(True) != 1:
        yield "write one of zero_data and random_data, with the value true"


def _is_count(value: object, limit: int = 2**31 - 1) -> bool:
    return type(value) is int and 1 <= value <= limit


def warmup_arrays(declaration: ModelDeclaration, sample: Mapping[str, Any]) -> Arrays:
    """The inputs of one batch of a valid sample, in wire shape, by tensor name, read-only."""
    rows = [sample.get("batch_size", 1)] if declaration.batched else []
    arrays = {}
    for tensor in declaration.inputs:
        if tensor.name in sample["inputs"]:
            table = sample["inputs"][tensor.name]
            array = _array(tensor, (*rows, *table["dims"]), is_random=table.get("random_data", False))
            array.flags.writeable = False
            arrays[tensor.name] = array
    return arrays


def _array(tensor: Tensor, shape: tuple[int, ...], *, is_random: bool) -> NDArray[Any]:
    generator = np.random.default_rng()
    if tensor.dtype.python:
        texts = np.empty(shape, object)
        texts[...] = b""
        if is_random:
            texts.ravel()[:] = [b"%d" % number for number in generator.integers(_RANDOM_BELOW, size=texts.size)]
        return texts
    if not is_random:
        return np.zeros(shape, tensor.dtype.numpy)
    if tensor.dtype.triton.startswith(("FP", "BF")) and not tensor.dtype.is_raw:
        return generator.random(shape).astype(tensor.dtype.numpy)
    return generator.integers(2 if tensor.dtype.triton == "BOOL" else _RANDOM_BELOW, size=shape).astype(
        tensor.dtype.numpy
    )
