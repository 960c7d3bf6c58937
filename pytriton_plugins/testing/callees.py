"""The models that the callable of a test calls: marked callables, plain functions, or exceptions in their place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from pytriton_plugins.errors import ErrorCode, ModelCallError, RequestError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.shm.calls import Call
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.text.suggestions import closest
from pytriton_plugins.worker.calling.errors import RequestFailure
from pytriton_plugins.worker.nested.inputs import InputBuilder

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Run = Callable[[ModelDeclaration, Any, Arrays, Detail], Iterator[Arrays | RequestFailure]]
"""Runs a marked callable as its worker does, with one request in wire shapes."""


class CalleeError(Exception):
    """The error that a call gets."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Callees:
    """The models of a test by name, or by name and version."""

    def __init__(self, models: Mapping[Any, Any], run: Run) -> None:
        self._models = dict(models)
        self._run = run

    def responses(self, call: Call, inputs: Arrays) -> Iterator[Arrays]:
        """What the called model answers; raises CalleeError."""
        model = self._model(call)
        if isinstance(model, BaseException):
            raise _callee_error(model)
        found = _marked(model)
        outputs = self._of_marked(*found, call, inputs) if found else self._of_plain(model, call, inputs)
        for each in outputs:
            yield {name: array for name, array in each.items() if not call.outputs or name in call.outputs}

    def _model(self, call: Call) -> Any:
        key = (call.model, call.version)
        for each in (key, call.model):
            if each in self._models:
                return self._instance(each)
        names = ", ".join(map(_shown, self._models)) or "none"
        meant = closest(call.model, [name for name in self._models if isinstance(name, str)])
        hint = f"write {meant[0]!r}, or pass" if meant else "pass"
        problem = f"the test has no such model; {hint} models={{{call.model!r}: …}} (it has {names})"
        raise CalleeError("NOT_FOUND", problem)

    def _instance(self, key: Any) -> Any:
        model = self._models[key]
        declaration = declaration_of(model)
        if declaration is not None and declaration.kind == "class":
            model = self._models[key] = model()
        return model

    def _of_marked(self, declaration: ModelDeclaration, target: Any, call: Call, inputs: Arrays) -> Iterator[Arrays]:
        problem = _problem(declaration, inputs)
        if problem:
            raise CalleeError("INVALID_ARG", problem)
        detail = Detail(call.id, call.correlation, tuple(call.parameters), call.timeout)
        for response in self._run(declaration, target, inputs, detail):
            if isinstance(response, RequestFailure):
                raise CalleeError(response.code, response.message)
            yield response

    def _of_plain(self, function: Any, call: Call, inputs: Arrays) -> Iterator[Arrays]:
        if not callable(function):
            raise CalleeError(
                "INTERNAL", f"models[{call.model!r}] is a {type(function).__name__}; pass a callable or an exception"
            )
        builder = InputBuilder(call.model)
        for value in _results(function, inputs):
            if not isinstance(value, Mapping):
                kind = type(value).__name__
                raise CalleeError("INTERNAL", f"models[{call.model!r}] returned a {kind}; return a dict by output name")
            arrays = builder.build(None, value, ()).arrays
            yield dict(zip(value, arrays, strict=True))


def _shown(key: Any) -> str:
    return f"{key[0]!r} version {key[1]}" if isinstance(key, tuple) and len(key) == 2 else repr(key)


def _marked(model: Any) -> tuple[ModelDeclaration, Any] | None:
    declaration = declaration_of(model) or declaration_of(type(model))
    return (declaration, model) if declaration is not None else None


def _results(function: Any, inputs: Arrays) -> Iterator[Any]:
    try:
        result = function(**inputs)
        if inspect.isawaitable(result) or inspect.isasyncgen(result):
            import asyncio

            yield from asyncio.run(_awaited(result))
        elif inspect.isgenerator(result):
            yield from result
        else:
            yield result
    except Exception as error:
        raise _callee_error(error) from error


async def _awaited(result: Any) -> list[Any]:
    if inspect.isasyncgen(result):
        return [each async for each in result]
    return [await result]


def _callee_error(error: BaseException) -> CalleeError:
    if isinstance(error, (RequestError, ModelCallError)):
        return CalleeError(error.code, error.message)
    return CalleeError("INTERNAL", f"{type(error).__name__}: {error}")


def _problem(declaration: ModelDeclaration, inputs: Arrays) -> str:
    """Why Triton would refuse the inputs; empty for none."""
    known = {tensor.name: tensor for tensor in declaration.inputs}
    for name in inputs:
        if name not in known:
            return f"model {declaration.name!r} has no input {name!r}; it has {', '.join(known) or 'none'}"
    rows = set()
    for name, tensor in known.items():
        array = inputs.get(name)
        if array is None:
            if not tensor.optional:
                return f"model {declaration.name!r}: input {name!r} is missing; pass {name}=…"
            continue
        where = f"model {declaration.name!r}: input {name!r}"
        if array.dtype != tensor.dtype.numpy:
            return f"{where} is an array of {array.dtype}, expected {tensor.dtype.written}"
        batch = (-1,) if declaration.batched else ()
        expected = (*batch, *tensor.wire_shape)
        if array.ndim != len(expected) or any(
            want not in (-1, got) for want, got in zip(expected, array.shape, strict=True)
        ):
            return f"{where} has shape {list(array.shape)}, expected {list(expected)}"
        rows.add(array.shape[0] if declaration.batched else 1)
    if len(rows) > 1 or any(not 1 <= count <= max(declaration.max_batch_size, 1) for count in rows):
        return f"model {declaration.name!r}: {sorted(rows)} rows; pass 1 to {declaration.max_batch_size}, in each input"
    return ""


def _runs_nothing(declaration: ModelDeclaration, target: Any, inputs: Arrays, detail: Detail) -> Iterator[Arrays]:
    raise AssertionError("there are no models")


NO_MODELS = Callees({}, _runs_nothing)
