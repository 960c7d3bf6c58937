"""Messages and descriptors on a channel with one error each, and the end of the channel at any time."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.wire import LinkKind, LinkMessage
from tests.support.adversaries.hostile_worker import (
    BLOCK_AT,
    DONE,
    INPUTS,
    SIZE,
    Answer,
    Change,
    done,
    message_of,
    provoke,
    run_hostile,
    serve_one,
)
from tests.support.backend.server import TIMEOUT, Backend, error_of, sealed
from tests.support.backend.worker_end import WorkerEnd

F_ADD_SEALS = 1033
MESSAGES: dict[str, tuple[Change, str]] = {
    "unknown kind": (done(kind=3), "not DONE"),
    "EXECUTE": (done(kind=wire.EXECUTE), "not DONE"),
    "slot": (done(slot=1), "not DONE"),
    "batch of the past": (done(batch=0), "another batch"),
    "batch of the future": (done(batch=2), "another batch"),
    "segment 0": (done(segment=0), "without its descriptor or number"),
    "block beyond the segment": (done(offset=SIZE + 8), "outside its segment"),
    "block across the end": (done(offset=SIZE - 8), "outside its segment"),
    "block that overflows": (done(offset=2**64 - 8, length=64), "outside its segment"),
    "block that is not aligned": (done(offset=BLOCK_AT + 4), "outside its segment"),
    "block without a header": (done(length=31), "impossible length"),
    "block that is too long": (done(length=SIZE - BLOCK_AT), "impossible length"),
    "block longer than it says": (done(length=300), "for another batch"),
}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_hostile(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.mark.parametrize("name", MESSAGES)
def test_a_wrong_message(backend: Backend, name: str) -> None:
    change, expected = MESSAGES[name]
    wrong = Answer()
    change(wrong)
    provoke(backend, wrong.send, expected)


@pytest.mark.parametrize("size", [1, 39, 41, 4096, 100_000])
def test_a_message_of_another_size(backend: Backend, size: int) -> None:
    data = (message_of(Answer()) + bytes(size))[:size]
    provoke(backend, lambda worker: worker.send(data, 0), "a message of a wrong size")


def test_a_segment_that_was_never_sent(backend: Backend) -> None:
    data = message_of(Answer(), flags=0)
    provoke(backend, lambda worker: worker.send(data), "a segment that was never sent")


def test_a_new_segment_without_its_descriptor(backend: Backend) -> None:
    provoke(backend, lambda worker: worker.send(message_of(Answer())), "without its descriptor")


def test_a_descriptor_that_no_message_speaks_of(backend: Backend) -> None:
    def act(worker: WorkerEnd) -> None:
        segment = Answer().segment()
        worker.send(message_of(Answer(), flags=0, segment=0), segment)
        os.close(segment)

    provoke(backend, act, "an unexpected descriptor")


@pytest.mark.parametrize(("count", "expected"), [(2, "without its descriptor"), (3, "wrong size"), (50, "wrong size")])
def test_several_descriptors(backend: Backend, count: int, expected: str) -> None:
    def act(worker: WorkerEnd) -> None:
        segments = [Answer().segment() for _ in range(count)]
        worker.send(message_of(Answer()), *segments)
        for segment in segments:
            os.close(segment)

    provoke(backend, act, expected)


def unsealed(seals: int) -> int:
    descriptor = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, SIZE)
    os.pwrite(descriptor, Answer().block(), BLOCK_AT)
    fcntl.fcntl(descriptor, F_ADD_SEALS, seals)
    return descriptor


def huge_pages() -> int:
    """No huge page must be free: the file itself is refused."""
    descriptor = os.memfd_create("huge", os.MFD_ALLOW_SEALING | os.MFD_HUGETLB)
    os.ftruncate(descriptor, 1 << 30)
    fcntl.fcntl(descriptor, F_ADD_SEALS, 0x1 | 0x2 | 0x4)
    return descriptor


NO_SEGMENTS: dict[str, tuple[Callable[[], int], str]] = {
    "no seals": (lambda: unsealed(0), "lacks its seals"),
    "can shrink": (lambda: unsealed(0x1 | 0x4), "lacks its seals"),
    "can grow": (lambda: unsealed(0x1 | 0x2), "lacks its seals"),
    "can be sealed on": (lambda: unsealed(0x2 | 0x4), "lacks its seals"),
    "a file descriptor of a process": (lambda: os.pidfd_open(os.getpid()), "lacks its seals"),
    "a directory": (lambda: os.open("/", os.O_RDONLY), "lacks its seals"),
    "a device": (lambda: os.open("/dev/zero", os.O_RDONLY), "lacks its seals"),
    "a file": (lambda: os.open(__file__, os.O_RDONLY), "lacks its seals"),
    "a socket": (lambda: socket.socket().detach(), "lacks its seals"),
    "huge pages": (huge_pages, "has huge pages"),
    "no bytes": (lambda: sealed(0), "not a memory file"),
}


@pytest.mark.parametrize("name", NO_SEGMENTS)
def test_a_descriptor_that_is_no_segment(backend: Backend, name: str) -> None:
    make, expected = NO_SEGMENTS[name]

    def act(worker: WorkerEnd) -> None:
        descriptor = make()
        worker.send(message_of(Answer()), descriptor)
        os.close(descriptor)

    provoke(backend, act, expected)


def test_a_worker_that_ends_without_an_answer(backend: Backend) -> None:
    provoke(backend, lambda worker: worker.close(), "its worker ended while it ran this request")


@pytest.mark.parametrize("files", [0, 1, 2])
def test_an_empty_message_is_the_end_and_leaves_no_descriptor(backend: Backend, files: int) -> None:
    def act(worker: WorkerEnd) -> None:
        segments = [Answer().segment() for _ in range(files)]
        worker.send(b"", *segments)
        for segment in segments:
            os.close(segment)

    provoke(backend, act, "its worker ended while it ran this request")


def test_more_answers_than_requests(backend: Backend) -> None:
    worker = backend.connect(1)
    answer = backend.infer("golden", INPUTS["golden"])
    worker.receive()
    Answer().send(worker)
    for _ in range(5):
        worker.send(message_of(Answer()))
    assert answer.result(TIMEOUT)["y"].tolist() == [[10, 20]]
    late = backend.infer("golden", INPUTS["golden"])
    assert "an answer to another batch" in error_of(late).message()
    assert backend.lost.get(timeout=TIMEOUT) == worker.number
    worker.close()
    serve_one(backend)


def test_an_answer_before_the_question(backend: Backend) -> None:
    worker = backend.connect(1)
    Answer(done=DONE._replace(batch=0)).send(worker)
    answer = backend.infer("golden", INPUTS["golden"])
    assert "an answer to another batch" in error_of(answer).message()
    assert backend.lost.get(timeout=TIMEOUT) == worker.number
    worker.close()
    serve_one(backend)


def test_a_worker_that_answers_and_ends_at_once_has_answered(backend: Backend) -> None:
    worker = backend.connect(1)
    answer = backend.infer("golden", INPUTS["golden"])
    worker.receive()
    Answer().send(worker)
    worker.close()
    assert answer.result(TIMEOUT)["y"].tolist() == [[10, 20]]
    after = backend.connect(1)
    again = backend.infer("golden", INPUTS["golden"])
    after.receive()
    Answer().send(after)
    assert again.result(TIMEOUT)["y"].tolist() == [[10, 20]]


@pytest.mark.parametrize("kind", [LinkKind.CHANNEL_GONE, LinkKind.STOP])
def test_a_request_of_a_silent_worker_fails_when_the_daemon_gives_it_up(tmp_path: Path, kind: int) -> None:
    with run_hostile(tmp_path) as backend:
        worker = backend.connect(1)
        answer = backend.infer("golden", INPUTS["golden"])
        worker.receive()
        backend.send(LinkMessage(kind, channel=worker.number))
        expected = "the server is stopping" if kind == LinkKind.STOP else "its worker ended while it ran this request"
        assert error_of(answer).message() == f"model golden: {expected}"
        assert worker.ended()
        worker.close()
