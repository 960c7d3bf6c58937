"""From the arrays of a batch to the keywords of the callable."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import RequestError, ResultError
from pytriton_plugins.model.call_rules import STRICT, CallRules
from pytriton_plugins.model.context import Context, Request
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.worker.calling.batch import Batch
from pytriton_plugins.worker.calling.request_state import RequestState

Array = NDArray[Any]
Step = Callable[[Array], Array]


class ArgumentBuilder:
    """Builds the keywords for all batches of one declaration; the steps for each input are computed once."""

    def __init__(self, declaration: ModelDeclaration, rules: CallRules = STRICT) -> None:
        self.is_writable = rules.writable
        """Whether the callable may change its inputs, which are copies then."""
        self._steps = [
            (tensor.name, tensor.arg, _step(declaration, tensor, rules.writable)) for tensor in declaration.inputs
        ]
        self._is_identity = all(step is None and name == arg for name, arg, step in self._steps)
        self._prefix = f"model {declaration.name!r}"
        self._context = declaration.context
        self._requests = declaration.requests
        self._has_sequences = declaration.sequence is not None
        self._is_apart, self._is_batched = declaration.apart, declaration.batched

    def build(self, batch: Batch) -> dict[str, Any]:
        """All keywords for ``batch``. Raises RequestError if a client sent text that is not UTF-8, or has no state."""
        if self._has_sequences and batch.state is not None:
            batch.state.begin_sequences(batch.first, len(batch.rows))
        if not self._context and not self._requests:
            return self.keywords(batch.arrays)
        inputs = self._inputs(batch) if self._requests else None
        requests = requests_of(batch, inputs)
        keywords: dict[str, Any] = {self._requests: requests} if self._requests else {**self.keywords(batch.arrays)}
        if self._context:
            keywords[self._context] = self.context(batch.state, requests)
        return keywords

    def _inputs(self, batch: Batch) -> list[dict[str, Array]]:
        """The tensors of each request."""
        if self._is_apart:
            return [self.keywords(arrays) for arrays in batch.separate]
        joined = self.keywords(batch.arrays)
        if not self._is_batched:
            return [joined]
        ends = [*accumulate(batch.rows)]
        return [
            {name: array[end - rows : end] for name, array in joined.items()}
            for rows, end in zip(batch.rows, ends, strict=True)
        ]

    def context(self, state: RequestState | None, requests: list[Request] | Callable[[], list[Request]]) -> Context:
        """The value of the parameter that is annotated ``Context``."""
        assert state is not None
        return Context(state, requests)

    def keywords(self, arrays: dict[str, Array]) -> dict[str, Array]:
        """The keywords for ``arrays`` (by tensor name, wire shape); absent optional inputs stay absent.

        For a callable that takes requests they keep the tensors' names. Raises RequestError for text that is not UTF-8.
        """
        if self._is_identity:
            return arrays
        keywords = {}
        for name, arg, step in self._steps:
            array = arrays.get(name)
            if array is not None:
                keywords[name if self._requests else arg] = array if step is None else step(array)
        return keywords

    def check_results(self, results: Any, count: int) -> list[Any]:
        """The results of a callable that takes requests one by one; raises ResultError unless they are ``count``."""
        if not isinstance(results, (list, tuple)):
            kind = type(results).__name__
            raise ResultError(
                f"{self._prefix}: the callable returned a {kind}; return a list with a result per request"
            )
        if len(results) != count:
            raise ResultError(f"{self._prefix}: the callable returned {len(results)} results for {count} requests")
        return list(results)


def requests_of(batch: Batch, inputs: list[dict[str, Array]] | None = None) -> list[Request]:
    """The requests of ``batch``, with ``inputs`` if the callable takes them one by one."""
    assert batch.state is not None
    requests, start = [], 0
    for index, rows in enumerate(batch.rows):
        request_inputs = inputs[index] if inputs is not None else {}
        part = slice(start, start + rows)
        requests.append(Request(batch.state, batch.first + index, part, batch.requested[index], request_inputs))
        start += rows
    return requests


def _step(declaration: ModelDeclaration, tensor: Tensor, is_writable: bool) -> Step | None:
    steps: list[Step] = []
    if tensor.shape == ():
        shape = (-1,) if declaration.batched else ()
        steps.append(lambda array: array.reshape(shape))
    if tensor.dtype.python is str:
        prefix = f"model {declaration.name!r}: input {tensor.name!r}"
        steps.append(lambda array: _decoded(prefix, array))
    if tensor.dtype.python and not is_writable:
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
    # Numbers are views of a read-only mapping. Strings are copies; a second call must get the same ones.
    array.flags.writeable = False
    return array


def _decoded(prefix: str, array: Array) -> Array:
    items: list[bytes] = array.ravel().tolist()
    texts = np.empty(len(items), object)
    try:
        texts[:] = [item.decode() for item in items]
    except UnicodeDecodeError:
        raise RequestError(_undecodable(prefix, items), code="INVALID_ARG") from None
    return texts.reshape(array.shape)


def _undecodable(prefix: str, items: list[bytes]) -> str:
    for index, item in enumerate(items):
        try:
            item.decode()
        except UnicodeDecodeError as error:
            return f"{prefix}: string {index} is not UTF-8 ({error.reason} at byte {error.start}); send UTF-8"
    raise AssertionError("every item decodes")
