"""Calls a model as its worker would, through shared memory and without Triton; runs in the test process."""

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
from pytriton_plugins.worker.calling.convert import as_array
from pytriton_plugins.worker.calling.errors import RequestFailure

Arrays = dict[str, NDArray[Any]]
_CARRIED = {"id", "correlation_id", "sequence_start", "sequence_end", "timeout", "parameters", "headers"}
_PROVEN = "pytriton-testing-"
"""Before the names of headers, as an operator's ``forward_prefix``."""


def call_model(marked: Any, /, **inputs: Any) -> Arrays:
    """The outputs of one request, by name, from the worker's own code.

    ``marked`` is a marked function, a marked class (made without settings) or an instance of one. ``inputs`` go by the
    tensors' names, with the batch axis in front unless the model has none; lists and scalars are converted. A name
    that is no identifier is passed as ``**{"images:0": …}``. Raises RequestError with what a client would be told.
    """
    (answer,) = call_batch(marked, [inputs])
    if isinstance(answer, RequestError):
        raise answer
    return answer


def call_batch(
    marked: Any, requests: Sequence[Mapping[str, Any]], *, details: Sequence[Mapping[str, Any]] = ()
) -> list[Arrays | RequestError]:
    """The outputs, or the error, of each of several requests that reach the callable as one batch.

    All have the same optional inputs, as the requests of a batch always have.
    ``details``: what each carries beside its tensors (``id``, ``correlation_id``, ``sequence_start``, ``sequence_end``,
    ``timeout`` in seconds, ``parameters``, ``headers``), for a callable that looks at them.
    """
    declaration, callable_ = _callable(marked)
    if declaration.streams:
        raise DeclarationError(f"model {declaration.name!r} yields its responses; use call_stream")
    wire = [_on_the_wire(declaration, request) for request in requests]
    if any(set(request) != set(wire[0]) for request in wire):
        raise DeclarationError(
            f"model {declaration.name!r}: the requests of a batch have the same inputs; call others apart"
        )
    headers = {_PROVEN + name.lower(): name.lower() for each in details for name in each.get("headers", ())}
    with open_channel(declaration, callable_, headers=headers) as channel:
        outcomes = channel.send(*wire, details=[_detail(each) for each in details]).outcomes
    return [
        RequestError(outcome.message, outcome.code)
        if isinstance(outcome, RequestFailure)
        else _all_as_returned(declaration, outcome)
        for outcome in outcomes
    ]


def call_stream(marked: Any, /, **inputs: Any) -> Iterator[Arrays]:
    """The responses of one request to a callable that yields them; raises RequestError where the client gets an error.

    ``marked`` and ``inputs`` are as in `call_model`. The callable has ended before the first response is given.
    """
    declaration, callable_ = _callable(marked)
    if not declaration.streams:
        raise DeclarationError(f"model {declaration.name!r} returns its response; use call_model")
    with open_channel(declaration, callable_) as channel:
        answered = channel.send(_on_the_wire(declaration, inputs))
    for part in answered.parts:
        yield _all_as_returned(declaration, part)
    (end,) = answered.outcomes
    if isinstance(end, RequestFailure):
        raise RequestError(end.message, end.code)


def _detail(said: Mapping[str, Any]) -> Detail:
    unknown = set(said) - _CARRIED
    if unknown:
        raise DeclarationError(f"a request carries no {unknown.pop()!r}; write one of {', '.join(sorted(_CARRIED))}")
    headers = {_PROVEN + name.lower(): value for name, value in dict(said.get("headers", {})).items()}
    carried = (*dict(said.get("parameters", {})).items(), *headers.items())
    timeout = round(said.get("timeout", 0) * 1e6)
    sequence = {name: said.get(name, False) for name in ("sequence_start", "sequence_end")}
    return Detail(said.get("id", ""), said.get("correlation_id", 0), carried, timeout, **sequence)


def _callable(marked: Any) -> tuple[ModelDeclaration, Any]:
    declaration = declaration_of(marked)
    if declaration is not None:
        return declaration, marked() if declaration.kind == "class" else marked
    declaration = declaration_of(type(marked))
    if declaration is None:
        raise DeclarationError(f"{marked!r} is not marked; write @infer_func above it")
    return declaration, marked


def _on_the_wire(declaration: ModelDeclaration, request: Mapping[str, Any]) -> Arrays:
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
            f"model {declaration.name!r}: input {tensor.name!r} has shape {array.shape}, declared is {batch}"
            f"{tensor.shape}; a client's request would be refused"
        )
    return array if tensor.shape else array.reshape((*array.shape, 1))


def _all_as_returned(declaration: ModelDeclaration, outputs: Arrays) -> Arrays:
    tensors = [tensor for tensor in declaration.outputs if tensor.name in outputs]
    return {tensor.name: _as_returned(declaration, tensor, outputs[tensor.name]) for tensor in tensors}


def _as_returned(declaration: ModelDeclaration, tensor: Tensor, array: NDArray[Any]) -> NDArray[Any]:
    if tensor.dtype.python is str:
        texts = np.empty(array.size, object)
        texts[:] = [item.decode() for item in array.ravel().tolist()]
        array = texts.reshape(array.shape)
    return array if tensor.shape else array.reshape(array.shape[:-1])
