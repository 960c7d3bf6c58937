"""Outputs that a client places in the memory of its lent inputs: a real tritonserver; the test acts as the worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc

from pytriton_plugins import Tensor
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.wire import ChannelMessage, TensorEntry
from tests.support.backend.server import TIMEOUT, WAIT, Backend, run_backend, sealed
from tests.support.backend.worker_end import WorkerEnd
from tests.support.traffic.client_memory import Region, needs_kernel, region

pytestmark = needs_kernel

A, B = Tensor("a", np.float32, (-1,)), Tensor("b", np.float32, (-1,))
Y, Z = Tensor("y", np.float32, (-1,)), Tensor("z", np.float32, (-1,))
PAIR = ModelDeclaration("pair", 1, "function", "pair", (A, B), (Y, Z))
COUNT = 16400
SIZE = 4 * COUNT
STEP = 65600 + 64


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_backend(tmp_path_factory.mktemp("overlap"), allow=("shared-memory",)) as running:
        running.serve(1, PAIR, pack_declaration(PAIR, wait=WAIT, largest_response=1 << 20, lend=True))
        yield running


@pytest.fixture
def worker(backend: Backend) -> Iterator[WorkerEnd]:
    yield backend.connect(1, 1 << 19, segment=7)
    backend.forget()


def ask(backend: Backend, one: Region, other: Region, a: int, b: int, y: int, z: int) -> Future[Any]:
    def infer() -> None:
        sent = [tritonclient.grpc.InferInput(name, (1, COUNT), "FP32") for name in "ab"]
        wanted = [tritonclient.grpc.InferRequestedOutput(name) for name in "yz"]
        for tensor, lender, at in zip((*sent, *wanted), (one, other, one, other), (a, b, y, z), strict=True):
            tensor.set_shared_memory(lender.name, SIZE, at)
        one.client.infer("pair", sent, outputs=wanted, client_timeout=TIMEOUT)

    return backend.clients.submit(infer)


def answer(worker: WorkerEnd, message: ChannelMessage, entries: list[TensorEntry], content: bytes = b"") -> None:
    block = bytes(wire.response_block([(0, b"")], entries))
    at = wire.aligned(len(content))
    segment = sealed(1 << 18, content.ljust(at, b"\0") + block)
    done = ChannelMessage(wire.DONE, wire.NEW_SEGMENT, 0, 900, message.batch, at, len(block))
    worker.send(wire.CHANNEL_MESSAGE.pack(*done), segment)
    os.close(segment)


def swapped(worker: WorkerEnd) -> list[int]:
    """Return b as y and a as z; gives the flags of a and b."""
    message = worker.receive()
    a, b = worker.block(message).inputs
    given = (b._replace(tensor=0), a._replace(tensor=1))
    back = [entry._replace(flags=entry.flags or wire.IN_REQUEST) for entry in given]
    answer(worker, message, back)
    return [a.flags >> wire.LOAN_SHIFT, b.flags >> wire.LOAN_SHIFT]


def values(lender: Region, at: int) -> Any:
    return lender.floats((COUNT,), at)


def test_inputs_of_one_region_change_places(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, 2 * STEP) as one:
        for number in range(3):
            values(one, 0)[:], values(one, STEP)[:] = 1, 2
            sent = ask(backend, one, one, 0, STEP, 0, STEP)
            assert swapped(worker) == ([1, 1] if number else [0, 0])
            sent.result(TIMEOUT)
            assert (values(one, 0) == 2).all()
            assert (values(one, STEP) == 1).all()


def test_inputs_of_two_regions_change_places(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, STEP) as one, region(backend.grpc, STEP) as other:
        for number in range(3):
            values(one, 0)[:], values(other, 0)[:] = 1, 2
            sent = ask(backend, one, other, 0, 0, 0, 0)
            assert swapped(worker) == ([1, 2] if number else [0, 0])
            assert len(worker.heard) == (2, 3, 1)[number]
            sent.result(TIMEOUT)
            assert (values(one, 0) == 2).all()
            assert (values(other, 0) == 1).all()


def test_an_output_is_written_where_an_input_lies_that_is_given_back(backend: Backend, worker: WorkerEnd) -> None:
    with region(backend.grpc, 4 * STEP) as one:
        for number in range(3):
            values(one, 0)[:], values(one, STEP)[:] = 1, 2
            sent = ask(backend, one, one, 0, STEP, 0, 3 * STEP)
            message = worker.receive()
            a, _ = worker.block(message).inputs
            assert bool(a.flags) == (number > 0)
            y = a._replace(flags=0, offset=0)
            z = a._replace(tensor=1, flags=a.flags or wire.IN_REQUEST)
            answer(worker, message, [y, z], np.full(COUNT, 9, np.float32).tobytes())
            sent.result(TIMEOUT)
            assert (values(one, 0) == 9).all()
            assert (values(one, 3 * STEP) == 1).all()


@pytest.mark.parametrize("shift", [-8192, -256, 256, 8192])
def test_an_output_is_wanted_half_over_its_input(backend: Backend, worker: WorkerEnd, shift: int) -> None:
    with region(backend.grpc, 6 * STEP) as one:
        for _ in range(3):
            content = np.arange(COUNT)
            values(one, STEP)[:] = content
            sent = ask(backend, one, one, STEP, 3 * STEP, STEP + shift, 5 * STEP)
            message = worker.receive()
            a, b = worker.block(message).inputs
            answer(worker, message, [e._replace(flags=e.flags or wire.IN_REQUEST) for e in (a, b)])
            sent.result(TIMEOUT)
            np.testing.assert_array_equal(values(one, STEP + shift), content)


def test_a_region_that_begins_inside_its_file(backend: Backend, worker: WorkerEnd) -> None:
    """The same holds for the same file, registered again from another offset."""
    with region(backend.grpc, 5 * STEP + 65536) as one:
        for page in (4096, 8192):
            start = 2 * page  # Triton adds the region's offset once more than it should
            one.client.unregister_system_shared_memory(one.name)
            one.client.register_system_shared_memory(one.name, f"/{one.name}", 5 * STEP, offset=page)
            one.bytes[:] = 0
            for number in range(3):
                values(one, start)[:], values(one, start + STEP)[:] = page + number, 2
                sent = ask(backend, one, one, 0, STEP, 2 * STEP, 3 * STEP)
                flags = swapped(worker)
                assert all(flags) == (number > 0)
                if number == 1:
                    message = ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(worker.heard[-1]))
                    assert message.offset == page
                    assert (np.frombuffer(worker.loans[flags[0]], np.float32, COUNT, start - page) == page + 1).all()
                sent.result(TIMEOUT)
                assert (values(one, start + 3 * STEP) == page + number).all()


def test_a_batch_that_did_not_reach_its_worker_goes_to_another(backend: Backend) -> None:
    first = backend.connect(1, 1 << 19, segment=7)
    with region(backend.grpc, 4 * STEP) as one:
        for _ in range(2):
            sent = ask(backend, one, one, 0, STEP, 2 * STEP, 3 * STEP)
            swapped(first)
            sent.result(TIMEOUT)
        values(one, 0)[:] = 77
        sent = ask(backend, one, one, 0, STEP, 2 * STEP, 3 * STEP)
        while not first.sock.recv(1, 0x2 | 0x20):
            pass
        first.sock.close()
        second = backend.connect(1, 1 << 19, segment=8)
        assert swapped(second) == [0, 0]
        sent.result(TIMEOUT)
        assert (values(one, 3 * STEP) == 77).all()
    backend.forget()
