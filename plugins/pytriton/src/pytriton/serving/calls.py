"""The callables that the framework is given: each calls one of the script's as PyTriton does."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from pytriton.exceptions import PyTritonUnrecoverableError
from pytriton.proxy import types
from pytriton.serving.current import called
from pytriton.serving.model import BoundModel
from pytriton.serving.results import Arrays, responses
from pytriton_plugins import Request

OnUnrecoverable = Callable[[PyTritonUnrecoverableError], None]


class Call:
    """One callable of a model, with the number of its worker."""

    def __init__(self, model: BoundModel, target: Callable[..., Any], on_unrecoverable: OnUnrecoverable) -> None:
        self._model = model
        self._target = target
        self._on_unrecoverable = on_unrecoverable

    def _responses(self, results: Any, count: int) -> list[Arrays]:
        return responses(self._model.name, results, count)

    def _run(self, requests: list[types.Request]) -> list[Arrays]:
        """What the callable returns, or the first that it yields."""
        with self._guard():
            result = self._target(requests)
            return self._responses(next(result) if inspect.isgenerator(result) else result, len(requests))

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
        return self._run([_request(each) for each in requests])


class JoinedCall(Call):
    """Gets the joined arrays of a batch as one request, for models whose responses are cached."""

    def __call__(self, **inputs: Any) -> Arrays:
        return self._run([types.Request(inputs, {})])[0]


class AwaitedCall(Call):
    """The same as `PlainCall` for a coroutine function."""

    async def __call__(self, requests: list[Request]) -> list[Arrays]:
        with self._guard():
            results = await self._target([_request(each) for each in requests])
        return self._responses(results, len(requests))


class StreamCall(Call):
    """Gets a list of one request, and yields its responses, each as a list."""

    def __call__(self, requests: list[Request]) -> Iterator[list[Arrays]]:
        with self._guard():
            results = self._target([_request(each) for each in requests])
        if not inspect.isgenerator(results):
            results = iter([results])
        try:
            while True:
                with self._guard():
                    result = next(results, None)
                if result is None:
                    return
                yield self._responses(result, len(requests))
        finally:
            if inspect.isgenerator(results):
                results.close()


class AwaitedStreamCall(Call):
    """The same as `StreamCall` for an asynchronous generator."""

    async def __call__(self, requests: list[Request]) -> AsyncIterator[list[Arrays]]:
        results = self._target([_request(each) for each in requests])
        try:
            while True:
                with self._guard():
                    result = await anext(results, None)
                if result is None:
                    return
                yield self._responses(result, len(requests))
        finally:
            await results.aclose()


def adapted(model: BoundModel, target: Callable[..., Any], on_unrecoverable: OnUnrecoverable, *, cached: bool) -> Call:
    """``target`` in the form that fits its model; ``cached``: whether Triton keeps its responses."""
    return _kind(model, _function(target), cached=cached)(model, target, on_unrecoverable)


def _kind(model: BoundModel, function: Any, *, cached: bool) -> type[Call]:
    if model.config.decoupled:
        return AwaitedStreamCall if inspect.isasyncgenfunction(function) else StreamCall
    if inspect.iscoroutinefunction(function):
        return AwaitedCall
    return JoinedCall if cached else PlainCall


def _function(target: Any) -> Any:
    """The function that runs in the end, below partials, decorators and ``__call__``."""
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.isroutine(target):
        target = getattr(type(target), "__call__", target)  # noqa: B004
    return inspect.unwrap(target)


def _request(request: Request) -> types.Request:
    parameters: dict[str, Any] = {**request.parameters, **request.headers}
    return types.Request(dict(request.inputs), parameters, requested_output_names=sorted(request.requested_outputs))
