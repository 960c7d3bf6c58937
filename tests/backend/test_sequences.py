"""Which worker and which batch gets each request of a sequence; the workers are the test itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from pytriton_plugins.model.sequence import Sequence
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.details import read_details
from pytriton_plugins.shm.polling import readable
from pytriton_plugins.shm.wire import ChannelMessage, LinkKind, LinkMessage
from pytriton_plugins.testing import wait_until
from tests.support.backend.golden import golden
from tests.support.backend.server import GOLDEN, TIMEOUT, WAIT, Backend, run_backend, sealed
from tests.support.backend.worker_end import WorkerEnd
from tests.support.traffic.clients import asked_inputs, queues
from tests.support.traffic.scrape import value

SHARED = replace(GOLDEN, requests="requests", sequence=Sequence(1.5, 300))
MODELS = (
    replace(SHARED, name="shared", sequence=Sequence()),
    replace(SHARED, name="direct", sequence=Sequence(strategy="direct", max_live=64)),
    replace(SHARED, name="single", requests="", context="ctx", sequence=Sequence()),
)
LOST = "the state of sequence {} is lost: its worker {}; start it again (sequence_start)"
Answer = Future[str]


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder: Path = tmp_path_factory.mktemp("sequences")
    with run_backend(folder) as running:
        for number, model in enumerate(MODELS, 1):
            running.serve(number, model, pack_declaration(model, wait=WAIT, largest_response=1 << 15), 2)
        yield running


@pytest.fixture(autouse=True)
def _end_sequences(backend: Backend) -> Iterator[None]:
    """Ends those of a test, so that the next may use their ids."""
    yield
    backend.forget()
    for model in MODELS:
        for sequence in range(1, 5):
            ask(backend, model.name, sequence, end=True).exception(TIMEOUT)


def ask(
    backend: Backend,
    model: str,
    sequence: int,
    *,
    start: bool = False,
    end: bool = False,
    timeout: float = TIMEOUT,
    columns: int = 1,
) -> Answer:
    """Send a request in the background; the future has the message of its error."""
    return backend.clients.submit(_ask, backend.grpc, model, sequence, start, end, timeout, columns)


def _ask(url: str, model: str, sequence: int, start: bool, end: bool, timeout: float, columns: int) -> str:
    inputs = asked_inputs(tritonclient.grpc, {"x": np.zeros((1, columns), np.float32)})
    flags = {"sequence_id": sequence, "sequence_start": start, "sequence_end": end}
    with tritonclient.grpc.InferenceServerClient(url) as client:
        try:
            client.infer(model, inputs, client_timeout=timeout, **flags)
        except InferenceServerException as error:
            return str(error.message()).removeprefix(f"model {model}: ")
    return ""


def take(worker: WorkerEnd) -> tuple[ChannelMessage, list[int | str]]:
    """The next batch, and the sequences of its requests."""
    message = worker.receive()
    block = worker.block(message)
    assert worker.request is not None
    return message, [detail.correlation_id for detail in read_details(worker.request.view, block.details)]


def answer(worker: WorkerEnd, message: ChannelMessage) -> None:
    """Answer each request of the batch with the message "seen"."""
    block = wire.response_block([(3, b"seen")] * len(worker.block(message).rows), [])
    descriptor = sealed(4096, bytes(block))
    worker.send(
        wire.CHANNEL_MESSAGE.pack(wire.DONE, wire.NEW_SEGMENT, 0, 900, message.batch, 0, len(block)), descriptor
    )
    os.close(descriptor)


def run(worker: WorkerEnd) -> list[int | str]:
    """Take and answer the next batch; the sequences of its requests."""
    message, sequences = take(worker)
    answer(worker, message)
    return sequences


def live(backend: Backend) -> float | None:
    """The live sequences of the model ``shared``, by their gauge."""
    return value(backend.metrics, "pytriton_live_sequences", model="shared", version=str(SHARED.version))


def waiting(backend: Backend, model: str, count: int) -> None:
    wait_until(lambda: queues(backend.metrics, model).backend == count, TIMEOUT, f"{count} requests wait")


def test_the_declaration_by_hand(backend: Backend) -> None:
    """Its limits are where the protocol says."""
    flags, sequence = golden("declaration", "shared_sequences"), golden("declaration", "live_and_idle")
    whole = golden("declaration", "declaration")
    backend.serve(4, SHARED, flags + whole[4:64] + sequence + whole[64:])
    assert value(backend.metrics, "pytriton_max_live_sequences", model="golden", version="3") == 300
    started = ask(backend, "golden", 1, start=True, end=True)
    assert run(backend.connect(4)) == [1]
    assert started.result(TIMEOUT) == "seen"


def test_requests_of_different_sequences_share_a_batch(backend: Backend) -> None:
    worker = backend.connect(1)
    answers = [ask(backend, "shared", 1, start=True)]
    held, _ = take(worker)
    for count, sequence in enumerate((2, 3), 1):
        answers.append(ask(backend, "shared", sequence, start=True))
        waiting(backend, "shared", count)
    answer(worker, held)
    assert run(worker) == [2, 3]
    assert [each.result(TIMEOUT) for each in answers] == ["seen"] * 3


def test_requests_of_one_sequence_do_not(backend: Backend) -> None:
    """The direct strategy passes on the next request of a sequence before the last one is answered."""
    worker = backend.connect(2)
    answers = [ask(backend, "direct", 1, start=True)]
    held, _ = take(worker)
    for count, (sequence, start) in enumerate(((1, False), (1, False), (2, True)), 1):
        answers.append(ask(backend, "direct", sequence, start=start))
        waiting(backend, "direct", count)
    answer(worker, held)
    assert [run(worker), run(worker)] == [[1, 2], [1]]
    assert [each.result(TIMEOUT) for each in answers] == ["seen"] * 4


def test_other_callables_get_one_request(backend: Backend) -> None:
    worker = backend.connect(3)
    answers = [ask(backend, "single", 1, start=True)]
    held, _ = take(worker)
    for count, sequence in enumerate((2, 3), 1):
        answers.append(ask(backend, "single", sequence, start=True))
        waiting(backend, "single", count)
    answer(worker, held)
    assert [run(worker), run(worker)] == [[2], [3]]
    assert [each.result(TIMEOUT) for each in answers] == ["seen"] * 3


def two(backend: Backend) -> tuple[WorkerEnd, WorkerEnd]:
    """Two workers: the first has sequence 1, the second sequence 2."""
    first = backend.connect(1)
    one = ask(backend, "shared", 1, start=True)
    held, _ = take(first)
    second = backend.connect(1)
    other = ask(backend, "shared", 2, start=True)
    assert run(second) == [2]
    answer(first, held)
    assert (one.result(TIMEOUT), other.result(TIMEOUT)) == ("seen", "seen")
    return first, second


def two_in_one(backend: Backend) -> tuple[WorkerEnd, WorkerEnd, ChannelMessage, list[Answer]]:
    """The first worker has sequences 1 and 3, and holds a request of 1; one of 3 waits, although the second is free."""
    first, second = two(backend)
    answers = [ask(backend, "shared", 2)]
    held, _ = take(second)
    answers.append(ask(backend, "shared", 3, start=True))
    assert run(first) == [3]
    answer(second, held)
    assert [each.result(TIMEOUT) for each in answers] == ["seen"] * 2
    running = ask(backend, "shared", 1)
    message, _ = take(first)
    waits = ask(backend, "shared", 3)
    waiting(backend, "shared", 1)
    return first, second, message, [running, waits]


def test_a_sequence_waits_for_its_own_worker(backend: Backend) -> None:
    """Although another one is free; it does not hold up the sequences of others."""
    first, second, message, answers = two_in_one(backend)
    other = ask(backend, "shared", 2)
    assert run(second) == [2]
    assert other.result(TIMEOUT) == "seen"
    assert queues(backend.metrics, "shared").backend == 1
    answer(first, message)
    assert run(first) == [3]
    assert [each.result(TIMEOUT) for each in answers] == ["seen"] * 2


def test_requests_that_wait_for_a_worker_that_ends(backend: Backend) -> None:
    first, second, _, answers = two_in_one(backend)
    first.close()
    expected = ["its worker ended while it ran this request", LOST.format(3, "ended")]
    assert [each.result(TIMEOUT) for each in answers] == expected
    again = ask(backend, "shared", 3, start=True)
    assert run(second) == [3]
    assert again.result(TIMEOUT) == "seen"


def test_a_worker_that_ends_loses_its_sequences(backend: Backend) -> None:
    first, second = two(backend)
    backend.disconnect(second)
    assert ask(backend, "shared", 2).result(TIMEOUT) == LOST.format(2, "ended")
    assert ask(backend, "shared", 2, end=True).result(TIMEOUT) == LOST.format(2, "ended")
    again, one = ask(backend, "shared", 2, start=True), ask(backend, "shared", 1)
    seen = run(first)
    seen += run(first) if len(seen) < 2 else []
    assert sorted(map(str, seen)) == ["1", "2"]
    assert (again.result(TIMEOUT), one.result(TIMEOUT)) == ("seen", "seen")


def test_a_start_that_a_worker_has_not_read_goes_to_another(backend: Backend) -> None:
    """A later request does not: its state was there."""
    first, second = two(backend)
    started = ask(backend, "shared", 3, start=True)
    reader = wait_until(lambda: next((worker for worker in (first, second) if readable(worker.sock, seconds=0)), None))
    assert reader is not None
    other = second if reader is first else first
    reader.close()
    assert run(other) == [3]
    assert started.result(TIMEOUT) == "seen"
    lost = 1 if reader is first else 2
    assert ask(backend, "shared", lost).result(TIMEOUT) == LOST.format(lost, "ended")


def test_a_retired_worker_keeps_its_sequences_until_their_end(backend: Backend) -> None:
    first, second = two(backend)
    backend.send(LinkMessage(LinkKind.RETIRE, channel=second.number, value=60_000))
    backend.call(backend.server.held_requests())
    going_on, new = ask(backend, "shared", 2), ask(backend, "shared", 3, start=True)
    assert (run(second), run(first)) == ([2], [3])
    last = ask(backend, "shared", 2, end=True)
    assert run(second) == [2]
    assert [each.result(TIMEOUT) for each in (going_on, new, last)] == ["seen"] * 3
    assert second.ended()


@pytest.mark.parametrize("milliseconds", [0, 1])
def test_a_retired_worker_gives_its_sequences_up_in_time(backend: Backend, milliseconds: int) -> None:
    _, second = two(backend)
    backend.send(LinkMessage(LinkKind.RETIRE, channel=second.number, value=milliseconds))
    assert second.ended()
    assert ask(backend, "shared", 2).result(TIMEOUT) == LOST.format(2, "was replaced")


def test_a_repeated_start_leaves_a_retired_worker(backend: Backend) -> None:
    first, second = two(backend)
    backend.send(LinkMessage(LinkKind.RETIRE, channel=second.number, value=60_000))
    backend.call(backend.server.held_requests())
    again = ask(backend, "shared", 2, start=True)
    assert run(first) == [2]
    assert again.result(TIMEOUT) == "seen"
    assert second.ended()


def test_a_sequence_whose_start_is_cancelled_has_not_started(backend: Backend) -> None:
    assert "Deadline Exceeded" in ask(backend, "shared", 1, start=True, timeout=0.5).result(TIMEOUT)
    waiting(backend, "shared", 0)
    expected = "sequence 1 did not start: its first request failed; start it again (sequence_start)"
    assert ask(backend, "shared", 1).result(TIMEOUT) == expected
    backend.connect(1)


def test_an_end_that_is_cancelled_leaves_the_state_and_counts_as_live(backend: Backend) -> None:
    """The worker has the state until it is idle, unless the sequence starts again."""
    worker = backend.connect(1)
    started = ask(backend, "shared", 1, start=True)
    assert run(worker) == [1]
    other = ask(backend, "shared", 2, start=True)
    held, _ = take(worker)
    assert "Deadline Exceeded" in ask(backend, "shared", 1, end=True, timeout=0.5).result(TIMEOUT)
    wait_until(lambda: live(backend) == 2, TIMEOUT, "the ended one counts again")
    answer(worker, held)
    again = ask(backend, "shared", 1, start=True)
    assert run(worker) == [1]
    assert [each.result(TIMEOUT) for each in (started, other, again)] == ["seen"] * 3
    assert live(backend) == 2


def test_a_repeated_start_without_memory_has_not_started(backend: Backend) -> None:
    """Its sequence does not go on with the state of the one before."""
    worker = backend.connect(1, size=4096)
    started = ask(backend, "shared", 1, start=True)
    assert run(worker) == [1]
    again = ask(backend, "shared", 1, start=True, columns=4096)
    token = backend.needs.get(timeout=TIMEOUT).token
    backend.send(LinkMessage(LinkKind.REFUSED, token=token, payload=b"no memory"))
    assert (started.result(TIMEOUT), again.result(TIMEOUT)) == ("seen", "no memory")
    expected = "sequence 1 did not start: its first request failed; start it again (sequence_start)"
    assert ask(backend, "shared", 1).result(TIMEOUT) == expected


def test_requests_without_a_worker_fail_when_the_model_is_given_up(backend: Backend) -> None:
    started = ask(backend, "shared", 1, start=True)
    waiting(backend, "shared", 1)
    backend.send(LinkMessage(LinkKind.GIVE_UP, model=1, value=1, payload=b"no luck"))
    assert started.result(TIMEOUT) == "model shared is out of service: no luck"
    backend.send(LinkMessage(LinkKind.GIVE_UP, model=1, value=0))
    assert "did not start" in ask(backend, "shared", 1).result(TIMEOUT)
