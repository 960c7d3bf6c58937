"""Decorators of callables: the list of requests in another form. They also work on methods."""

from __future__ import annotations

import functools
import inspect
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytriton.exceptions import PyTritonBadParameterError, PyTritonRuntimeError, PyTritonValidationError
from pytriton.model_config.triton_model_config import TritonModelConfig
from pytriton.serving import rows
from pytriton.serving.current import current_model
from pytriton.serving.defaults import checked_defaults, with_defaults

Function = Callable[..., Any]
Batches = Sequence[dict[str, Any]]


@dataclass
class TritonContext:
    """The bound model that a callable belongs to, for each of its callables."""

    model_configs: Mapping[Any, TritonModelConfig] = field(default_factory=dict)


InferenceRequest = dict[str, Any]
InferenceRequests = list[InferenceRequest] | tuple[InferenceRequest, ...]
InferenceResult = dict[str, Any]
InferenceResults = list[InferenceResult] | tuple[InferenceResult, ...]
ModelConfigDict = Mapping[Any, TritonModelConfig]


def get_inference_request_batch_size(inference_request: InferenceRequest) -> int:
    """The number of rows of a request."""
    return rows.row_count(inference_request)


def batch(wrapped: Function) -> Function:
    """Join the requests along their batch axis: the callable gets each input by its name, and returns all rows.

    It returns a dict of arrays, or a list of them in the order of the outputs; a generator yields such results.
    """

    @functools.wraps(wrapped)
    def joined(*arguments: Any, **keywords: Any) -> Any:
        *bound, requests = arguments
        sizes = [rows.row_count(each) for each in requests]
        result = wrapped(*bound, **rows.joined(requests), **keywords)
        return _each(result, lambda part: rows.split(part, sizes))

    return joined


def sample(wrapped: Function) -> Function:
    """Take the only request: the callable gets each input by its name, as the client sent it."""

    @functools.wraps(wrapped)
    def single(*arguments: Any, **keywords: Any) -> Any:
        *bound, requests = arguments
        results = [wrapped(*bound, **dict(each.items()), **keywords) for each in requests]
        if len(results) == 1:
            return _each(results[0], lambda part: [rows.named(part)])
        return [rows.named(each) for each in results]

    return single


