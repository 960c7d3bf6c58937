"""Inputs in a client's own shared memory, which a real tritonserver lends; the test acts as the worker."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.wire import ChannelMessage, TensorEntry
from pytriton_plugins.testing import wait_until
from tests.support.backend.golden import golden
from tests.support.backend.server import GOLDEN, TIMEOUT, WAIT, Backend, error_of, run_backend, sealed
from tests.support.backend.worker_end import WorkerEnd
from tests.support.traffic.client_memory import Floats, Region, needs_kernel, region

pytestmark = needs_kernel

SHAPE = (2, 8200)
BYTES = 65600
PAGE = 4096
REGION = 70656
"""Registered bytes: 18 pages, the last one in part."""
AT = 5056
"""Offset of an input in the region: a multiple of 64."""


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_backend(tmp_path_factory.mktemp("loans"), allow=("shared-memory",)) as running:
        lending = golden("declaration", "may_lend") + golden("declaration", "declaration")[4:]
        running.serve(1, GOLDEN, lending)
        yield running


@pytest.fixture
def worker(backend: Backend) -> Iterator[WorkerEnd]:
    yield backend.connect(1, 1 << 18, segment=7)
    backend.forget()


def answer(worker: WorkerEnd, message: ChannelMessage, *entries: TensorEntry, flags: int = 0) -> None:
    """Answer a batch with outputs at the places in ``entries``."""
    block = bytes(wire.response_block([(0, b"")] * entries[0].requests, list(entries)))
    segment = sealed(PAGE, block)
    done = ChannelMessage(wire.DONE, wire.NEW_SEGMENT | flags, 0, 900, message.batch, 0, len(block))
    worker.send(wire.CHANNEL_MESSAGE.pack(*done), segment)
    os.close(segment)


def give_back(worker: WorkerEnd, flags: int = 0) -> TensorEntry:
    """Take one batch and return its input in place; gives the entry of the input."""
    message = worker.receive()
    (entry,) = worker.block(message).inputs
    answer(worker, message, entry if entry.flags else entry._replace(flags=wire.IN_REQUEST), flags=flags)
    return entry


def ask(backend: Backend, lender: Region, offset: int = AT, shape: tuple[int, ...] = SHAPE) -> Future[Floats | None]:
    return backend.clients.submit(lender.infer, "golden", shape, offset)


def lend(backend: Backend, worker: WorkerEnd, lender: Region) -> TensorEntry:
    """Send two requests, of which the second is lent; gives its entry."""
    for is_lent in (False, True):
        sent = ask(backend, lender)
        entry = give_back(worker)
        assert bool(entry.flags) == is_lent
        sent.result(TIMEOUT)
    return entry


def test_a_repeated_input_is_lent_as_the_golden_vectors_say(backend: Backend, worker: WorkerEnd) -> None:
    """The first request is copied; at the third the worker has the loan already."""
    with region(backend.grpc, REGION) as lender:
        x = lender.floats(SHAPE, AT)
        for value in range(3):
            x[:] = np.arange(16400).reshape(SHAPE) + value
            sent = ask(backend, lender)
            message = worker.receive()
            assert worker.request is not None
            block = worker.request.view[: message.length]
            if value == 0:
                assert worker.heard == [
                    golden("channel", "execute")[:32] + block.nbytes.to_bytes(8, "little"),
                    golden("channel", "segment"),
                ]
                assert worker.block(message).inputs[0].flags == 0
                answer(worker, message, worker.block(message).inputs[0]._replace(flags=wire.IN_REQUEST))
            else:
                assert block == golden("request", "lent")
                answer(worker, message, worker.block(message).inputs[0])
            if value == 1:
                assert worker.heard == [golden("channel", "execute_lent"), golden("channel", "loan")]
                assert np.frombuffer(worker.loans[1], np.float32, 16400, AT).tolist() == x.ravel().tolist()
            if value == 2:
                assert len(worker.heard) == 1
            assert message.segment == 7
            np.testing.assert_array_equal(sent.result(TIMEOUT), x)


def test_the_golden_answer_goes_from_one_place_of_the_client_to_another(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, 4 * PAGE * 18) as lender:
        x, y = lender.floats(SHAPE, AT), lender.floats(SHAPE, 36 * PAGE)
        for value in (1, 2, 3):
            x[:] = value
            sent = backend.clients.submit(lender.infer, "golden", SHAPE, AT, 36 * PAGE)
            message = worker.receive()
            (entry,) = worker.block(message).inputs
            if value == 1:
                answer(worker, message, entry._replace(flags=wire.IN_REQUEST))
            else:
                segment = sealed(PAGE, golden("response", "lent"))
                done = ChannelMessage(wire.DONE, wire.NEW_SEGMENT, 0, 900, message.batch, 0, 144)
                worker.send(wire.CHANNEL_MESSAGE.pack(*done), segment)
                os.close(segment)
            assert sent.result(TIMEOUT) is None
            assert y.tolist() == x.tolist()


@pytest.mark.parametrize(
    ("shape", "offset"), [((1, 16383), 64), (SHAPE, 96), ((1, 16384), 4)], ids=["small", "not aligned", "odd"]
)
def test_small_and_unaligned_inputs_are_not_lent(
    backend: Backend, worker: WorkerEnd, shape: tuple[int, ...], offset: int
) -> None:
    """Less than 64 KiB, or an offset that is not a multiple of 64."""
    with region(backend.grpc, REGION) as lender:
        for _ in range(3):
            sent = ask(backend, lender, offset, shape)
            assert give_back(worker).flags == 0
            sent.result(TIMEOUT)


def test_a_batch_of_several_is_put_together(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, REGION) as lender:
        x = lender.floats(SHAPE, AT)
        x[:] = np.arange(16400).reshape(SHAPE)
        lend(backend, worker, lender)
        running = ask(backend, lender)
        message = worker.receive()
        waiting = [ask(backend, lender) for _ in range(2)]
        wait_until(lambda: queued(backend) == 2, TIMEOUT, "two wait")
        answer(worker, message, worker.block(message).inputs[0])
        message = worker.receive()
        (entry,) = worker.block(message).inputs
        assert (entry.requests, entry.flags, entry.dims) == (2, 0, (4, 8200))
        answer(worker, message, entry._replace(flags=wire.IN_REQUEST))
        for sent in (running, *waiting):
            np.testing.assert_array_equal(sent.result(TIMEOUT), x)


def queued(backend: Backend) -> float:
    with urlopen(f"http://{backend.metrics}/metrics") as response:
        lines = response.read().decode().splitlines()
    (line,) = [line for line in lines if line.startswith("pytriton_queued_requests{")]
    return float(line.split()[-1])


def wrong(entry: TensorEntry) -> dict[str, TensorEntry]:
    loan = 1 << wire.LOAN_SHIFT
    return {
        "before the input": entry._replace(offset=AT - 64),
        "behind the input": entry._replace(offset=AT + 64),
        "far away": entry._replace(offset=2**64 - 64),
        "another loan": entry._replace(flags=2 * loan),
        "no loan that can be": entry._replace(flags=0xFF00),
        "both": entry._replace(flags=loan | wire.IN_REQUEST),
    }


@pytest.mark.parametrize("place", wrong(TensorEntry(0, 11, 0, 1, 0, 0, ())))
def test_a_worker_that_gives_back_a_loan_it_does_not_have(backend: Backend, worker: WorkerEnd, place: str) -> None:
    with region(backend.grpc, REGION) as lender:
        lend(backend, worker, lender)
        sent = ask(backend, lender)
        message = worker.receive()
        answer(worker, message, wrong(worker.block(message).inputs[0])[place])
        assert "its worker broke the protocol: an output outside its segment" in error_of(sent).message()
        assert backend.alive


def test_a_loan_whose_input_is_kept_is_made_again(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, REGION) as lender:
        lend(backend, worker, lender)
        sent = ask(backend, lender)
        give_back(worker, flags=wire.RETIRED)
        sent.result(TIMEOUT)
        worker.loans.clear()
        sent = ask(backend, lender)
        need = backend.needs.get(timeout=TIMEOUT)
        segment = sealed(PAGE)
        backend.send(wire.LinkMessage(wire.LinkKind.SEGMENT, segment=8, token=need.token), segment)
        os.close(segment)
        assert give_back(worker).flags
        assert list(worker.loans) == [1]
        sent.result(TIMEOUT)


def test_another_file_under_the_same_name(backend: Backend, worker: WorkerEnd) -> None:
    """It is a new loan, from the second request on."""
    with region(backend.grpc, REGION) as lender:
        lend(backend, worker, lender)
        lender.client.unregister_system_shared_memory(lender.name)
        lender.path.unlink()
        lender.path.touch()
        os.truncate(lender.path, REGION)
        lender.bytes = np.memmap(lender.path, np.uint8, "r+", 0, REGION)
        lender.client.register_system_shared_memory(lender.name, f"/{lender.name}", REGION)
        lender.floats(SHAPE, AT)[:] = 5
        for number in range(3):
            sent = ask(backend, lender)
            assert give_back(worker).flags == (2 << wire.LOAN_SHIFT if number else 0)
            np.testing.assert_array_equal(sent.result(TIMEOUT), np.full(SHAPE, 5, np.float32))
        assert sorted(worker.loans) == [1, 2]


def test_a_file_that_has_lost_its_name_is_copied(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, REGION) as lender:
        lender.path.unlink()
        for _ in range(3):
            sent = ask(backend, lender)
            assert give_back(worker).flags == 0
            sent.result(TIMEOUT)


def test_a_name_that_leads_to_another_file_is_not_lent(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, REGION) as lender:
        lender.path.unlink()
        other = lender.path.with_name(f"{lender.path.name} (deleted)")  # what the kernel calls it now
        other.write_bytes(b"another client's secret" * 10000)
        for _ in range(3):
            sent = ask(backend, lender)
            assert give_back(worker).flags == 0
            sent.result(TIMEOUT)
        assert not worker.loans
        other.unlink()


def test_at_most_eight_are_lent(backend: Backend, worker: WorkerEnd) -> None:
    with contextlib.ExitStack() as stack:
        lenders = [stack.enter_context(region(backend.grpc, REGION)) for _ in range(9)]
        for lender in lenders[:8]:
            lend(backend, worker, lender)
        for _ in range(2):
            for number, lender in enumerate(lenders):
                lender.floats(SHAPE, AT)[:] = number
                sent = ask(backend, lender)
                assert bool(give_back(worker).flags) == (number < 8)
                np.testing.assert_array_equal(sent.result(TIMEOUT), np.full(SHAPE, number, np.float32))


def test_a_loan_is_called_in_when_it_was_unused_for_a_while(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, REGION) as lender:
        lend(backend, worker, lender)
        before = time.monotonic()
        sent = ask(backend, lender)
        assert give_back(worker).flags
        sent.result(TIMEOUT)
        assert worker.sock.recv(64) == golden("channel", "forget")
        assert time.monotonic() - before > 4.9, "five seconds after the last use"
        sent = ask(backend, lender)
        worker.loans.clear()
        assert give_back(worker).flags
        sent.result(TIMEOUT)
        assert list(worker.loans) == [1]


def test_nothing_is_lent_of_a_model_that_may_not(tmp_path: Path) -> None:
    with run_backend(tmp_path, allow=("shared-memory",)) as backend:
        backend.serve(1, GOLDEN, pack_declaration(GOLDEN, wait=WAIT, largest_response=1 << 20))
        worker = backend.connect(1, 1 << 18)
        with region(backend.grpc, REGION) as lender:
            for _ in range(3):
                sent = ask(backend, lender)
                assert give_back(worker).flags == 0
                sent.result(TIMEOUT)
        worker.close()


def test_a_loan_is_called_in_also_while_the_host_talks(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, REGION) as lender:
        lend(backend, worker, lender)
        worker.sock.settimeout(0.3)  # how often the host says something
        until = time.monotonic() + TIMEOUT
        heard = b""
        while not heard and time.monotonic() < until:
            backend.send(wire.LinkMessage(wire.LinkKind.GATE, value=0))
            with contextlib.suppress(TimeoutError):
                heard = worker.sock.recv(64)
        worker.sock.settimeout(TIMEOUT)
        assert heard == golden("channel", "forget")
