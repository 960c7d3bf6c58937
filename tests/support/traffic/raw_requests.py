"""Requests with tensors of random sizes, as bytes that are ready to be sent."""

from __future__ import annotations

import json
import random
import struct

from attrs import frozen
from tritonclient.grpc import service_pb2

FLOAT_BYTES = 4
# Number of requests of a thousand, least and most floats. Half have the same size, so that the backend batches them.
FLOATS = ((450, 16, 16), (300, 1, 1 << 10), (80, 1, 1 << 14), (18, 1, 1 << 18), (2, 1 << 18, 1 << 20))
# Number of requests, least and most strings.
STRINGS = ((120, 1, 20), (30, 20, 1000))
MAX_STRING_LENGTH = 60


@frozen
class Request:
    """One request as bytes; its answer ends with `content`."""

    grpc: bytes
    http: bytes
    content: bytes


def mixture(chance: random.Random) -> list[Request]:
    """A thousand different requests: random sizes and contents, fixed numbers of each kind."""
    floats = _sizes(chance)
    strings = [chance.randint(least, most) for share, least, most in STRINGS for _ in range(share)]
    return [
        *(request("identity", "FP32", count, chance.randbytes(count * FLOAT_BYTES)) for count in floats),
        *(request("strings", "BYTES", count, _strings(chance, count)) for count in strings),
    ]


def left_alone(chance: random.Random) -> list[Request]:
    """Requests that their clients leave: they are slow, so that the client leaves in the middle of the call.

    A cancellation just before the answer ends tritonserver 2.51 (Triton's issues 7368, 8034).
    """
    return [request("slow", "FP32", count, chance.randbytes(count * FLOAT_BYTES)) for count in _sizes(chance)]


def request(model: str, data_type: str, elements: int, content: bytes) -> Request:
    """One tensor `x` of shape (1, elements)."""
    tensor = service_pb2.ModelInferRequest.InferInputTensor(name="x", datatype=data_type, shape=[1, elements])
    message = service_pb2.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[content])
    return Request(message.SerializeToString(), _http(model, data_type, elements, content), content)


def _sizes(chance: random.Random) -> list[int]:
    return [chance.randint(least, most) for share, least, most in FLOATS for _ in range(share)]


def _http(model: str, data_type: str, elements: int, content: bytes) -> bytes:
    size = {"binary_data_size": len(content)}
    tensor = {"name": "x", "datatype": data_type, "shape": [1, elements], "parameters": size}
    text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    head = (
        f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
        f"Inference-Header-Content-Length: {len(text)}\r\nContent-Length: {len(text) + len(content)}\r\n\r\n"
    )
    return head.encode() + text + content


def _strings(chance: random.Random, count: int) -> bytes:
    lengths = [chance.randint(0, MAX_STRING_LENGTH) for _ in range(count)]
    return b"".join(struct.pack("<I", length) + chance.randbytes(length) for length in lengths)
