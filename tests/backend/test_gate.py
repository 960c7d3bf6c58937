"""The gate: Triton's own readiness follows the host's word; runs in pytest."""

from __future__ import annotations

import http.client
import time

import tritonclient.grpc
from backend import Backend

from pytriton_plugins.testing import wait_until

CYCLES = 50
WITHIN = 0.1
"""Seconds in which nine of ten changes show; the tenth may meet a busy machine."""


def status(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("GET", path)
    with connection.getresponse() as response:
        response.read()
        return response.status


def wait_for(connection: http.client.HTTPConnection, expected: int) -> None:
    wait_until(lambda: status(connection, "/v2/health/ready") == expected, 1.0, f"ready answers {expected}")


def test_readiness_follows_the_gate(backend: Backend) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", backend.ports.http, timeout=5)
    assert status(connection, "/v2/health/ready") == 400
    times = []
    with tritonclient.grpc.InferenceServerClient(backend.grpc) as client:
        for is_open in [True, False] * CYCLES:
            started = time.monotonic()
            backend.call(backend.server.set_gate(is_open))
            wait_for(connection, 200 if is_open else 400)
            times.append(time.monotonic() - started)
            assert client.is_server_ready() is is_open
            assert status(connection, "/v2/health/live") == 200
    assert sorted(times)[len(times) * 9 // 10] < WITHIN
    connection.close()


def test_the_gate_is_no_model_to_send_requests_to(backend: Backend) -> None:
    backend.call(backend.server.set_gate(True))
    connection = http.client.HTTPConnection("127.0.0.1", backend.ports.http, timeout=5)
    assert status(connection, "/v2/models/pytriton_gate/ready") == 400
    connection.close()
    backend.call(backend.server.set_gate(False))
