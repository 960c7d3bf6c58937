"""Batches in a real tritonserver: loopback, statistics, response cache, sizes of zero."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import BYTES, NUMERIC, DType, Tensor
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.arrays import encode, read_array, write
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.wire import ChannelMessage, LinkKind, LinkMessage, TensorEntry
from pytriton_plugins.testing import wait_until
from tests.support.backend.golden import golden
from tests.support.backend.server import (
    GOLDEN,
    TIMEOUT,
    WAIT,
    Arrays,
    Backend,
    error_of,
    found_server,
    infer,
    run_backend,
    sealed,
)
from tests.support.backend.worker_end import WorkerEnd

LIMIT = 1 << 20
ECHO = ModelDeclaration("echo", 1, "function", "echo", (Tensor("x", bytes, (-1,)),), (Tensor("y", bytes, (-1,)),))
CACHED = replace(ECHO, name="cached", triton_config={"response_cache": {"enable": True}})
LOOPBACK = ModelDeclaration(
    "loopback",
    1,
    "function",
    "loopback",
    tuple(Tensor(f"in_{dtype.triton}", dtype, (-1, 2)) for dtype in (*NUMERIC, BYTES)),
    tuple(Tensor(f"out_{dtype.triton}", dtype, (-1, 2)) for dtype in (*NUMERIC, BYTES)),
    max_batch_size=0,
)
TOGETHER = replace(
    GOLDEN,
    name="together",
    triton_config={"dynamic_batching": {"preferred_batch_size": [3], "max_queue_delay_microseconds": 60_000_000}},
)
"""Triton waits for three rows and passes them as one batch."""

REFUSED = (3, b"not this one")


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder: Path = tmp_path_factory.mktemp("execute")
    caches = found_server().path.parent.parent / "caches"
    options = (("cache-config", "local,size=1048576"), ("cache-directory", str(caches)))
    with run_backend(folder, options=options) as running:
        for number, model in enumerate((ECHO, CACHED, GOLDEN), 1):
            running.serve(number, model, pack_declaration(model, wait=WAIT, largest_response=LIMIT))
        running.serve(5, TOGETHER, pack_declaration(TOGETHER, wait=WAIT, largest_response=LIMIT))
        running.serve(4, LOOPBACK, pack_declaration(LOOPBACK, wait=1.0, largest_response=LIMIT, loopback=True))
        yield running


HURRIED = replace(GOLDEN, name="hurried", timeout=0.4)


def strings(*items: bytes) -> Arrays:
    array = np.empty((1, len(items)), object)
    array[0] = items
    return {"x": array}


Output = tuple[Any, DType]
"""An array and its data type."""


def answer(worker: WorkerEnd, outcome: tuple[int, bytes], *outputs: Output) -> wire.RequestBlock:
    """Take one batch of one request and answer it."""
    message = worker.receive()
    block = worker.block(message)
    reply(worker, message, [outcome], (1,), block.rows, outputs)
    return block


def reply(
    worker: WorkerEnd,
    message: ChannelMessage,
    outcomes: list[tuple[int, bytes]],
    covered: tuple[int, ...],
    rows: tuple[int, ...],
    outputs: tuple[Output, ...],
) -> None:
    """Answer a batch: each output in as many entries as ``covered`` has numbers of requests."""
    descriptor = sealed(1 << 16)
    segment = Segment(900, descriptor, writable=True)
    entries, position, first, row = [], 0, 0, 0
    for requests in covered:
        end = row + sum(rows[first : first + requests])
        for number, (array, dtype) in enumerate(outputs):
            encoded = encode(array[row:end], dtype)
            write(encoded, segment, position)
            entry = TensorEntry(number, dtype.code, first, requests, position, encoded.size, encoded.array.shape)
            entries.append(entry)
            position = wire.aligned(position + encoded.size)
        first, row = first + requests, end
    block = wire.response_block(outcomes, entries)
    segment.view[position : position + len(block)] = block
    done = ChannelMessage(wire.DONE, wire.NEW_SEGMENT, 0, 900, message.batch, position, len(block))
    worker.send(wire.CHANNEL_MESSAGE.pack(*done), descriptor)
    os.close(descriptor)


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_loopback_returns_its_inputs(backend: Backend, rows: int) -> None:
    random = np.random.default_rng(rows)
    inputs: Arrays = {}
    for tensor in LOOPBACK.inputs:
        values = random.integers(0, 2, (rows, 2))
        inputs[tensor.name] = values.astype(tensor.dtype.numpy)
    inputs["in_BYTES"] = np.array([b"x" * number for number in range(2 * rows)] or [], object).reshape(rows, 2)
    outputs = backend.infer("loopback", inputs).result(TIMEOUT)
    assert len(outputs) == 13
    for name, array in inputs.items():
        output = outputs[name.replace("in_", "out_")]
        assert (output.dtype, output.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(output, array)


def statistics(backend: Backend, model: str) -> dict[str, Any]:
    with urlopen(f"http://{backend.http}/v2/models/{model}/stats") as response:
        (found,) = json.load(response)["model_stats"]
    return dict(found)


def executions(backend: Backend) -> int:
    return int(statistics(backend, "echo").get("execution_count", 0))


def test_statistics_count_successes_failures_and_batches(backend: Backend) -> None:
    before = statistics(backend, "echo")
    ran = executions(backend)
    worker = backend.connect(1)
    for outcome in ((0, b""), REFUSED, (0, b"")):
        waiting = backend.infer("echo", strings(b"a"))
        answer(worker, outcome, *[(strings(b"b")["x"], BYTES)] * (outcome[0] == 0))
        waiting.exception(TIMEOUT)
    # They are reported after the answer, the batch last.
    wait_until(lambda: executions(backend) == ran + 3, TIMEOUT, "three executions are counted")
    after = statistics(backend, "echo")

    def grown(kind: str) -> int:
        return int(after["inference_stats"][kind]["count"]) - int(before["inference_stats"][kind].get("count", 0))

    assert (grown("success"), grown("fail")) == (2, 1)
    assert [batch["batch_size"] for batch in after["batch_stats"]] == [1]
    for part in ("compute_input", "compute_infer", "compute_output"):
        assert 0 < after["inference_stats"][part]["ns"] < TIMEOUT * 1e9
        assert 0 < after["batch_stats"][0][part]["ns"] < TIMEOUT * 1e9


def failures(backend: Backend) -> int:
    return int(statistics(backend, "echo")["inference_stats"]["fail"]["count"])


def test_a_request_without_memory_counts_as_a_failure_and_not_as_an_execution(backend: Backend) -> None:
    backend.connect(1, size=4096)
    ran, failed = executions(backend), failures(backend)
    waiting = backend.infer("echo", strings(b"x" * 10_000))
    token = backend.needs.get(timeout=TIMEOUT).token
    backend.send(LinkMessage(LinkKind.REFUSED, token=token, payload="kein Speicher für 10 kB".encode()))
    assert error_of(waiting).message() == "model echo: kein Speicher für 10 kB"
    wait_until(lambda: failures(backend) == failed + 1, TIMEOUT, "the failure is counted")
    assert executions(backend) == ran
    for batch in statistics(backend, "echo")["batch_stats"]:
        for part in ("compute_input", "compute_infer", "compute_output"):
            assert 0 <= batch[part]["ns"] < TIMEOUT * 1e9


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * 4096, "x" * 4096),
        ("é" * 1166, "é" * 1166),
        ("é" * 1167, "é" * 1165 + "…"),
        ("🦉" * 1024, "🦉" * 582 + "…"),
        ("%" * 4096, "%" * 2330 + "…"),
        ("x" * 4093 + "é", "x" * 4093 + "é"),
    ],
)
def test_a_text_that_grpc_would_not_carry_is_cut(backend: Backend, text: str, shown: str) -> None:
    """gRPC encodes % and each byte that is not printable ASCII as three bytes, and drops errors above 8192 bytes."""
    worker = backend.connect(1)
    refused = backend.infer("echo", strings(b"question"))
    answer(worker, (3, text.encode()))
    assert error_of(refused).message() == shown


@pytest.mark.parametrize(("char", "shown"), [("x", "x" * 4063), ("é", "é" * 1160)], ids=["ASCII", "accents"])
def test_so_is_the_reason_why_a_model_is_out_of_service(backend: Backend, char: str, shown: str) -> None:
    reason = (char * 4096).encode()[:4096]
    backend.send(LinkMessage(LinkKind.GIVE_UP, model=1, value=1, payload=reason))
    refused = error_of(backend.infer("echo", strings(b"question"))).message()
    backend.send(LinkMessage(LinkKind.GIVE_UP, model=1, value=0))
    assert refused == f"model echo is out of service: {shown}…"


def test_the_response_cache_keeps_answers_and_never_errors(backend: Backend) -> None:
    worker = backend.connect(2)
    for _ in range(2):
        refused = backend.infer("cached", strings(b"question"))
        answer(worker, REFUSED)
        assert error_of(refused).message() == "not this one"
    answered = backend.infer("cached", strings(b"question"))
    answer(worker, (0, b""), (strings(b"answer")["x"], BYTES))
    assert answered.result(TIMEOUT)["y"].tolist() == [[b"answer"]]
    backend.disconnect(worker)
    again = backend.infer("cached", strings(b"question"))  # there is no worker: the cache answers
    assert again.result(TIMEOUT)["y"].tolist() == [[b"answer"]]


def test_the_response_cache_keeps_no_error_that_shows_while_an_output_is_read(backend: Backend) -> None:
    worker = backend.connect(2)
    refused = backend.infer("cached", strings(b"two"))
    message = worker.receive()
    table = np.array([0, 3 << 30, 1], np.uint64).tobytes() + b"x"  # its ends are right, what lies between is not
    block = wire.response_block([(0, b"")], [TensorEntry(0, 13, 0, 1, 0, len(table), (1, 2))])
    descriptor = sealed(4096, table.ljust(64, b"\0") + block)
    done = ChannelMessage(wire.DONE, wire.NEW_SEGMENT, 0, 901, message.batch, 64, len(block))
    worker.send(wire.CHANNEL_MESSAGE.pack(*done), descriptor)
    os.close(descriptor)
    assert "an invalid table of offsets" in error_of(refused).message()
    worker = backend.connect(2)
    again = backend.infer("cached", strings(b"two"))
    answer(worker, (0, b""), (strings(b"answer")["x"], BYTES))
    assert again.result(TIMEOUT)["y"].tolist() == [[b"answer"]]


@pytest.mark.parametrize("protocol", [tritonclient.grpc, tritonclient.http], ids=["grpc", "http"])
def test_outputs_of_no_size(backend: Backend, protocol: Any) -> None:
    worker = backend.connect(3)
    url = backend.grpc if protocol is tritonclient.grpc else backend.http
    inputs = {"x": np.ones((2, 0), np.float32)}
    waiting = backend.clients.submit(infer, url, "golden", inputs, ("y",), protocol)
    block = answer(worker, (0, b""), (np.empty((2, 0), np.float32), NUMERIC[-2]))
    assert (block.rows, block.requested) == ((2,), (1,))
    assert (block.inputs[0].length, block.inputs[0].dims) == (0, (2, 0))
    assert waiting.result(TIMEOUT)["y"].shape == (2, 0)


@pytest.mark.parametrize("covered", [(2,), (1, 1)], ids=["one entry for both", "one entry each"])
def test_each_request_of_a_batch_gets_its_own_rows(backend: Backend, covered: tuple[int, ...]) -> None:
    worker = backend.connect(5)
    short = backend.infer("together", {"x": np.array([[1]], np.float32)})
    long = backend.infer("together", {"x": np.array([[2], [3]], np.float32)})
    message = worker.receive()
    block = worker.block(message)
    assert sorted(block.rows) == [1, 2]
    assert worker.request is not None
    x = read_array(worker.request, block.inputs[0], NUMERIC[-2])
    outputs = ((x * 10, NUMERIC[-2]), (np.array([[b"%d" % row[0] * int(row[0])] for row in x], object), BYTES))
    reply(worker, message, [(0, b"")] * 2, covered, block.rows, outputs)
    assert {name: array.tolist() for name, array in short.result(TIMEOUT).items()} == {"y": [[10]], "label": [[b"1"]]}
    expected = {"y": [[20], [30]], "label": [[b"22"], [b"333"]]}
    assert {name: array.tolist() for name, array in long.result(TIMEOUT).items()} == expected


@pytest.mark.parametrize("flags", [0, wire.RETIRED], ids=["", "and is kept"])
def test_an_input_that_is_given_back_is_taken_from_the_request_segment(backend: Backend, flags: int) -> None:
    worker = backend.connect(3)
    x = np.array([[3, 4], [5, 6]], np.float32)
    waiting = backend.infer("golden", {"x": x}, ("y",))
    message = worker.receive()
    (given,) = worker.block(message).inputs
    block = wire.response_block([(0, b"")], [given._replace(flags=wire.IN_REQUEST)])
    descriptor = sealed(4096, bytes(block))
    done = ChannelMessage(wire.DONE, wire.NEW_SEGMENT | flags, 0, 900, message.batch, 0, len(block))
    worker.send(wire.CHANNEL_MESSAGE.pack(*done), descriptor)
    os.close(descriptor)
    assert waiting.result(TIMEOUT)["y"].tolist() == x.tolist()


def test_strings_of_every_kind_go_through(backend: Backend) -> None:
    worker = backend.connect(1)
    items = [b"", b"\0", "é".encode(), b"\xff", b"x" * 20_000, b""]
    waiting = backend.infer("echo", strings(*items))
    answer(worker, (0, b""), (strings(*reversed(items))["x"], BYTES))
    assert waiting.result(TIMEOUT)["y"].tolist() == [items[::-1]]


def test_an_optional_input_that_is_left_out_has_no_entry(backend: Backend) -> None:
    worker = backend.connect(3)
    waiting = backend.infer("golden", {"x": np.ones((1, 2), np.float32)}, ("y",))
    block = answer(worker, (0, b""), (np.ones((1, 1), np.float32), NUMERIC[-2]))
    assert [entry.tensor for entry in block.inputs] == [0]
    assert waiting.result(TIMEOUT)["y"].tolist() == [[1]]


def test_a_batch_waits_no_longer_than_declared_for_a_worker(backend: Backend) -> None:
    model = replace(ECHO, name="hurried")
    backend.serve(9, model, pack_declaration(model, wait=0.3, largest_response=LIMIT))
    started = time.monotonic()
    error = error_of(backend.infer("hurried", strings(b"x")))
    assert error.message() == "model hurried: no worker became free within 300 ms"
    assert error.status() == "StatusCode.UNAVAILABLE"
    assert time.monotonic() - started >= 0.3


def held(backend: Backend) -> int:
    return backend.call(backend.server.held_requests())


def test_a_client_that_left_is_waited_for_no_more(backend: Backend) -> None:
    with tritonclient.grpc.InferenceServerClient(backend.grpc) as client:
        tensor = tritonclient.grpc.InferInput("x", (1, 1), "BYTES")
        tensor.set_data_from_numpy(strings(b"x")["x"])
        call = client.async_infer("echo", [tensor], lambda result, error: None)
        wait_until(lambda: held(backend) == 1, TIMEOUT, "the backend holds the request")
        call.cancel()
        wait_until(lambda: held(backend) == 0, WAIT / 12, "the backend lets it go, long before its wait ends")


def test_a_worker_that_does_not_answer_in_time(backend: Backend) -> None:
    """Its client gets an error at the timeout, the daemon gets the reason, and other workers are not affected."""
    backend.serve(10, HURRIED, pack_declaration(HURRIED, wait=WAIT, largest_response=LIMIT))
    worker = backend.connect(10)
    began = time.monotonic()
    late = backend.infer("hurried", {"x": np.ones((1, 1), np.float32)})
    worker.receive()
    error = error_of(late)
    assert 0.4 <= time.monotonic() - began < WAIT / 2, "no longer than it waits for a worker"
    assert error.message() == "model hurried: the callable did not return within the model's timeout of 0.4 s"
    assert error.status() == "StatusCode.INTERNAL"
    assert backend.lost.get(timeout=TIMEOUT) == worker.number
    assert backend.lost_late == [worker.number]
    assert worker.ended()
    successor = backend.connect(10)
    sent = backend.infer("hurried", {"x": np.ones((1, 1), np.float32)}, ("y",))
    answer(successor, (0, b""), (np.full((1, 1), 7, np.float32), NUMERIC[-2]))
    assert sent.result(TIMEOUT)["y"].tolist() == [[7]]
    backend.disconnect(successor)


def test_an_idle_channel_is_trimmed_once(backend: Backend) -> None:
    model = replace(GOLDEN, name="trimmed")
    backend.serve(11, model, pack_declaration(model, wait=WAIT, largest_response=LIMIT, trim_after=0.5))
    worker = backend.connect(11)
    for value in (1, 2):
        sent = backend.infer("trimmed", {"x": np.full((1, 1), value, np.float32)}, ("y",))
        answer(worker, (0, b""), (np.full((1, 1), value, np.float32), NUMERIC[-2]))
        assert sent.result(TIMEOUT)["y"].tolist() == [[value]]
        assert worker.request is not None
        assert worker.sock.recv(64) == golden("channel", "trim")
        assert bytes(worker.request.view[:64]) == bytes(64)
    worker.sock.settimeout(2.5)
    with pytest.raises(TimeoutError):
        worker.sock.recv(64)
    backend.disconnect(worker)
