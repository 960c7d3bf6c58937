"""The gate: Triton's own readiness follows the gate that the daemon opens and closes."""

from __future__ import annotations

import http.client
import itertools
import json
import statistics
import threading
import time

import tritonclient.grpc

from pytriton_plugins.testing import wait_until
from tests.support.backend.server import TIMEOUT, Backend

CYCLES = 50
NOTHING = {"name": "none", "datatype": "UINT8", "shape": [1], "data": [0]}
WITHIN = 0.1
"""Seconds in which nine of ten changes take effect; the tenth may hit a busy machine."""

ROUND_TRIPS = 100
"""The same on a machine that is busy all the time, in answers of a server that does nothing else."""


def status(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("GET", path)
    with connection.getresponse() as response:
        response.read()
        return response.status


def wait_for(connection: http.client.HTTPConnection, expected: int) -> None:
    wait_until(lambda: status(connection, "/v2/health/ready") == expected, TIMEOUT, f"ready answers {expected}")


def test_readiness_follows_the_gate(backend: Backend) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", backend.ports.http, timeout=TIMEOUT)
    assert status(connection, "/v2/health/ready") == 400
    times, round_trips = [], []
    with tritonclient.grpc.InferenceServerClient(backend.grpc) as client:
        for is_open in [True, False] * CYCLES:
            started = time.monotonic()
            backend.call(backend.server.set_gate(is_open))
            wait_for(connection, 200 if is_open else 400)
            times.append(time.monotonic() - started)
            assert client.is_server_ready() is is_open
            started = time.monotonic()
            assert status(connection, "/v2/health/live") == 200
            round_trips.append(time.monotonic() - started)
    limit = max(WITHIN, ROUND_TRIPS * statistics.mean(round_trips))
    assert sorted(times)[len(times) * 9 // 10] < limit
    connection.close()


def test_the_gate_is_no_model_to_send_requests_to(backend: Backend) -> None:
    backend.call(backend.server.set_gate(True))
    connection = http.client.HTTPConnection("127.0.0.1", backend.ports.http, timeout=TIMEOUT)
    connection.request("POST", "/v2/models/pytriton_gate/infer", json.dumps({"inputs": [NOTHING]}))
    with connection.getresponse() as response:
        answer = json.load(response)
    assert response.status == 501
    assert answer == {"error": "the gate does not accept requests"}
    connection.close()
    backend.call(backend.server.set_gate(False))


def test_readiness_changes_once_each_time(backend: Backend) -> None:
    seen: list[int] = []
    enough = threading.Event()

    def poll() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", backend.ports.http, timeout=TIMEOUT)
        while not enough.is_set():
            seen.append(status(connection, "/v2/health/ready"))
        connection.close()

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        wait_until(lambda: len(seen) > 0)
        for is_open in [True, False] * 10:
            backend.call(backend.server.set_gate(is_open))
            answered = len(seen)
            wait_until(lambda: len(seen) > answered + 20)  # noqa: B023
    finally:
        enough.set()
        poller.join()
    assert [status for status, _ in itertools.groupby(seen)] == [400, 200] * 10 + [400]
