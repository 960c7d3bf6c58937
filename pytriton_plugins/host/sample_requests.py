"""Lines to paste that call a model: `pytriton-host infer` and curl.

Their length and the work for them are bounded: a model's author chooses its shapes.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.values import Ports

MAX_VALUES = 16
"""Of one input in a line; an array with more comes from a file."""

MAX_INPUTS = 8
MAX_LINE = 500
"""Characters of a line."""

MAX_REQUEST = 1 << 30
"""Bytes of one request: gRPC carries less than twice as much."""

_ANY_LENGTH = 3
"""The length of a sample's dimension that may have any."""

_NOT_IN_JSON = ("FP16", "BF16")
"""Triton takes these in binary only."""

_NOT_IN_GENERATE = {"id", "parameters"}
"""Names that have a meaning of their own in the JSON of `generate`."""


def calls(declaration: ModelDeclaration, address: str, ports: Ports, *, over_http: bool = True) -> list[str]:
    """The lines that call ``declaration``: one that makes the files that they read, our own command, and curl.

    ``address`` as URLs write it. Without ``over_http`` there is no line for curl.
    """
    url = "" if ports.grpc == 8001 and address == "127.0.0.1" else f" --url {address}:{ports.grpc}"
    base = f"http://{address}:{ports.http}/v2/models/{declaration.name}"
    needed = _needed(declaration)
    if _can_be_sampled(needed):
        files = _files(needed)
        lines = [
            _maker(files),
            f"{_program()} infer {shlex.join(_arguments(declaration, files))}{url}" if _can_be_made(needed) else "",
            _curl(declaration, base, needed, files) if over_http else "",
        ]
        if any(lines[1:]) and max(map(len, lines)) <= MAX_LINE:
            return [line for line in lines if line]
    name = shlex.join([_program(), "infer", declaration.name])
    return [f"# {declaration.name}: its inputs do not fit in a line; this lists them: {name}{url}"]


def example_call(declaration: ModelDeclaration) -> list[str]:
    """The arguments of ``pytriton-host infer`` for one request: the model, and its needed inputs as NAME=VALUE.

    Nothing for a model whose inputs are too large for a command line.
    """
    needed = _needed(declaration)
    is_small = not any(map(_is_large, needed))
    return _arguments(declaration, {}) if is_small and _can_be_sampled(needed) and _can_be_made(needed) else []


def _needed(declaration: ModelDeclaration) -> list[Tensor]:
    return [tensor for tensor in declaration.inputs if not tensor.optional]


def _can_be_sampled(needed: Sequence[Tensor]) -> bool:
    if len(needed) > MAX_INPUTS or any("=" in tensor.name for tensor in needed):
        return False
    texts = [tensor for tensor in needed if tensor.dtype.python]
    return not any(map(_is_large, texts)) and sum(map(_size, needed)) <= MAX_REQUEST


def _can_be_made(needed: Sequence[Tensor]) -> bool:
    """Whether `infer` can make all of them: bfloat16 needs ml_dtypes, and cannot come from a file."""
    return not any(tensor.dtype.triton == "BF16" and (tensor.dtype.is_raw or _is_large(tensor)) for tensor in needed)


def _is_large(tensor: Tensor) -> bool:
    return _count(tensor.shape) > MAX_VALUES


def _program() -> str:
    """How the user called this program, where a shell does not find it by its name."""
    typed, name = sys.argv[0], "pytriton-host"
    if os.path.basename(typed) != name or shutil.which(name) == shutil.which(typed):
        return name
    return shlex.quote(typed)


def _python() -> str:
    return (
        "python" if _program() == "pytriton-host" else shlex.quote(os.path.join(os.path.dirname(sys.argv[0]), "python"))
    )


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(_ANY_LENGTH if dim < 0 else dim for dim in shape)


def _count(shape: Sequence[int]) -> int:
    return math.prod(_shape(shape))


def _size(tensor: Tensor) -> int:
    return _count(tensor.shape) * tensor.dtype.item_size


# Arrays in files


def _files(needed: Sequence[Tensor]) -> dict[str, tuple[str, str]]:
    """By input, the file that its array comes from and the array in Python; equal ones share a file."""
    arrays: dict[str, str] = {}
    for tensor in needed:
        if _is_large(tensor) or tensor.dtype.triton in _NOT_IN_JSON:
            kind = "np.uint16" if tensor.dtype.triton == "BF16" else tensor.dtype.written
            arrays[tensor.name] = f"np.zeros({_shape(tensor.shape)}, {kind})"
    different = list(dict.fromkeys(arrays.values()))
    names = {array: f"input{number if number > 1 else ''}.npy" for number, array in enumerate(different, 1)}
    return {name: (names[array], array) for name, array in arrays.items()}


