"""The batches that requests are put into, and the requests that wait.

The worker is the test itself, so that it is busy for as long as the test wants. A request is sent when the one before
it is seen to wait, so their order is known.
"""

from __future__ import annotations

import json
import os
import queue
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import tritonclient.grpc

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.wire import ChannelMessage, LinkKind, LinkMessage
from pytriton_plugins.testing import wait_until
from tests.support.backend.server import TIMEOUT, WAIT, Arrays, Backend, error_of, run_backend, sealed
from tests.support.backend.worker_end import WorkerEnd
from tests.support.traffic.clients import Queues, queues

ROWS = ModelDeclaration(
    "rows", 1, "function", "rows", (Tensor("x", np.int32, (-1,)),), (Tensor("y", np.int32, (-1,)),), max_batch_size=8
)
MODELS = (
    ROWS,
    replace(ROWS, name="pairs", max_batch_size=2),
    replace(ROWS, name="single", max_batch_size=0),
    replace(ROWS, name="text", inputs=(Tensor("x", bytes, (1,)),)),
)
REFUSED = (3, b"seen")
"""The answer to each batch; these tests check which requests a batch has."""


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder: Path = tmp_path_factory.mktemp("queue")
    with run_backend(folder) as running:
        for number, model in enumerate(MODELS, 1):
            running.serve(number, model, pack_declaration(model, wait=WAIT, largest_response=1 << 15))
        yield running


class Busy:
    """A worker that holds one request while others wait in the queue."""

    def __init__(self, backend: Backend, name: str) -> None:
        self.name = name
        self._backend = backend
        self._worker = backend.connect([model.name for model in MODELS].index(name) + 1)
        self.first = backend.infer(name, self.numbers(1))
        self._held = self._worker.receive()
        self._sent = 0

    def numbers(self, rows: int, columns: int = 1) -> Arrays:
        shape = (columns,) if self.name == "single" else (rows, columns)
        return {"x": np.zeros(shape, np.int32)}

    def waiting(self) -> Queues:
        return queues(self._backend.metrics, self.name)

    def send(self, rows: int, columns: int = 1) -> Future[Arrays]:
        """Send a request and wait until it is queued."""
        self._sent += 1
        answer = self._backend.infer(self.name, self.numbers(rows, columns))
        wait_until(self._all_wait, TIMEOUT, "the request waits")
        return answer

    def _all_wait(self) -> bool:
        """Twice in a row: a page that shows a request on its way between the queues in both counts one too many."""
        return [sum(self.waiting()) for _ in range(2)] == [self._sent] * 2

    def wait_for(self, waiting: Queues) -> None:
        wait_until(lambda: self.waiting() == waiting, TIMEOUT, f"{waiting}")

    def let_go(self) -> None:
        """Answer the held request."""
        self.answer(self._held)

    def batch(self) -> list[int]:
        """Take the next batch and answer it; gives the rows of its requests."""
        return self.answer(self.take())

    def take(self) -> ChannelMessage:
        return self._worker.receive()

    def answer(self, message: ChannelMessage) -> list[int]:
        return refuse(self._worker, message)


def refuse(worker: WorkerEnd, message: ChannelMessage) -> list[int]:
    """Answer a batch; gives the rows of its requests."""
    rows = list(worker.block(message).rows)
    block = wire.response_block([REFUSED] * len(rows), [])
    descriptor = sealed(4096, bytes(block))
    done = ChannelMessage(wire.DONE, wire.NEW_SEGMENT, 0, 900, message.batch, 0, len(block))
    worker.send(wire.CHANNEL_MESSAGE.pack(*done), descriptor)
    os.close(descriptor)
    return rows


def seen(answers: list[Future[Arrays]]) -> bool:
    return {error_of(answer).message() for answer in answers} == {"seen"}


def test_requests_that_wait_for_a_busy_worker_become_one_batch(backend: Backend) -> None:
    busy = Busy(backend, "rows")
    answers = [busy.send(rows) for rows in (1, 3, 2)]
    busy.wait_for(Queues(0, 3))
    busy.let_go()
    assert busy.batch() == [1, 3, 2]
    assert seen([busy.first, *answers])


def test_no_batch_has_more_rows_than_the_model_takes(backend: Backend) -> None:
    busy = Busy(backend, "rows")
    answers = [busy.send(rows) for rows in (4, 3, 2)]
    busy.wait_for(Queues(0, 3))
    busy.let_go()
    assert [busy.batch() for _ in range(2)] == [[4, 3], [2]]
    assert seen([busy.first, *answers])


def test_only_requests_of_like_shapes_share_a_batch_and_the_oldest_is_next(backend: Backend) -> None:
    busy = Busy(backend, "rows")
    answers = [busy.send(rows, columns) for rows, columns in ((1, 7), (2, 9), (1, 7), (1, 9), (3, 1))]
    busy.wait_for(Queues(0, 5))
    busy.let_go()
    assert [busy.batch() for _ in range(3)] == [[1, 1], [2, 1], [3]]
    assert seen([busy.first, *answers])


def test_a_model_without_a_batch_axis_gets_one_request_at_a_time(backend: Backend) -> None:
    busy = Busy(backend, "single")
    answers = [busy.send(1) for _ in range(3)]
    busy.let_go()
    assert [busy.batch() for _ in range(3)] == [[1], [1], [1]]
    assert seen([busy.first, *answers])


