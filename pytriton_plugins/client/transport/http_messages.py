"""Requests, responses and errors of HTTP: JSON, followed by the tensors in binary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pytriton_plugins.client.errors import ClientError, error_of
from pytriton_plugins.client.request import Request, Result, sent_parameters
from pytriton_plugins.client.transport.tensor_bytes import to_array, to_bytes
from pytriton_plugins.text import one_line

LENGTH = "Inference-Header-Content-Length"
"""The header with the bytes of the JSON before the tensors."""

_CODES = {
    **{400: "INVALID_ARG", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS"},
    **{413: "RESOURCE_EXHAUSTED", 429: "UNAVAILABLE", 499: "CANCELLED", 500: "INTERNAL", 501: "UNSUPPORTED"},
    **{502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"},
}


def model_path(name: str, version: str, action: str = "") -> str:
    """The path of a model, or of one of its actions."""
    path = f"/v2/models/{quote(name, safe='')}"
    path += f"/versions/{version}" if version else ""
    return f"{path}/{action}" if action else path


def encode(request: Request) -> tuple[dict[str, str], bytes]:
    """The headers and the body of an inference request."""
    contents = {name: to_bytes(array) for name, (_, array) in request.inputs.items()}
    document: dict[str, Any] = {
        "inputs": [
            {"name": name, "datatype": datatype, "shape": array.shape, "parameters": _size(contents[name])}
            for name, (datatype, array) in request.inputs.items()
        ],
        "parameters": {**sent_parameters(request), "binary_data_output": True},
    }
    if request.id:
        document["id"] = request.id
    if request.outputs:
        document["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in request.outputs]
    head = json.dumps(document).encode()
    headers = {**request.headers, LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
    return headers, b"".join((head, *contents.values()))


def _size(content: bytes) -> dict[str, int]:
    return {"binary_data_size": len(content)}


def decode(headers: Mapping[str, str], body: bytes) -> Result:
    """The result of a response; raises KeyError, TypeError or ValueError if it is not valid."""
    length = int(headers.get(LENGTH, len(body)))
    document, offset = json.loads(body[:length]), length
    outputs = {}
    for item in document.get("outputs", []):
        size = int(item["parameters"]["binary_data_size"])
        outputs[item["name"]] = to_array(item["datatype"], tuple(item["shape"]), body[offset : offset + size])
        offset += size
    return Result(
        outputs,
        document.get("model_name", ""),
        document.get("model_version", ""),
        document.get("id", ""),
        document.get("parameters"),
    )


def error_text(body: bytes) -> str | None:
    """The message of Triton in the body of an error; None if something else wrote it."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return None


def answered_error(status: int, text: str, about: str, model: str) -> ClientError:
    """The error of a response whose status is not 200; ``about`` begins the message."""
    return error_of(_CODES.get(status, "UNKNOWN"), f"{about}: {one_line(text, 4000)}", model)