def _maker(files: dict[str, tuple[str, str]]) -> str:
    if not files:
        return ""
    saved = "; ".join(f"np.save('{file}', {array})" for file, array in dict.fromkeys(files.values()))
    return f'{_python()} -c "import numpy as np; {saved}"'


# Our own command


def _arguments(declaration: ModelDeclaration, files: dict[str, tuple[str, str]]) -> list[str]:
    values = {
        tensor.name: f"@{files[tensor.name][0]}" if _is_large(tensor) else _text(tensor)
        for tensor in _needed(declaration)
    }
    return [declaration.name, *(f"{name}={value}" for name, value in values.items())]


def _text(tensor: Tensor) -> str:
    """VALUE of ``pytriton-host infer`` for a small tensor of this kind."""
    shape, items = _shape(tensor.shape), _items(tensor)
    if not shape:
        return items[0] if tensor.dtype.python else json.dumps(items[0])
    if len(shape) == 1 and not tensor.dtype.python:
        return ",".join(json.dumps(item) for item in items)
    return json.dumps(_nested(items, shape))


def _items(tensor: Tensor) -> list[Any]:
    count = _count(tensor.shape)
    if tensor.dtype.python:
        return ["hello"] * count
    if tensor.dtype.triton == "BOOL":
        return [True] * count
    return list(range(1, count + 1))


def _nested(items: list[Any], shape: Sequence[int]) -> list[Any]:
    if len(shape) == 1:
        return items
    step = len(items) // shape[0]
    return [_nested(items[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


# curl


def _curl(declaration: ModelDeclaration, base: str, needed: Sequence[Tensor], files: dict[str, tuple[str, str]]) -> str:
    return _curl_binary(declaration, base, needed, files) if files else _curl_json(declaration, base, needed)


def _curl_json(declaration: ModelDeclaration, base: str, needed: Sequence[Tensor]) -> str:
    """The shorter form by `generate` if its JSON can name the inputs; empty if JSON cannot carry them."""
    if declaration.sequence is None and not _NOT_IN_GENERATE & {tensor.name for tensor in needed}:
        one = {tensor.name: _items(tensor) if tensor.shape else _items(tensor)[0] for tensor in needed}
        command = f"curl -sN {base}/generate_stream" if declaration.streams else f"curl -s {base}/generate"
        return f"{command} -d {shlex.quote(json.dumps(one))}"
    if declaration.streams:
        return ""
    inputs = [{**_described(declaration, tensor), "data": _items(tensor)} for tensor in needed]
    return f"curl -s {base}/infer -d {shlex.quote(json.dumps({'inputs': inputs, **_sequence(declaration)}))}"


def _sequence(declaration: ModelDeclaration) -> dict[str, Any]:
    """The parameters that make a request a sequence of its own."""
    if declaration.sequence is None:
        return {}
    return {"parameters": {"sequence_id": 1, "sequence_start": True, "sequence_end": True}}


def _curl_binary(
    declaration: ModelDeclaration, base: str, needed: Sequence[Tensor], files: dict[str, tuple[str, str]]
) -> str:
    """The JSON of a request with the arrays behind it: an array is the end of its file. Nothing for a stream."""
    if declaration.streams:
        return ""
    inputs: list[dict[str, Any]] = []
    tails = []
    for tensor in needed:
        if tensor.name in files:
            size = _size(tensor)
            inputs.append({**_described(declaration, tensor), "parameters": {"binary_data_size": size}})
            tails.append(f"tail -c {size} {files[tensor.name][0]}; ")
        else:
            inputs.append({**_described(declaration, tensor), "data": _items(tensor)})
    head = json.dumps({"inputs": inputs, **_sequence(declaration)}, separators=(",", ":"))
    return (
        f"{{ printf %s {shlex.quote(head)}; {''.join(tails)}}} | curl -s {base}/infer "
        f"-H 'Inference-Header-Content-Length: {len(head)}' --data-binary @-"
    )


def _described(declaration: ModelDeclaration, tensor: Tensor) -> dict[str, Any]:
    shape = [*([1] if declaration.batched else []), *_shape(tensor.wire_shape)]
    return {"name": tensor.name, "datatype": tensor.dtype.triton, "shape": shape}
