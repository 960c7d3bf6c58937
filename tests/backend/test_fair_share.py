"""How the waiting requests are shared among the channels of a model.

The workers are the test itself: both hold a request while the others are queued, so that the batches are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm.declaration import QueuePolicy, pack_declaration
from pytriton_plugins.shm.wire import ChannelMessage, LinkKind, LinkMessage
from pytriton_plugins.testing import wait_until
from tests.backend.test_queue import refuse, seen
from tests.support.backend.server import TIMEOUT, WAIT, Arrays, Backend, run_backend
from tests.support.backend.worker_end import WorkerEnd
from tests.support.traffic.clients import Queues, queues

LARGE = 1 << 16
"""Elements of four bytes: 256 KiB."""
PLAIN = ModelDeclaration(
    "plain", 1, "function", "plain", (Tensor("x", np.int32, (-1,)),), (Tensor("y", np.int32, (-1,)),), max_batch_size=64
)
PREFERRED = {"dynamic_batching": {"preferred_batch_size": [6], "max_queue_delay_microseconds": 60_000_000}}
MODELS = {
    "plain": (PLAIN, QueuePolicy()),
    "sized": (replace(PLAIN, name="sized"), QueuePolicy(size=100, preferred=(64,))),
    "grouped": (replace(PLAIN, name="grouped", triton_config=PREFERRED), QueuePolicy()),
}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder: Path = tmp_path_factory.mktemp("fair-share")
    with run_backend(folder) as running:
        for number, (model, policy) in enumerate(MODELS.values(), 1):
            declaration = pack_declaration(model, wait=WAIT, largest_response=1 << 15, queue=policy)
            running.serve(number, model, declaration, instances=2)
        yield running


class Held:
    """The workers of a model: each holds a request, and others wait."""

    def __init__(self, backend: Backend, name: str, *, workers: int = 2, rows: int = 1) -> None:
        self._backend, self._name = backend, name
        self.workers: list[WorkerEnd] = []
        self._running: dict[WorkerEnd, ChannelMessage] = {}
        self.answers: list[Future[Arrays]] = []
        self._queued = 0
        for _ in range(workers):
            self.workers.append(backend.connect(list(MODELS).index(name) + 1, size=1 << 23))
            self.send(rows, 1)
            self.take(self.workers[-1])

    def send(self, rows: int, columns: int) -> None:
        self.answers.append(self._backend.infer(self._name, {"x": np.zeros((rows, columns), np.int32)}))

    def queue(self, requests: int, rows: int = 1, columns: int = LARGE) -> None:
        """Send requests and wait until the backend has all of them."""
        self._queued += requests
        for _ in range(requests):
            self.send(rows, columns)
        wait_until(lambda: queues(self._backend.metrics, self._name) == Queues(0, self._queued), TIMEOUT, "all wait")

    def take(self, worker: WorkerEnd) -> None:
        self._running[worker] = worker.receive()

    def answer(self, worker: WorkerEnd) -> int:
        """Answer its batch; gives the rows."""
        return sum(refuse(worker, self._running.pop(worker)))

    def next_rows(self, worker: WorkerEnd) -> int:
        """The rows of the batch that the worker gets after its answer, and holds."""
        self.answer(worker)
        self.take(worker)
        return sum(worker.block(self._running[worker]).rows)

    def end(self) -> bool:
        for worker in list(self._running):
            self.answer(worker)
        return seen(self.answers)


def test_large_requests_are_shared_among_the_workers(backend: Backend) -> None:
    """Seven rows for two workers, six of which wait: four for the first one."""
    held = Held(backend, "plain")
    held.queue(6)
    assert [held.next_rows(worker) for worker in held.workers] == [4, 2]
    assert held.end()


def test_a_share_counts_what_the_other_worker_runs(backend: Backend) -> None:
    held = Held(backend, "plain", rows=6)
    held.queue(6)
    assert held.next_rows(held.workers[0]) == 6
    assert held.end()


def test_a_batch_of_little_data_is_not_shared(backend: Backend) -> None:
    held = Held(backend, "plain")
    held.queue(6, columns=1)
    assert held.next_rows(held.workers[0]) == 6
    assert held.end()


def test_a_batch_grows_beyond_its_share_until_it_has_much_data(backend: Backend) -> None:
    held = Held(backend, "plain")
    held.queue(6, columns=LARGE // 5 + 1)
    assert [held.next_rows(worker) for worker in held.workers] == [5, 1]
    assert held.end()


def test_a_model_with_one_worker_gets_all(backend: Backend) -> None:
    held = Held(backend, "plain", workers=1)
    held.queue(6)
    assert held.next_rows(held.workers[0]) == 6
    assert held.end()


def test_a_worker_that_gets_no_new_batch_has_no_share(backend: Backend) -> None:
    held = Held(backend, "plain")
    held.queue(6)
    backend.send(LinkMessage(LinkKind.RETIRE, channel=held.workers[1].number, value=0))
    backend.call(backend.server.held_requests())  # its answer follows the message before it
    assert held.next_rows(held.workers[0]) == 6
    assert held.end()


def test_preferred_sizes_of_a_queue_with_limits_are_not_shared(backend: Backend) -> None:
    held = Held(backend, "sized")
    held.queue(6)
    assert held.next_rows(held.workers[0]) == 6
    assert held.end()


def test_batches_of_tritons_batcher_are_not_split(backend: Backend) -> None:
    """Three batches of two requests wait: eighteen rows, of which a share would be twelve."""
    held = Held(backend, "grouped", rows=6)
    for _ in range(3):
        held.queue(2, rows=3)  # a preferred size
    assert held.next_rows(held.workers[0]) == 18
    assert held.end()
