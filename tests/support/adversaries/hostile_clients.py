"""Requests of malicious or broken clients: HTTP requests as bytes, gRPC messages as bytes.

All requests come from a seed, so that a request that ended a server can be sent again.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from tritonclient.grpc import service_pb2

PATH = "/v2/models/look/infer"
NUMBERS = [0, 1, -1, 2, 7, 63, 64, 65, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, -(2**63)]
SMALL = [0, 1, -1, 2, 7, -(2**63)]
"""Dimensions of data in JSON. tritonserver 2.51 allocates memory for the shape before it counts the data, so that one
request with a shape like [7, 4294967296] ends it (docs/security.md)."""

BEYOND: list[Any] = [2**63, 2**64, 10**30, 1.5, 1e308, True, None, "3", [], {}]
TEXTS = [
    b"", b"x", b"\xff\xfe", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x00", b"a\x00b", b"\r\nX: y", b"\x1b[2J",
    b"%n%s%x", b"../../etc/passwd", b"a" * 70_000, "\u202e\u0000é".encode(), b'"', b"\\", b"{}", b"model\n\rERROR: x",
]  # fmt: skip
DATATYPES = ["FP32", "BYTES", "INT64", "FP64", "BOOL", "UINT8", "FP16", "BF16", "fp32", "", "X" * 999]


class HttpCase(NamedTuple):
    """The bytes to send, and whether the client waits for an answer or leaves at once."""

    data: bytes
    waits: bool = True


Body = dict[str, Any]


def _request(rng: random.Random) -> Body:
    """A correct request."""
    rows, width = rng.randint(1, 4), rng.randint(1, 8)
    data = [float(number) for number in range(rows * width)]
    return {
        "id": f"id-{rng.randrange(1000)}",
        "parameters": {"number": 3, "text": "abc"},
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, width], "data": data}],
        "outputs": [{"name": "y"}],
    }


def http_case(rng: random.Random) -> HttpCase:
    """One request over HTTP/1.1."""
    kinds = [
        _values,
        _values,
        _shapes,
        _binary,
        _binary,
        _bytes_tensor,
        _broken_json,
        _texts,
        _truncated,
        _lengths,
        _line,
    ]
    return rng.choice(kinds)(rng)


def _http(body: bytes, *headers: str, length: int | str | None = None, line: str = f"POST {PATH} HTTP/1.1") -> bytes:
    head = [line, "Host: x", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(head).encode("latin-1", "replace") + body


def _values(rng: random.Random) -> HttpCase:
    """A correct request with parts replaced by values of other kinds."""
    body = _request(rng)
    for _ in range(rng.randint(1, 3)):
        _replace(rng, body, rng.choice([*NUMBERS, *BEYOND]))
    for tensor in body["inputs"] if isinstance(body.get("inputs"), list) else []:
        if isinstance(tensor, dict) and isinstance(tensor.get("shape"), list):
            tensor["shape"] = [dim if dim not in NUMBERS or dim in SMALL else 3 for dim in tensor["shape"]]
    return HttpCase(_http(json.dumps(body).encode()))


def _replace(rng: random.Random, node: Any, value: Any) -> None:
    """Put ``value`` somewhere below ``node``."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        if not isinstance(node[key], (dict, list)) or rng.random() < 0.3:
            node[key] = value
            return
        node = node[key]


def _shapes(rng: random.Random) -> HttpCase:
    body = _request(rng)
    body["inputs"][0]["shape"] = [rng.choice(SMALL) for _ in range(rng.choice([0, 1, 2, 2, 2, 3, 9]))]
    body["inputs"][0]["datatype"] = rng.choice(DATATYPES)
    return HttpCase(_http(json.dumps(body).encode()))


