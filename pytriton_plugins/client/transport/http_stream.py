"""Streams over HTTP: Triton's ``generate_stream``, which carries one row as JSON without shapes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.client.description import ModelInfo, TensorInfo
from pytriton_plugins.client.errors import Unsupported, error_of
from pytriton_plugins.client.request import Request, Result
from pytriton_plugins.model.tensors import dtype_by_triton_name
from pytriton_plugins.text import one_line

Array = NDArray[Any]
_NO_JSON = ("FP16", "BF16")
_NOT_OUTPUTS = ("model_name", "model_version", "id")
_INSTEAD = "write grpc://… for such a request"


def encode(request: Request) -> tuple[dict[str, str], bytes]:
    """The headers and the body; raises Unsupported for what ``generate_stream`` cannot carry."""
    given = {"id": request.id, "outputs": request.outputs, "sequence_id": request.parameters.get("sequence_id")}
    if missing := next((name for name, value in given.items() if value), ""):
        raise _unsupported(request, f"HTTP streams have no {missing}=")
    for item in request.info.outputs:
        _check_output(request, item)
    values = {name: _values(request, name, *tensor) for name, tensor in request.inputs.items()}
    twice = [name for name in request.parameters if name in values]
    if twice:
        raise _unsupported(request, f"the parameter {one_line(twice[0])} has the name of an input")
    body = json.dumps({**values, **request.parameters}).encode()
    return {**request.headers, "Content-Type": "application/json"}, body


def _check_output(request: Request, item: TensorInfo) -> None:
    if item.datatype in _NO_JSON or sum(dim < 0 for dim in item.shape) > 1:
        what = f"output {one_line(item.name)} ({one_line(item.datatype)} {list(item.shape)})"
        raise _unsupported(request, f"HTTP streams cannot carry {what}")


def _values(request: Request, name: str, datatype: str, array: Array) -> list[Any]:
    if request.info.batched and array.shape[0] != 1:
        raise _unsupported(request, f"input {one_line(name)} has {array.shape[0]} rows, and HTTP streams carry one")
    shape = next(item.shape for item in request.info.inputs if item.name == name)
    if datatype in _NO_JSON or sum(dim < 0 for dim in shape) > 1:
        raise _unsupported(request, f"HTTP streams cannot carry input {one_line(name)} ({datatype} {list(shape)})")
    values: list[Any] = array.ravel().tolist()
    if datatype != "BYTES":
        return values
    try:
        return [item.decode() for item in values]
    except UnicodeDecodeError:
        raise _unsupported(request, f"input {one_line(name)} is not UTF-8, and HTTP streams carry JSON") from None


class Events:
    """Finds server-sent events in the chunks of a body."""

    def __init__(self) -> None:
        self._begun = b""

    def of(self, chunk: bytes) -> list[bytes]:
        """The data of each event that ends in ``chunk``, which is JSON."""
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        return [line[5:] for line in lines if line.startswith(b"data:")]


def decode(event: dict[str, Any], request: Request) -> Result:
    """The result of one event; raises the error that it carries, which has no code over HTTP."""
    if "error" in event and "error" not in {item.name for item in request.info.outputs}:
        text = one_line(event["error"], 4000)
        raise error_of("UNKNOWN", f"model {one_line(request.model)}: {text}", request.model)
    known = {item.name: item for item in request.info.outputs}
    outputs = {name: _array(request.info, known[name], value) for name, value in event.items() if name in known}
    parameters = {name: value for name, value in event.items() if name not in known and name not in _NOT_OUTPUTS}
    return Result(outputs, event.get("model_name", ""), event.get("model_version", ""), event.get("id", ""), parameters)


def _array(info: ModelInfo, item: TensorInfo, value: Any) -> Array:
    values = value if isinstance(value, list) else [value]
    dtype = dtype_by_triton_name(item.datatype)
    array = np.empty(len(values), dtype.numpy)
    array[:] = [each.encode() for each in values] if dtype.python else values
    fixed = math.prod(dim for dim in item.shape if dim > 0)
    shape = [dim if dim > 0 else len(values) // fixed for dim in item.shape]
    return array.reshape([1, *shape] if info.batched else shape)


def _unsupported(request: Request, text: str) -> Unsupported:
    return Unsupported(f"model {one_line(request.model)}: {text}; {_INSTEAD}", model=request.model)
