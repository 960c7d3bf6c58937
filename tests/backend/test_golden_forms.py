"""The C side of callable forms other than plain functions, compared with the vectors written by hand."""

from __future__ import annotations

import http.client
import json
import os
import queue
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.testing import wait_until
from tests.support.backend.golden import golden
from tests.support.backend.server import GOLDEN, TIMEOUT, Backend, error_of, infer, run_backend, sealed
from tests.support.backend.worker_end import WorkerEnd

TOGETHER = {"dynamic_batching": {"preferred_batch_size": [3], "max_queue_delay_microseconds": 60_000_000}}
"""Triton waits for three rows and passes them as one batch."""
FIRST = {
    "id": "r-1",
    "parameters": {
        **{"sequence_id": 7, "sequence_start": True, "timeout": 1500000},
        **{"text": "é", "whole": -7, "yes": True, "part": 0.5},
    },
    "inputs": [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
        {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]},
    ],
}
SECOND = {"x": np.array([[3, 4], [5, 6]], np.float32), "text": np.array([[b"bc"], [b""]], object)}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Backend]:
    """Each test declares the golden model in another way."""
    with run_backend(tmp_path) as running:
        yield running
        running.forget()


def serve(backend: Backend, model: ModelDeclaration, section: str) -> WorkerEnd:
    """A worker of ``model``, whose declaration begins with the section."""
    backend.serve(5, model, golden("declaration", section) + golden("declaration", "declaration")[4:])
    return backend.connect(5, segment=7)


def held(backend: Backend) -> int:
    return backend.call(backend.server.held_requests())


def post(backend: Backend, body: dict[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection(backend.http, timeout=TIMEOUT)
    connection.request("POST", "/v2/models/golden/infer", json.dumps(body))
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return dict(answer)


def send(worker: WorkerEnd, message: str, content: bytes) -> None:
    segment = sealed(1 << 16, content)
    worker.send(golden("channel", message), segment)
    os.close(segment)


def asked(inputs: dict[str, Any]) -> list[Any]:
    tensors = []
    for name, array in inputs.items():
        tensors.append(tritonclient.grpc.InferInput(name, array.shape, "BYTES" if array.dtype == object else "FP32"))
        tensors[-1].set_data_from_numpy(array)
    return tensors


def test_details_of_requests_and_parameters_of_responses(fresh: Backend) -> None:
    worker = serve(fresh, replace(GOLDEN, triton_config=TOGETHER), "details")
    first = fresh.clients.submit(post, fresh, FIRST)
    wait_until(lambda: pending(fresh) == 1, TIMEOUT, "the first request waits in Triton's queue")
    with tritonclient.grpc.InferenceServerClient(fresh.grpc) as client:
        errors: queue.Queue[Any] = queue.Queue()
        wanted = [tritonclient.grpc.InferRequestedOutput("y")]
        sequence: dict[str, Any] = {"sequence_id": "seq", "sequence_end": True}
        client.async_infer("golden", asked(SECOND), lambda result, error: errors.put(error), outputs=wanted, **sequence)
        worker.receive()
        assert worker.request is not None
        block = golden("request", "told") + golden("request", "block")[64:]
        expected = block + golden("request", "tensors") + golden("request", "details")
        assert bytes(worker.request.view[: len(expected)]) == expected
        block = golden("response", "told")
        done = golden("channel", "done")[:32] + len(block).to_bytes(8, "little")
        segment = sealed(1 << 16, golden("response", "tensors") + block)
        worker.send(done, segment)
        os.close(segment)
        assert errors.get(timeout=TIMEOUT).message() == "2 rows: é!"
    answer = first.result(TIMEOUT)
    assert {output["name"]: output["data"] for output in answer["outputs"]} == {"y": [10, 20], "label": ["ok"]}
    assert answer["id"] == "r-1"
    parameters = {name: value for name, value in answer["parameters"].items() if not name.startswith("sequence")}
    assert parameters == {"text": "é", "whole": -7, "yes": True, "part": 0.5}


def pending(backend: Backend) -> int:
    connection = http.client.HTTPConnection(backend.metrics, timeout=TIMEOUT)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    (line,) = [line for line in lines if line.startswith("nv_inference_pending_request_count{")]
    return int(float(line.split()[-1]))


def test_tensors_that_stand_apart(fresh: Backend) -> None:
    """Both requests wait while there is no worker, so they make one batch."""
    fresh.serve(5, GOLDEN, golden("declaration", "apart") + golden("declaration", "declaration")[4:])
    sent = []
    for count, inputs in enumerate(
        (
            {"x": np.array([[1, 2]], np.float32), "text": np.array([[b"a"]], object)},
            {"x": np.array([[3], [4]], np.float32), "text": np.array([[b"bc"], [b""]], object)},
        ),
        1,
    ):
        sent.append(fresh.clients.submit(infer, fresh.grpc, "golden", inputs, ("y",)))
        wait_until(lambda count=count: held(fresh) == count, TIMEOUT, "the request waits")  # type: ignore[misc]
    worker = fresh.connect(5, segment=7)
    worker.receive()
    assert worker.request is not None
    expected = golden("request", "apart") + golden("request", "apart_tensors")
    assert bytes(worker.request.view[: len(expected)]) == expected
    worker.close()
    assert {"its worker ended" in error_of(each).message() for each in sent} == {True}


def test_a_stream_and_a_client_that_leaves_another(fresh: Backend) -> None:
    worker = serve(fresh, replace(GOLDEN, answers="async_stream"), "told_stream")
    responses: queue.Queue[Any] = queue.Queue()
    with tritonclient.grpc.InferenceServerClient(fresh.grpc) as client:
        client.start_stream(lambda result, error: responses.put(error or result))
        inputs = {"x": np.array([[1, 2]], np.float32)}
        wanted = [tritonclient.grpc.InferRequestedOutput("y")]
        client.async_stream_infer("golden", asked(inputs), outputs=wanted, enable_empty_final_response=True)
        worker.receive()
        head = golden("response", "tensors") + golden("response", "part")
        send(worker, "part", head + golden("response", "end"))
        assert worker.sock.recv(64) == golden("channel", "taken")
        assert responses.get(timeout=TIMEOUT).as_numpy("y").tolist() == [[10, 20]]
        worker.send(golden("channel", "done_stream"))
        assert responses.get(timeout=TIMEOUT).get_response().parameters["triton_final_response"].bool_param

        client.async_stream_infer("golden", asked(inputs), outputs=wanted)
        worker.receive()
        client.stop_stream(cancel_requests=True)
        assert worker.sock.recv(64) == golden("channel", "cancel")
        worker.send(golden("channel", "part_unwanted"))
        assert worker.sock.recv(64) == golden("channel", "taken_unwanted")
    worker.close()
    wait_until(lambda: held(fresh) == 0, TIMEOUT, "the request is let go")