def test_requests_beyond_the_next_batch_stay_with_triton(backend: Backend) -> None:
    """Triton's pending count is correct to within one batch."""
    busy = Busy(backend, "pairs")
    answers = [busy.send(1) for _ in range(6)]
    busy.wait_for(Queues(triton=4, backend=2))
    busy.let_go()
    for left in (Queues(2, 2), Queues(0, 2), Queues(0, 0)):
        message = busy.take()
        busy.wait_for(left)
        assert busy.answer(message) == [1, 1]
    assert seen([busy.first, *answers])


def test_a_client_that_leaves_the_queue_gets_no_row_in_a_batch(backend: Backend) -> None:
    busy = Busy(backend, "rows")
    stays = busy.send(2)
    with tritonclient.grpc.InferenceServerClient(backend.grpc) as client:
        tensor = tritonclient.grpc.InferInput("x", (1, 1), "INT32")
        tensor.set_data_from_numpy(np.zeros((1, 1), np.int32))
        call = client.async_infer("rows", [tensor], lambda result, error: None)
        wait_until(lambda: sum(busy.waiting()) == 2, TIMEOUT, "the second request waits")
        call.cancel()
        wait_until(lambda: sum(busy.waiting()) == 1, WAIT / 12, "it waits no more, though the worker is still busy")
    busy.let_go()
    assert busy.batch() == [2]
    assert seen([busy.first, stays])


def test_a_new_worker_takes_requests_that_another_kind_of_request_left(backend: Backend) -> None:
    model = replace(ROWS, name="two")
    backend.serve(9, model, pack_declaration(model, wait=WAIT, largest_response=1 << 15), instances=2)
    answers = [backend.infer("two", {"x": np.zeros((1, columns), np.int32)}) for columns in (7, 9)]
    wait_until(lambda: queues(backend.metrics, "two") == Queues(0, 2), TIMEOUT, "both wait, for there is no worker")
    first = backend.connect(9)
    held = first.receive()
    second = backend.connect(9)
    assert refuse(second, second.receive()) == [1]
    wait_until(lambda: any(answer.done() for answer in answers), TIMEOUT, "the second worker's answer")
    assert refuse(first, held) == [1]
    assert seen(answers)


MANY = 1000
"""More requests than the initial capacity of a batch."""


def test_many_requests_that_must_run_alone_and_whose_worker_ends(backend: Backend) -> None:
    model = replace(ROWS, name="many", max_batch_size=1024)
    backend.serve(8, model, pack_declaration(model, wait=0.3, largest_response=1 << 15))
    answers: queue.Queue[str] = queue.Queue()
    with tritonclient.grpc.InferenceServerClient(backend.grpc) as client:
        tensor = tritonclient.grpc.InferInput("x", (1, 256), "INT32")
        tensor.set_data_from_numpy(np.zeros((1, 256), np.int32))
        worker = backend.connect(8, size=4096)
        client.async_infer("many", [tensor], lambda result, error: answers.put(error.message()))
        held = worker.receive()
        for _ in range(MANY):
            client.async_infer("many", [tensor], lambda result, error: answers.put(error.message()))
        wait_until(lambda: queues(backend.metrics, "many") == Queues(0, MANY), TIMEOUT, "all wait")
        refuse(worker, held)
        token = backend.needs.get(timeout=TIMEOUT).token
        backend.send(LinkMessage(LinkKind.REFUSED, token=token, payload=b"no"))
        worker.receive()
        worker.close()
        messages = [answers.get(timeout=TIMEOUT) for _ in range(MANY + 1)]
    assert Counter(messages) == {
        "seen": 1,
        "model many: its worker ended while it ran this request": 1,
        "model many: no worker became free within 300 ms": MANY - 1,
    }
    assert backend.alive


def test_stop_fails_waiting_requests(tmp_path: Path) -> None:
    with run_backend(tmp_path) as stopped:
        stopped.serve(1, ROWS, pack_declaration(ROWS, wait=WAIT, largest_response=1 << 15))
        busy = Busy(stopped, "rows")
        answers = [busy.first, *(busy.send(1) for _ in range(3))]
        stopped.send(LinkMessage(LinkKind.STOP))
        assert {error_of(answer).message() for answer in answers} == {"model rows: the server is stopping"}
        stopped.forget()


def statistics(backend: Backend, name: str) -> dict[str, Any]:
    with urlopen(f"http://{backend.http}/v2/models/{name}/stats", timeout=TIMEOUT) as answer:
        stats: dict[str, Any] = json.load(answer)["model_stats"][0]["inference_stats"]
        return stats


def test_a_request_that_no_worker_can_take_counts_as_failed(backend: Backend) -> None:
    before = statistics(backend, "text")["fail"]["count"]
    with tritonclient.grpc.InferenceServerClient(backend.grpc) as client:
        tensor = tritonclient.grpc.InferInput("x", (1, 1), "BYTES")
        tensor._raw_content = b"\x05\0\0\0four"
        with pytest.raises(tritonclient.utils.InferenceServerException):
            client.infer("text", [tensor])
    wait_until(lambda: statistics(backend, "text")["fail"]["count"] == before + 1, TIMEOUT, "the failure is counted")
