"""From the arrays of a batch to the keywords of the callable; runs in the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import RequestError, ResultError
from pytriton_plugins.model.context import Context, Request
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor

if TYPE_CHECKING:
    from pytriton_plugins.worker.calling.request_state import Exchange
    from pytriton_plugins.worker.calling.runner import Batch

Array = NDArray[Any]
Step = Callable[[Array], Array]


class ArgumentPlan:
    """What to do with each input of one declaration, worked out once for all its batches."""

    def __init__(self, declaration: ModelDeclaration) -> None:
        self._steps = [(tensor.name, tensor.arg, _step(declaration, tensor)) for tensor in declaration.inputs]
        self._as_they_are = all(step is None and name == arg for name, arg, step in self._steps)
        self._place = f"model {declaration.name!r}"
        self._context = declaration.context
        self._requests = declaration.requests

    def of(self, batch: Batch) -> dict[str, Any]:
        """All keywords for ``batch``. Raises RequestError for text that is not UTF-8: the client sent it."""
        if not self._context and not self._requests:
            return self.keywords(batch.arrays)
        inputs = [self.keywords(arrays) for arrays in batch.apart] if self._requests else None
        requests = requests_of(batch, inputs)
        keywords: dict[str, Any] = {self._requests: requests} if self._requests else {**self.keywords(batch.arrays)}
        if self._context:
            keywords[self._context] = self.context(batch.exchange, requests)
        return keywords

    def context(self, exchange: Exchange | None, requests: list[Request]) -> Context:
        """What the parameter for the context gets."""
        assert exchange is not None
        return Context(exchange, requests)

    def keywords(self, arrays: dict[str, Array]) -> dict[str, Array]:
        """The keywords for ``arrays`` (by tensor name, wire shape); optional inputs that are absent stay absent.

        For a callable that takes requests they keep the tensors' names. Raises RequestError for text that is not UTF-8.
        """
        if self._as_they_are:
            return arrays
        keywords = {}
        for name, arg, step in self._steps:
            array = arrays.get(name)
            if array is not None:
                keywords[name if self._requests else arg] = array if step is None else step(array)
        return keywords

    def one_by_one(self, results: Any, count: int) -> list[Any]:
        """What a callable that takes requests one by one returned; raises ResultError unless it is ``count`` items."""
        if not isinstance(results, (list, tuple)):
            kind = type(results).__name__
            raise ResultError(f"{self._place}: the callable returned a {kind}; return a list with a result per request")
        if len(results) != count:
            raise ResultError(f"{self._place}: the callable returned {len(results)} results for {count} requests")
        return list(results)


def requests_of(batch: Batch, inputs: list[dict[str, Array]] | None = None) -> list[Request]:
    """The requests of ``batch``, with ``inputs`` if the callable takes them one by one."""
    assert batch.exchange is not None
    requests, start = [], 0
    for index, rows in enumerate(batch.rows):
        held = inputs[index] if inputs is not None else {}
        part = slice(start, start + rows)
        requests.append(Request(batch.exchange, batch.place + index, part, batch.requested[index], held))
        start += rows
    return requests


def arguments(declaration: ModelDeclaration, arrays: dict[str, Array]) -> dict[str, Array]:
    """`ArgumentPlan.keywords` for a single use."""
    return ArgumentPlan(declaration).keywords(arrays)


def _step(declaration: ModelDeclaration, tensor: Tensor) -> Step | None:
    steps: list[Step] = []
    if tensor.shape == ():
        shape = (-1,) if declaration.batched else ()
        steps.append(lambda array: array.reshape(shape))
    if tensor.dtype.python is str:
        place = f"model {declaration.name!r}: input {tensor.name!r}"
        steps.append(lambda array: _decoded(place, array))
    if tensor.dtype.python:
        steps.append(_read_only)
    return _chained(steps)


def _chained(steps: list[Step]) -> Step | None:
    if len(steps) < 2:
        return steps[0] if steps else None

    def run(array: Array) -> Array:
        for step in steps:
            array = step(array)
        return array

    return run


def _read_only(array: Array) -> Array:
    # Numbers are views of a read-only mapping; strings are made here and must not differ when called once more.
    array.flags.writeable = False
    return array


def _decoded(place: str, array: Array) -> Array:
    items: list[bytes] = array.ravel().tolist()
    texts = np.empty(len(items), object)
    try:
        texts[:] = [item.decode() for item in items]
    except UnicodeDecodeError:
        raise RequestError(_undecodable(place, items), code="INVALID_ARG") from None
    return texts.reshape(array.shape)


def _undecodable(place: str, items: list[bytes]) -> str:
    for index, item in enumerate(items):
        try:
            item.decode()
        except UnicodeDecodeError as error:
            return f"{place}: string {index} is not UTF-8 ({error.reason} at byte {error.start}); send UTF-8"
    raise AssertionError("every item decodes")
