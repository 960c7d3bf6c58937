"""A worker that answers wrongly costs the request that it answers and nothing else; runs in pytest.

The worker is a test double, for exactly this: no honest worker sends what is sent here. tritonserver, the backend and
the clients are real.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty

import numpy as np
import pytest
from backend import GOLDEN, TIMEOUT, Arrays, Backend, WorkerEnd, error_of, run_backend, sealed
from golden import golden

from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.wire import ChannelMessage, TensorEntry, pack_declaration
from pytriton_plugins.tensors import Tensor
from pytriton_plugins.testing import wait_until

SIZE = 1 << 16
BLOCK_AT = 4096
LIMIT = 1 << 15
"""Bytes that one batch may answer with."""

F_ADD_SEALS = 1033
SHAPED = ModelDeclaration(
    "shaped",
    1,
    "function",
    "shaped",
    (Tensor("a", np.uint8, (2,)),),
    (Tensor("b", np.int16, (-1, -1, 3)),),
    max_batch_size=0,
)
Y = TensorEntry(0, 11, 0, 1, 0, 8, (1, 2))
LABEL = TensorEntry(1, 13, 0, 1, 64, 18, (1, 1))
B = TensorEntry(0, 7, 0, 1, 0, 12, (1, 2, 3))

DONE = ChannelMessage(wire.DONE, wire.NEW_SEGMENT, 0, 900, 1, BLOCK_AT, 0)
"""Segment 900 comes with it; the length is filled in."""


@dataclass
class Answer:
    """A right answer to the request of this module, for each test to make wrong in one place."""

    tensors: bytearray = field(default_factory=lambda: bytearray(golden("response", "tensors")))
    magic: bytes = b"PTRS"
    version: int = 1
    length: int | None = None
    requests: int = 1
    outputs: int | None = None
    outcomes: list[tuple[int, int, int]] = field(default_factory=lambda: [(0, 0, 0)])
    entries: list[TensorEntry] = field(default_factory=lambda: [Y, LABEL])
    rank: int | None = None
    messages: bytes = b""
    done: ChannelMessage = DONE
    size: int = SIZE

    def block(self) -> bytes:
        count = len(self.entries) if self.outputs is None else self.outputs
        body = b"".join(wire.OUTCOME.pack(*outcome) for outcome in self.outcomes)
        body += b"".join(self._entry(entry) for entry in self.entries) + self.messages
        length = wire.RESPONSE_HEADER.size + len(body) if self.length is None else self.length
        return wire.RESPONSE_HEADER.pack(self.magic, self.version, 0, length, self.requests, count, 0, 1) + body

    def _entry(self, entry: TensorEntry) -> bytes:
        packed = bytearray(wire.TENSOR_ENTRY.size)
        entry.pack_into(memoryview(packed), 0)
        if self.rank is not None:
            packed[5] = self.rank
        return bytes(packed)

    def segment(self) -> int:
        """The response segment; the caller closes it."""
        descriptor = sealed(self.size, bytes(self.tensors))
        os.pwrite(descriptor, self.block(), BLOCK_AT)
        return descriptor

    def message(self) -> ChannelMessage:
        return self.done._replace(length=self.done.length or len(self.block()))

    def send(self, worker: WorkerEnd) -> None:
        segment = self.segment()
        worker.send(wire.CHANNEL_MESSAGE.pack(*self.message()), segment)
        os.close(segment)


Change = Callable[[Answer], object]


def entries(*changed: TensorEntry) -> Change:
    return lambda answer: setattr(answer, "entries", list(changed))


def y(**fields: object) -> Change:
    return entries(Y._replace(**fields), LABEL)  # type: ignore[arg-type]


def label(**fields: object) -> Change:
    return entries(Y, LABEL._replace(**fields))  # type: ignore[arg-type]


def b(**fields: object) -> Change:
    return entries(B._replace(**fields))  # type: ignore[arg-type]


def done(**fields: int) -> Change:
    return lambda answer: setattr(answer, "done", answer.done._replace(**fields))


def block(**fields: object) -> Change:
    def change(answer: Answer) -> None:
        for name, value in fields.items():
            setattr(answer, name, value)

    return change


def outcome(code: int, length: int, offset: int, messages: bytes = b"") -> Change:
    return block(outcomes=[(code, length, offset)], messages=messages)


def table(*offsets: int) -> Change:
    """The table of offsets of the label."""

    def change(answer: Answer) -> None:
        answer.tensors[64 : 64 + 8 * len(offsets)] = struct.pack(f"<{len(offsets)}Q", *offsets)

    return change


BLOCKS: dict[str, tuple[Change, str]] = {
    "magic": (block(magic=b"PTRQ"), "no response block of this version"),
    "version": (block(version=2), "no response block of this version"),
    "length too small": (block(length=31), "for another batch"),
    "length too large": (block(length=1 << 20), "for another batch"),
    "request count": (block(requests=2), "for another batch"),
    "no request": (block(requests=0), "for another batch"),
    "more outputs than entries": (block(outputs=3), "that is cut"),
    "outputs beyond the block": (block(entries=[Y], outputs=2), "that is cut"),
    "outputs beyond 32 bits": (block(outputs=0xFFFFFFFF), "that is cut"),
    "unknown outcome": (outcome(8, 0, 0), "unknown outcome"),
    "huge outcome": (outcome(0xFFFFFFFF, 0, 0), "unknown outcome"),
    "text beyond the block": (outcome(1, 10, 1 << 20), "error text outside its block"),
    "text across the end": (outcome(1, 10, 235), "error text outside its block"),
    "text whose end overflows": (outcome(1, 10, 2**64 - 4), "error text outside its block"),
    "text too long": (
        block(outcomes=[(1, 4097, 144)], entries=[Y], messages=b"x" * 4097),
        "error text outside its block",
    ),
    "a text where all is well": (outcome(0, 4097, 0), "error text outside its block"),
    "no output": (entries(), "no output where one is wanted"),
    "one output missing": (entries(Y), "no output where one is wanted"),
    "an output twice": (block(entries=[Y, Y]), "comes twice"),
    "an output that is not declared": (entries(Y, LABEL._replace(tensor=2)), "not declared"),
    "a huge index": (entries(Y, LABEL._replace(tensor=0xFFFFFFFF)), "not declared"),
    "another data type": (y(dtype=8), "another data type"),
    "no data type": (y(dtype=0), "another data type"),
    "an unknown data type": (y(dtype=255), "another data type"),
    "another request": (y(first=1), "not in the batch"),
    "no request covered": (y(requests=0), "not in the batch"),
    "more requests than there are": (y(requests=2), "not in the batch"),
    "requests that overflow": (y(first=0xFFFFFFFF, requests=2), "not in the batch"),
    "rank 0": (block(rank=0), "another rank"),
    "rank 1": (block(rank=1), "another rank"),
    "rank 9": (block(rank=9), "another rank"),
    "rank 255": (block(rank=255), "another rank"),
    "two rows": (y(dims=(2, 1)), "another number of rows"),
    "no rows": (y(dims=(0, 2), length=0), "another number of rows"),
    "negative rows": (y(dims=(-1, 2)), "another number of rows"),
    "a negative dimension": (y(dims=(1, -2)), "a shape that cannot be"),
    "elements that overflow": (y(dims=(1, 2**62)), "length does not fit"),
    "elements that overflow to nothing": (y(dims=(1, 2**62), length=0), "length does not fit"),
    "another fixed dimension": (label(dims=(1, 2)), "another shape"),
    "too short": (y(length=4), "length does not fit"),
    "too long": (y(length=12), "length does not fit"),
    "a length of nothing": (y(length=0), "length does not fit"),
    "an offset beyond the segment": (y(offset=SIZE + 64), "outside its segment"),
    "an offset across the end": (y(offset=SIZE - 64, length=128, dims=(1, 32)), "outside its segment"),
    "an offset that overflows": (y(offset=2**64 - 64, length=128, dims=(1, 32)), "outside its segment"),
    "a huge length": (y(length=2**64 - 1), "outside its segment"),
    "an offset that is not aligned": (y(offset=8), "outside its segment"),
    "no room for the table": (label(length=15), "without its table"),
    "more output than the limit": (y(length=LIMIT + 4, dims=(1, LIMIT // 4 + 1)), "more output than the model's limit"),
}
"""Blocks that are wrong: name, what is wrong, and what the backend must say."""

SHAPES: dict[str, tuple[Change, str]] = {
    "one negative": (b(dims=(1, -2, 3)), "a shape that cannot be"),
    "two negative": (b(dims=(-1, -2, 3)), "a shape that cannot be"),
    "overflow": (b(dims=(2**62, 2**62, 3)), "a shape that cannot be"),
    "overflow to the right length": (b(dims=(2**63 - 1, 2, 3)), "a shape that cannot be"),
    "a fixed dimension": (b(dims=(1, 3, 2)), "another shape"),
    "another rank": (b(dims=(2, 3)), "another rank"),
    "two entries": (entries(B, B), "that is cut"),
    "two requests": (b(requests=2), "not in the batch"),
}
"""The same for a model without a batch axis, with two free dimensions."""

TABLES = {
    "an end beyond the data": table(0, 3),
    "an end that overflows": table(0, 2**64 - 1),
    "a start behind the end": table(2, 1),
    "a start beyond the data": table(1 << 40, 1 << 40),
}

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
    folder: Path = tmp_path_factory.mktemp("hostile")
    with run_backend(folder) as running:
        for number, model in enumerate((GOLDEN, SHAPED), 1):
            running.serve(number, model, pack_declaration(model, wait=5.0, largest_response=LIMIT))
        yield running


INPUTS: dict[str, Arrays] = {
    "golden": {"x": np.array([[1, 2]], np.float32)},
    "shaped": {"a": np.array([1, 2], np.uint8)},
}


def provoke(backend: Backend, act: Callable[[WorkerEnd], object], expected: str, model: str = "golden") -> None:
    """One request whose worker acts as told: it fails as expected, its channel ends, and the next request works."""
    worker = backend.connect(1 if model == "golden" else 2)
    answer = backend.infer(model, INPUTS[model])
    worker.receive()
    act(worker)
    error = error_of(answer)
    assert expected in error.message()
    assert error.message().startswith(f"model {model}: ")
    assert backend.lost.get(timeout=TIMEOUT) == worker.number
    assert backend.alive
    worker.close()
    wait_until(lambda: not backend.descriptors("memfd:"), TIMEOUT, "no segment is left open or mapped")
    serve_one(backend)


def serve_one(backend: Backend) -> None:
    """A request and a right answer over a fresh channel."""
    worker = backend.connect(1)
    answer = backend.infer("golden", INPUTS["golden"])
    worker.receive()
    Answer().send(worker)
    outputs = answer.result(TIMEOUT)
    assert (outputs["y"].tolist(), outputs["label"].tolist()) == ([[10, 20]], [[b"ok"]])
    backend.disconnect(worker)
    with pytest.raises(Empty):
        backend.lost.get_nowait()


@pytest.mark.parametrize("name", BLOCKS)
def test_a_wrong_block(backend: Backend, name: str) -> None:
    change, expected = BLOCKS[name]
    wrong = Answer()
    change(wrong)
    provoke(backend, wrong.send, expected)


@pytest.mark.parametrize("name", SHAPES)
def test_a_wrong_shape_of_a_model_without_a_batch_axis(backend: Backend, name: str) -> None:
    change, expected = SHAPES[name]
    wrong = Answer()
    change(wrong)
    provoke(backend, wrong.send, expected, "shaped")


@pytest.mark.parametrize("name", TABLES)
def test_a_wrong_table_of_offsets(backend: Backend, name: str) -> None:
    wrong = Answer()
    TABLES[name](wrong)
    provoke(backend, wrong.send, "a broken table of offsets")


@pytest.mark.parametrize("name", MESSAGES)
def test_a_wrong_message(backend: Backend, name: str) -> None:
    change, expected = MESSAGES[name]
    wrong = Answer()
    change(wrong)
    provoke(backend, wrong.send, expected)


def message_of(answer: Answer, **fields: int) -> bytes:
    return wire.CHANNEL_MESSAGE.pack(*answer.message()._replace(**fields))


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

    provoke(backend, act, "a descriptor that the message does not speak of")


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
    """None need to be free: the file alone is enough to be refused."""
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
    "no bytes": (lambda: sealed(0), "no memory file"),
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
    Answer(done=Answer().done._replace(batch=0)).send(worker)
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


def test_texts_and_outputs_that_only_look_wrong_are_taken(backend: Backend) -> None:
    """An entry nobody asked for is left out, an error's text may be empty, and an output may be of no size."""
    empty = replace(Answer(), entries=[Y._replace(length=0, dims=(1, 0)), LABEL])
    worker = backend.connect(1)
    answer = backend.infer("golden", INPUTS["golden"])
    worker.receive()
    empty.send(worker)
    assert answer.result(TIMEOUT)["y"].shape == (1, 0)
    backend.disconnect(worker)
