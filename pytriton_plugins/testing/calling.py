"""Calls a model as its worker does, through shared memory and without Triton."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.errors import DeclarationError, RequestError, ResultError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.testing.served import open_channel
from pytriton_plugins.worker.calling.conversion import as_array
from pytriton_plugins.worker.calling.errors import RequestFailure

Arrays = dict[str, NDArray[Any]]
_DETAILS = {"id", "correlation_id", "sequence_start", "sequence_end", "timeout", "parameters", "headers"}
_HEADER_PREFIX = "pytriton-testing-"
"""Of the names of headers, as an operator's ``forward_prefix``."""


def call_model(marked: Any, /, *, models: Mapping[Any, Any] | None = None, **inputs: Any) -> Arrays:
    """The outputs of one request, by name, computed by the worker's own code.

    ``marked`` is a marked function, a marked class (made without settings) or an instance of one. ``inputs`` have the
    tensors' names, with the batch axis first unless the model has none; lists and scalars are converted. A name that
    is not an identifier is passed as ``**{"images:0": …}``. Raises RequestError with the client's error.

    ``models``: those that the callable calls with ``ctx.models``, by name, or by name and version. A value is a marked
    callable, which is called as its worker does it; a function of arrays that returns a dict of arrays by output name,
    or yields several; or an exception, which the call raises.
    """
    (answer,) = call_batch(marked, [inputs], models=models)
    if isinstance(answer, RequestError):
        raise answer
    return answer


def call_batch(
    marked: Any,
    requests: Sequence[Mapping[str, Any]],
    *,
    details: Sequence[Mapping[str, Any]] = (),
    models: Mapping[Any, Any] | None = None,
) -> list[Arrays | RequestError]:
    """The outputs, or the error, of each of several requests that reach the callable as one batch.

    All have the same optional inputs, as in every batch.
    ``details`` of each request beside its tensors, for a callable that reads them: ``id``, ``correlation_id``,
    ``sequence_start``, ``sequence_end``, ``timeout`` in seconds, ``parameters``, ``headers``. Without them, each
    request to a model with sequences is a sequence of its own.
    ``models``: as in `call_model`.
    """
    declaration, callable_ = _callable(marked)
    _refuse_stream(declaration)
    arrays = [_wire_arrays(declaration, request) for request in requests]
    if any(set(request) != set(arrays[0]) for request in arrays):
        raise DeclarationError(
            f"model {declaration.name!r}: the requests of a batch must have the same inputs; call the others separately"
        )
    headers = {_HEADER_PREFIX + name.lower(): name.lower() for each in details for name in each.get("headers", ())}
    with open_channel(declaration, callable_, headers=headers, models=models) as channel:
        sent = [_detail(each) for each in details or _alone(declaration, len(arrays))]
        outcomes = channel.send(*arrays, details=sent).outcomes
    return [_answer(declaration, outcome) for outcome in outcomes]


def call_sequence(
    marked: Any,
    requests: Sequence[Mapping[str, Any]],
    *,
    correlation_id: int | str = 1,
    models: Mapping[Any, Any] | None = None,
) -> list[Arrays | RequestError]:
    """The outputs, or the error, of each request of one sequence, sent one after the other to a callable that returns.

    The first request starts the sequence and the last one ends it. ``marked``, ``models`` and the inputs of each one
    are as in `call_model`.
    """
    declaration, callable_ = _callable(marked)
    _refuse_stream(declaration)
    if declaration.sequence is None:
        raise DeclarationError(f"model {declaration.name!r} has no sequences; use call_model")
    answers = []
    with open_channel(declaration, callable_, models=models) as channel:
        for place, request in enumerate(requests, 1):
            detail = Detail("", correlation_id, (), 0, place == 1, place == len(requests))
            (outcome,) = channel.send(_wire_arrays(declaration, request), details=[detail]).outcomes
            answers.append(_answer(declaration, outcome))
    return answers


def _answer(declaration: ModelDeclaration, outcome: Arrays | RequestFailure) -> Arrays | RequestError:
    if isinstance(outcome, RequestFailure):
        return RequestError(outcome.message, outcome.code)
    return _python_outputs(declaration, outcome)


def _refuse_stream(declaration: ModelDeclaration) -> None:
    if declaration.streams:
        raise DeclarationError(f"model {declaration.name!r} yields its responses; use call_stream")