def group_by_keys(wrapped: Function) -> Function:
    """Call once for the requests that have the same inputs; stands above `batch` where inputs are optional."""

    @functools.wraps(wrapped)
    def grouped(*arguments: Any, **keywords: Any) -> Any:
        *bound, requests = arguments
        places: dict[tuple[str, ...], list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault(tuple(sorted(request.keys())), []).append(place)
        if len(places) == 1:
            return wrapped(*bound, requests, **keywords)
        answers: dict[int, Any] = {}
        for group in places.values():
            found = wrapped(*bound, [requests[place] for place in group], **keywords)
            answers.update(zip(group, found, strict=True))
        return [answers[place] for place in range(len(requests))]

    return grouped


def fill_optionals(**defaults: Any) -> Callable[[Function], Function]:
    """Give optional inputs that a client omits a value: an array without the batch axis; stands above `batch`.

    The call raises PyTritonBadParameterError for a value that does not fit the declared input.
    """

    def decorate(wrapped: Function) -> Function:
        @functools.wraps(wrapped)
        def filled(*arguments: Any, **keywords: Any) -> Any:
            *bound, requests = arguments
            model = current_model()
            checked_defaults(model, defaults)
            is_batched = model is None or model.config.batching
            complete = [with_defaults(each, defaults, batched=is_batched) for each in requests]
            return wrapped(*bound, complete, **keywords)

        return filled

    return decorate


def group_by_values(*keys: str, pad_fn: Callable[[Batches], Batches] | None = None) -> Callable[[Function], Function]:
    """Call once for the rows that have the same values of these inputs; stands below `batch`.

    ``pad_fn`` gets the outputs of all groups and returns them in equal shapes, such as `ConstantPadder`.
    """

    def decorate(wrapped: Function) -> Function:
        @functools.wraps(wrapped)
        def grouped(*bound: Any, **inputs: Any) -> Any:
            _refuse_requests("@group_by_values", inputs)
            found = rows.groups([inputs[key] for key in keys if key in inputs]) or [[*range(rows.row_count(inputs))]]
            results = [_of_group(wrapped, bound, inputs, group) for group in found]
            return rows.in_order(results if pad_fn is None else pad_fn(results), found)

        return grouped

    return decorate


def _of_group(wrapped: Function, bound: tuple[Any, ...], inputs: dict[str, Any], group: list[int]) -> dict[str, Any]:
    result = wrapped(*bound, **{name: value[group] if _has_rows(value) else value for name, value in inputs.items()})
    return rows.checked(result, len(group))


def first_value(*keys: str, squeeze_single_values: bool = True, strict: bool = True) -> Callable[[Function], Function]:
    """Give these inputs as the value of their first row, a scalar for one number; stands below `batch`.

    Without `batch` it does the same in each request of a list. Inputs that a request does not have stay away. With
    ``strict`` PyTritonRuntimeError is raised for rows that differ.
    """
    if not all(isinstance(key, str) for key in keys):
        raise PyTritonBadParameterError("@first_value: the names of inputs are texts")

    def decorate(wrapped: Function) -> Function:
        @functools.wraps(wrapped)
        def with_values(*arguments: Any, **inputs: Any) -> Any:
            if inputs:
                return wrapped(*arguments, **taken(inputs))
            *bound, requests = arguments
            return wrapped(*bound, [taken(each) for each in requests])

        return with_values

    def taken(inputs: Any) -> Any:
        for key in [key for key in keys if key in inputs]:
            inputs[key] = _first(key, inputs[key], squeeze=squeeze_single_values, strict=strict)
        return inputs

    return decorate


def _first(key: str, values: Any, *, squeeze: bool, strict: bool) -> Any:
    if strict and any(not np.array_equal(values[0], each) for each in values[1:]):
        raise PyTritonRuntimeError(
            f"@first_value: the rows of {key} differ; group them with @group_by_values({key!r}), or write strict=False"
        )
    return values[0].reshape(-1)[0] if squeeze and values[0].size == 1 else values[0]


def pad_batch(wrapped: Function) -> Function:
    """Repeat the last row up to the next preferred batch size, else the maximum; stands below `batch`.

    The rows of the padding are cut off the outputs.
    """

    @functools.wraps(wrapped)
    def padded(*bound: Any, **inputs: Any) -> Any:
        _refuse_requests("@pad_batch", inputs)
        model = current_model()
        if model is None:
            raise PyTritonValidationError("@pad_batch: the batch sizes are those of a bound model")
        count = rows.row_count(inputs)
        sizes = sorted({*(model.config.batcher.preferred_batch_size or ()), model.config.max_batch_size})
        place = bisect_left(sizes, count)
        if place == len(sizes) or sizes[place] == count:
            return wrapped(*bound, **inputs)
        result = wrapped(*bound, **rows.padded(inputs, sizes[place]))
        return _each(result, lambda part: rows.without_padding(part, count))

    return padded


def triton_context(wrapped: Function) -> Function:
    """Give the callable the keyword ``triton_context``, a `TritonContext`."""

    @functools.wraps(wrapped)
    def with_context(*arguments: Any, **keywords: Any) -> Any:
        model = current_model()
        if model is None:
            raise PyTritonValidationError("@triton_context: the callable is not called by a server; bind it first")
        context = TritonContext(dict.fromkeys(model.callables, model.described))
        return wrapped(*arguments, **keywords, triton_context=context)

    return with_context


class ConstantPadder:
    """Pads arrays at the end of each axis but the first to the largest shape; strings with empty ones."""

    def __init__(self, pad_value: Any = 0) -> None:
        self.pad_value = pad_value

    def __call__(self, batches_list: Batches) -> Batches:
        """The batches with each array in the shape that all have space in; raises ValueError for different ranks."""
        names = dict.fromkeys(name for each in batches_list for name in each)
        shapes = {name: self._largest(name, [each[name] for each in batches_list if name in each]) for name in names}
        return [{name: self._padded(array, shapes[name]) for name, array in each.items()} for each in batches_list]

    def _largest(self, name: str, arrays: Sequence[Any]) -> tuple[int, ...]:
        if len({array.ndim for array in arrays}) > 1:
            raise ValueError(f"ConstantPadder: the arrays of {name} differ in their number of dimensions")
        return tuple(np.max([array.shape[1:] for array in arrays], axis=0).astype(int).tolist())

    def _padded(self, array: Any, shape: tuple[int, ...]) -> Any:
        widths = [(0, 0), *((0, wanted - found) for wanted, found in zip(shape, array.shape[1:], strict=True))]
        return np.pad(array, widths, constant_values=b"" if array.dtype.kind in "OSU" else self.pad_value)


def _each(result: Any, read: Callable[[Any], Any]) -> Any:
    """``read`` of a result, of each that a generator yields, and of the one that a coroutine returns."""
    if inspect.isgenerator(result):
        return _read_all(result, read)
    if inspect.isasyncgen(result):
        return _read_all_awaited(result, read)
    return _read_awaited(result, read) if inspect.isawaitable(result) else read(result)


def _read_all(results: Iterator[Any], read: Callable[[Any], Any]) -> Iterator[Any]:
    for each in results:
        yield read(each)


async def _read_all_awaited(results: AsyncIterator[Any], read: Callable[[Any], Any]) -> AsyncIterator[Any]:
    async for each in results:
        yield read(each)


async def _read_awaited(result: Awaitable[Any], read: Callable[[Any], Any]) -> Any:
    return read(await result)


def _has_rows(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 0


def _refuse_requests(decorator: str, inputs: Mapping[str, Any]) -> None:
    if not inputs:
        raise PyTritonRuntimeError(f"{decorator} takes inputs by name; put it below @batch")
