"""Bodies of up to 128 MB over each protocol, also in the form that curl sends; row 18 of the table of faults."""

from __future__ import annotations

import base64
import http.client
import json
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.measure.figures import FULL, figure
from tests.support.measure.growth import holding
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import tritonserver
from tests.support.traffic.clients import infer

pytestmark = pytest.mark.counted

SIZES = MODELS / "sizes.py"
MB = 1_000_000
MEGABYTES = (1, 4, 16, 64, 128) if FULL else (8, 32)
IN_A_ROW = (8, 32, 128) if FULL else (8,)
REQUESTS = 200 if FULL else 60
WARM = 0.4
"""Of these requests: by then glibc's arenas have what they keep."""

HTTP_THREADS = 8
"""Each keeps the pages of its stack that its largest form has touched. That is all that may be added later: where each
request left a body behind it would be fifteen times as much.
"""

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
"""The first is what ``curl -d`` says unless told otherwise; tritonserver's HTTP parser then reads it as a form, too."""

PIECE = b"Text, with 100% of what forms are made of: a=b&c;d+e. "


class Body(NamedTuple):
    """A body, its URL and the expected answer."""

    path: str
    text: str
    answer: int


def numbers(size: int) -> Body:
    count = size // len("1.5,")
    data = ",".join(["1.5"] * count)
    tensor = f'{{"name": "numbers", "datatype": "FP32", "shape": [{count}], "data": [{data}]}}'
    return Body("size_of/infer", f'{{"inputs": [{tensor}]}}', count + count // 2)


def encoded(size: int) -> Body:
    text = base64.b64encode(np.random.default_rng(size).bytes(size * 3 // 4)).decode()
    tensor = f'{{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["{text}"]}}'
    return Body("size_of/infer", f'{{"inputs": [{tensor}]}}', zlib.crc32(text.encode()))


def generated(size: int) -> Body:
    text = PIECE * (size // len(PIECE))
    return Body("size_of/generate", json.dumps({"text": text.decode()}), zlib.crc32(text))


def streamed(size: int) -> Body:
    return generated(size)._replace(path="streamed_size_of/generate_stream")


WAYS: dict[str, Callable[[int], Body]] = {
    "numbers": numbers,
    "base64": encoded,
    "generate": generated,
    "generate_stream": streamed,
}


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(SIZES) as running:
        yield running
        assert "tritonserver ended" not in running.log
        assert running.stop() == 0


def send(host: RunningHost, body: Body, content_type: str) -> None:
    """Post it once; the answer must be right."""
    connection = http.client.HTTPConnection(host.http, timeout=300)
    try:
        connection.request("POST", f"/v2/models/{body.path}", body.text, {"Content-Type": content_type})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    assert answer.status == 200, content
    assert str(body.answer) in content.decode()


@pytest.mark.parametrize("content_type", [FORM, JSON])
@pytest.mark.parametrize("way", WAYS)
def test_large_bodies_are_answered(host: RunningHost, way: str, content_type: str) -> None:
    before = tritonserver(host)
    for size in MEGABYTES:
        send(host, WAYS[way](size * MB), content_type)
    assert tritonserver(host) == before


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_large_tensors_are_answered(host: RunningHost, protocol: str) -> None:
    """Binary tensors, as tritonclient sends them."""
    for size in MEGABYTES:
        sent = np.full(size * MB // 4, 1.5, np.float32)
        assert infer(host, protocol, "size_of", {"numbers": sent})["sum"].item() == 1.5 * sent.size


@pytest.mark.parametrize("size", IN_A_ROW)
def test_many_in_a_row(size: int) -> None:
    """tritonserver stays alive, and its memory does not grow with each request."""
    bodies = [way(size * MB) for way in WAYS.values()]
    with run_host(SIZES) as host:
        server, held = tritonserver(host), []
        for number in range(REQUESTS):
            send(host, bodies[number % len(bodies)], FORM)
            held.append(holding(server, number).memory / MB)
        assert tritonserver(host) == server
        assert host.stop() == 0
    first = int(REQUESTS * WARM)
    what = f"{REQUESTS} forms of {size} MB"
    figure(18, f"{what}: most that tritonserver holds after one", [max(held)], "MB")
    figure(18, f"{what}: growth from the {first}th on", [held[-1] - held[first]], "MB", HTTP_THREADS * size)