def _alone(declaration: ModelDeclaration, count: int) -> list[dict[str, Any]]:
    """The details of requests that are a sequence each."""
    ends = {"sequence_start": True, "sequence_end": True}
    return [{"correlation_id": place, **ends} for place in range(1, count + 1)] if declaration.sequence else []


def call_stream(marked: Any, /, *, models: Mapping[Any, Any] | None = None, **inputs: Any) -> Iterator[Arrays]:
    """The responses of one request to a callable that yields them; raises RequestError where the client gets an error.

    ``marked``, ``models`` and ``inputs`` are as in `call_model`. The callable ends before the first one is returned.
    """
    declaration, callable_ = _callable(marked)
    if not declaration.streams:
        raise DeclarationError(f"model {declaration.name!r} returns its response; use call_model")
    with open_channel(declaration, callable_, models=models) as channel:
        details = [_detail(each) for each in _alone(declaration, 1)]
        answered = channel.send(_wire_arrays(declaration, inputs), details=details)
    for part in answered.parts:
        yield _python_outputs(declaration, part)
    (end,) = answered.outcomes
    if isinstance(end, RequestFailure):
        raise RequestError(end.message, end.code)


def _detail(values: Mapping[str, Any]) -> Detail:
    unknown = set(values) - _DETAILS
    if unknown:
        raise DeclarationError(f"details: unknown key {unknown.pop()!r}; expected one of {', '.join(sorted(_DETAILS))}")
    headers = {_HEADER_PREFIX + name.lower(): value for name, value in dict(values.get("headers", {})).items()}
    parameters = (*dict(values.get("parameters", {})).items(), *headers.items())
    timeout = round(values.get("timeout", 0) * 1e6)
    sequence = {name: values.get(name, False) for name in ("sequence_start", "sequence_end")}
    return Detail(values.get("id", ""), values.get("correlation_id", 0), parameters, timeout, **sequence)


def _callable(marked: Any) -> tuple[ModelDeclaration, Any]:
    declaration = declaration_of(marked)
    if declaration is not None:
        return declaration, marked() if declaration.kind == "class" else marked
    declaration = declaration_of(type(marked))
    if declaration is None:
        raise DeclarationError(f"{marked!r} is not marked; write @infer_func above it")
    return declaration, marked


def _wire_arrays(declaration: ModelDeclaration, request: Mapping[str, Any]) -> Arrays:
    known = {tensor.name: tensor for tensor in declaration.inputs}
    for name in request:
        if name not in known:
            raise DeclarationError(f"model {declaration.name!r} has no input {name!r}; it has {', '.join(known)}")
    arrays = {}
    for name, tensor in known.items():
        if name in request:
            arrays[name] = _input(declaration, tensor, request[name])
        elif not tensor.optional:
            raise DeclarationError(f"model {declaration.name!r}: input {name!r} is missing; pass {name}=…")
    return arrays


def _input(declaration: ModelDeclaration, tensor: Tensor, value: Any) -> NDArray[Any]:
    try:
        array = as_array(f"model {declaration.name!r}: input {tensor.name!r}", value, tensor.dtype)
    except ResultError as error:
        raise DeclarationError(str(error).replace("; return ", "; pass ")) from None
    rank = len(tensor.shape) + declaration.batched
    fits = array.ndim == rank and all(
        want in (-1, got) for want, got in zip(tensor.shape, array.shape[int(declaration.batched) :], strict=True)
    )
    if not fits or (declaration.batched and not 1 <= len(array) <= declaration.max_batch_size):
        batch = f"1 to {declaration.max_batch_size} rows of " if declaration.batched else ""
        raise DeclarationError(
            f"model {declaration.name!r}: input {tensor.name!r} has shape {array.shape}, expected {batch}"
            f"{tensor.shape}; Triton would refuse this request"
        )
    return array if tensor.shape else array.reshape((*array.shape, 1))


def _python_outputs(declaration: ModelDeclaration, outputs: Arrays) -> Arrays:
    tensors = [tensor for tensor in declaration.outputs if tensor.name in outputs]
    return {tensor.name: _python_output(declaration, tensor, outputs[tensor.name]) for tensor in tensors}


def _python_output(declaration: ModelDeclaration, tensor: Tensor, array: NDArray[Any]) -> NDArray[Any]:
    if tensor.dtype.python is str:
        texts = np.empty(array.size, object)
        texts[:] = [item.decode() for item in array.ravel().tolist()]
        array = texts.reshape(array.shape)
    return array if tensor.shape else array.reshape(array.shape[:-1])