def _binary(rng: random.Random) -> HttpCase:
    """The binary extension with wrong sizes."""
    body = _request(rng)
    tensor = body["inputs"][0]
    payload = struct.pack(f"<{len(tensor['data'])}f", *tensor.pop("data"))
    size = rng.choice([len(payload), len(payload), *NUMBERS, *BEYOND, len(payload) + 1, len(payload) - 4])
    tensor["parameters"] = {"binary_data_size": size}
    body["outputs"][0]["parameters"] = {"binary_data": rng.choice([True, True, False, 3, "x"])}
    if rng.random() < 0.3:
        tensor["shape"] = [rng.choice(NUMBERS), rng.choice(NUMBERS)]
    head = json.dumps(body).encode()
    told = rng.choice([len(head), len(head), len(head), len(head) - 1, len(head) + 1, *NUMBERS, "x", ""])
    return HttpCase(_http(head + payload[: rng.choice([None, 0, 3])], f"Inference-Header-Content-Length: {told}"))


def _bytes_tensor(rng: random.Random) -> HttpCase:
    """Strings with wrong lengths."""
    body = _request(rng)
    rows = body["inputs"][0]["shape"][0]
    payload = b"".join(
        struct.pack("<I", rng.choice([1, 1, 0, 2, 2**31, 2**32 - 1, 100])) + b"a"
        for _ in range(rng.choice([rows, 1, 9]))
    )
    text: Body = {"name": "text", "datatype": "BYTES", "shape": [rows, rng.choice([1, 1, 0, 2**40])]}
    text["parameters"] = {"binary_data_size": len(payload)}
    body["inputs"].append(text)
    head = json.dumps(body).encode()
    return HttpCase(_http(head + payload, f"Inference-Header-Content-Length: {len(head)}"))


def _broken_json(rng: random.Random) -> HttpCase:
    """Flipped, repeated or missing bytes; deep nesting; no content."""
    data = bytearray(json.dumps(_request(rng)).encode())
    for _ in range(rng.randint(1, 20)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    nested = b"[" * rng.randint(1, 500)
    return HttpCase(
        _http(rng.choice([bytes(data), bytes(data), bytes(data), nested, b"", b"\x00" * 999, b"null", b"[]"]))
    )


def _texts(rng: random.Random) -> HttpCase:
    """Names, ids and parameters that are not text, or unexpected text."""
    body = _request(rng)
    where = rng.choice(["id", "parameters", "input", "output", "text"])
    mark = "@@@"
    if where == "id":
        body["id"] = mark
    elif where == "parameters":
        body["parameters"][mark] = mark
    elif where == "text":
        body["inputs"].append({"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": [mark]})
    else:
        body[f"{where}s"][0]["name"] = mark
    raw = rng.choice(TEXTS)
    text = raw if rng.random() < 0.5 else json.dumps(raw.decode("latin-1")).encode()[1:-1]
    return HttpCase(_http(json.dumps(body).encode().replace(mark.encode(), text)))


def _truncated(rng: random.Random) -> HttpCase:
    """A correct request without its end, or whose client does not wait."""
    data = _http(json.dumps(_request(rng)).encode())
    return HttpCase(data[: rng.choice([rng.randrange(len(data)), len(data)])], waits=False)


def _lengths(rng: random.Random) -> HttpCase:
    """An invalid or a wrong Content-Length; chunks with invalid sizes."""
    body = json.dumps(_request(rng)).encode()
    if rng.random() < 0.3:
        size = rng.choice(["-1", "ffffffffffffffff", "x", "", "5", "0"])
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n".encode()
        return HttpCase(head + body + b"\r\n0\r\n\r\n", waits=False)
    lengths = [len(body) - 1, 0, 1, -1, "x", "", len(body) + 1, 2**31, 2**63, 2**64, "1, 2"]
    return HttpCase(_http(body, length=str(rng.choice(lengths))), waits=False)


def _line(rng: random.Random) -> HttpCase:
    """Request lines and headers of any kind."""
    text = rng.choice(TEXTS)[:60_000].decode("latin-1")
    path = rng.choice([f"/v2/models/{text}/infer", f"/v2/models/look/versions/{text}/infer", text, PATH])
    method = rng.choice(["POST", "GET", "PUT", "X" * 100, "", text[:50]])
    body = json.dumps(_request(rng)).encode()
    headers = [f"X-{rng.randrange(9)}: {text[:9000]}" for _ in range(rng.choice([0, 1, 50]))]
    return HttpCase(
        _http(body, *headers, line=f"{method} {path} HTTP/{rng.choice(['1.1', '1.0', '9.9', ''])}"), waits=False
    )


def grpc_message(rng: random.Random) -> bytes:
    """One ModelInferRequest with correct or wrong values, unchanged or with changed bytes."""
    request = _right_message(rng)
    changes: list[Callable[[random.Random, Any], None]] = [
        _raw,
        _raw,
        _shape,
        _both,
        _names,
        _shared_memory,
        lambda *_: None,
    ]
    for _ in range(rng.randint(1, 2)):
        rng.choice(changes)(rng, request)
    data = bytearray(request.SerializeToString())
    data = data.replace(b"@@@", rng.choice([text for text in TEXTS if len(text) == 3] or [b"\xff\xfe\xfd"]))
    if rng.random() < 0.4:
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.choice([len(data), len(data), rng.randrange(len(data))])])


