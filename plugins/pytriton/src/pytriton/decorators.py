"""Decorators of callables: the list of requests in another form."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from pytriton.exceptions import PyTritonValidationError
from pytriton.serving.current import current_model

Arrays = dict[str, Any]
Callable_ = Callable[..., Any]


def batch(wrapped: Callable_) -> Callable_:
    """Join the requests along their batch axis: the callable gets each input by its name, and returns all rows.

    It returns a dict of arrays, or a list of them in the order of the outputs; a generator yields such results.
    """

    @functools.wraps(wrapped)
    def joined(*arguments: Any, **keywords: Any) -> Any:
        *bound, requests = arguments
        sizes = [_rows(each) for each in requests]
        result = wrapped(*bound, **_joined(requests), **keywords)
        if inspect.isgenerator(result):
            return (_split(each, sizes) for each in result)
        return _split(result, sizes)

    return joined


def sample(wrapped: Callable_) -> Callable_:
    """Take the only request: the callable gets each input by its name."""

    @functools.wraps(wrapped)
    def single(*arguments: Any, **keywords: Any) -> Any:
        *bound, requests = arguments
        if len(requests) != 1:
            raise PyTritonValidationError(f"@sample takes one request at a time, not {len(requests)}")
        result = wrapped(*bound, **dict(requests[0].items()), **keywords)
        if inspect.isgenerator(result):
            return ([_named(each)] for each in result)
        return [_named(result)]

    return single


def _joined(requests: Iterable[Any]) -> Arrays:
    first, *others = requests
    if any(each.keys() != first.keys() for each in others):
        raise PyTritonValidationError("@batch joins requests of the same inputs only; put @group_by_keys above it")
    if not others:
        return dict(first.items())
    return {name: np.concatenate([first[name], *(each[name] for each in others)]) for name in first.keys()}


def _rows(request: Any) -> int:
    return next((int(array.shape[0]) for array in request.values()), 1)


def _named(result: Any) -> Arrays:
    if isinstance(result, Mapping):
        return dict(result)
    if not isinstance(result, (list, tuple)):
        raise PyTritonValidationError(f"expected a dict or a list of arrays, got {type(result).__name__}")
    model = current_model()
    if model is None:
        raise PyTritonValidationError("a list of outputs has names only in a bound model; return a dict")
    if len(result) != len(model.outputs):
        raise PyTritonValidationError(f"{len(result)} outputs for {len(model.outputs)} declared ones")
    return {str(tensor.name): value for tensor, value in zip(model.outputs, result, strict=True)}


def _split(result: Any, sizes: list[int]) -> list[Arrays]:
    outputs = _named(result)
    for name, array in outputs.items():
        if len(array) != sum(sizes):
            raise PyTritonValidationError(f"output {name} has {len(array)} rows, expected {sum(sizes)}")
    ends = np.cumsum(sizes).tolist()
    return [
        {name: array[end - size : end] for name, array in outputs.items()}
        for size, end in zip(sizes, ends, strict=True)
    ]
