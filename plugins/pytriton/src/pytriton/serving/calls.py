"""The callables that the framework is given: each calls one of the script's as PyTriton does."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np

from pytriton.exceptions import PyTritonUnrecoverableError
from pytriton.proxy import types
from pytriton.serving.current import called
from pytriton.serving.model import BoundModel
from pytriton.serving.results import Arrays, ResultReader
from pytriton_plugins import Context, Request

OnUnrecoverable = Callable[[PyTritonUnrecoverableError], None]


class Call:
    """One callable of a model; arrays are copies, which it may write to."""

    def __init__(self, model: BoundModel, target: Callable[..., Any], on_unrecoverable: OnUnrecoverable) -> None:
        self._model = model
        self._target = target
        self._reader = ResultReader(model)
        self._on_unrecoverable = on_unrecoverable

    def _requests(self, requests: list[Request]) -> list[types.Request]:
        return [_request(each, each.inputs) for each in requests]

    def _run(self, requests: list[types.Request]) -> Any:
        """What the callable returns, or the first that it yields."""
        with self._guard():
            result = self._target(requests)
            return next(result) if inspect.isgenerator(result) else result

    def _guard(self) -> Guard:
        return Guard(self._model, self._on_unrecoverable)


class Guard:
    """Makes the model known to decorators, and tells the server of an unrecoverable error."""

    def __init__(self, model: BoundModel, on_unrecoverable: OnUnrecoverable) -> None:
        self._called = called(model)
        self._on_unrecoverable = on_unrecoverable

    def __enter__(self) -> None:
        self._called.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._called.__exit__(None, None, None)
        if isinstance(error, PyTritonUnrecoverableError):
            self._on_unrecoverable(error)


class PlainCall(Call):
    """Gets a list of requests, and returns a result for each."""

    def __call__(self, requests: list[Request]) -> list[Arrays]:
        return self._reader.responses(self._run(self._requests(requests)), len(requests))


class JoinedCall(Call):
    """Gets the joined arrays of a batch as one request, for models whose responses are cached."""

    def __call__(self, **inputs: Any) -> Arrays:
        (result,) = self._reader.responses(self._run([types.Request(_writable(inputs), {})]), 1)
        return result


class AwaitedCall(Call):
    """The same as `PlainCall` for a coroutine function."""

    async def __call__(self, requests: list[Request]) -> list[Arrays]:
        with self._guard():
            results = await self._target(self._requests(requests))
        return self._reader.responses(results, len(requests))


class StreamCall(Call):
    """Gets one request, and yields its responses."""

    def __call__(self, ctx: Context, **inputs: Any) -> Iterator[Arrays]:
        with self._guard():
            results = self._target([_request(ctx.requests[0], inputs)])
        while True:
            with self._guard():
                result = next(results, None)
            if result is None:
                return
            yield from self._reader.responses(result, 1)


class AwaitedStreamCall(Call):
    """The same as `StreamCall` for an asynchronous generator."""

    async def __call__(self, ctx: Context, **inputs: Any) -> AsyncIterator[Arrays]:
        results = self._target([_request(ctx.requests[0], inputs)])
        while True:
            with self._guard():
                result = await anext(results, None)
            if result is None:
                return
            for response in self._reader.responses(result, 1):
                yield response


def adapted(model: BoundModel, target: Callable[..., Any], on_unrecoverable: OnUnrecoverable, *, cached: bool) -> Call:
    """``target`` in the form that fits its model; ``cached``: whether Triton keeps its responses."""
    function = _function(target)
    if model.config.decoupled:
        kind = AwaitedStreamCall if inspect.isasyncgenfunction(function) else StreamCall
    elif inspect.iscoroutinefunction(function):
        kind = AwaitedCall
    else:
        kind = JoinedCall if cached else PlainCall
    return kind(model, target, on_unrecoverable)


def _function(target: Any) -> Any:
    """The function that runs in the end, below partials, decorators and ``__call__``."""
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.isroutine(target):
        target = getattr(type(target), "__call__", target)  # noqa: B004
    return inspect.unwrap(target)


def _request(request: Request, inputs: Any) -> types.Request:
    parameters = {**request.parameters, **request.headers}
    return types.Request(_writable(inputs), parameters, requested_output_names=sorted(request.requested_outputs))


def _writable(inputs: Any) -> Arrays:
    return {name: np.array(array) for name, array in inputs.items()}