def _right_message(rng: random.Random) -> Any:
    rows, width = rng.randint(1, 4), rng.randint(1, 8)
    request = service_pb2.ModelInferRequest(model_name="look", id="abc")
    request.inputs.add(name="x", datatype="FP32", shape=[rows, width])
    request.raw_input_contents.append(struct.pack(f"<{rows * width}f", *range(rows * width)))
    request.parameters["text"].string_param = "abc"
    return request


def _raw(rng: random.Random, request: Any) -> None:
    """More or less data than the shape needs."""
    if rng.random() < 0.3:
        request.raw_input_contents.append(b"more")
    elif request.raw_input_contents:
        request.raw_input_contents[0] = request.raw_input_contents[0][: rng.randrange(8)] * rng.choice([0, 1, 3, 1000])


def _shape(rng: random.Random, request: Any) -> None:
    del request.inputs[0].shape[:]
    request.inputs[0].shape.extend(rng.choice(NUMBERS) for _ in range(rng.choice([0, 1, 2, 2, 2, 3, 9])))
    request.inputs[0].datatype = rng.choice(DATATYPES)


def _both(rng: random.Random, request: Any) -> None:
    """Typed contents beside raw contents, or instead of them."""
    contents = request.inputs[0].contents
    contents.fp32_contents.extend([1.5] * rng.choice([1, 8, 999]))
    contents.bytes_contents.extend(rng.choice(TEXTS) for _ in range(rng.randrange(3)))
    if rng.random() < 0.5:
        del request.raw_input_contents[:]


def _names(rng: random.Random, request: Any) -> None:
    """Names, ids and parameters; invalid UTF-8 replaces the mark later."""
    texts = ["@@@", "", "x" * 70_000, "\x00", "a\r\nb", "\x1b[2J", "../..", "y"]
    request.id = rng.choice(texts)
    request.parameters[rng.choice(texts)].string_param = rng.choice(texts)
    request.parameters["n"].int64_param = rng.choice(NUMBERS)
    if rng.random() < 0.3:
        request.inputs[0].name = rng.choice(texts)
    if rng.random() < 0.2:
        request.model_name, request.model_version = rng.choice(texts), rng.choice(["", "1", "9" * 40, "@@@"])
    if rng.random() < 0.3:
        request.outputs.add(name=rng.choice(texts))


def _shared_memory(rng: random.Random, request: Any) -> None:
    """Regions that may not be registered."""
    parameters = rng.choice([request.inputs[0], request.outputs.add(name="y")]).parameters
    parameters["shared_memory_region"].string_param = rng.choice(["a", "", "@@@", "/dev/shm/x"])
    parameters["shared_memory_offset"].int64_param = rng.choice(NUMBERS)
    parameters["shared_memory_byte_size"].int64_param = rng.choice(NUMBERS)


def http2_garbage(rng: random.Random) -> bytes:
    """A connection preface and frames of any kind, for the gRPC port."""
    frames = []
    for _ in range(rng.randint(1, 6)):
        payload = rng.randbytes(rng.randrange(64))
        length = rng.choice([len(payload), len(payload), 0, 2**24 - 1])
        frames.append(
            struct.pack(">I", length)[1:] + bytes([rng.randrange(12), rng.randrange(256)]) + rng.randbytes(4) + payload
        )
    return rng.choice([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"", b"PRI * HTTP/2.0\r\n"]) + b"".join(frames)
