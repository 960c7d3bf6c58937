"""A worker with a wrong answer, which costs exactly one request.

The worker is a test double, because a real worker never sends these answers. tritonserver, the backend and the clients
are real.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.wire import ChannelMessage, TensorEntry
from pytriton_plugins.testing import wait_until
from tests.support.backend.golden import golden
from tests.support.backend.server import GOLDEN, TIMEOUT, WAIT, Arrays, Backend, error_of, run_backend, sealed
from tests.support.backend.worker_end import WorkerEnd

SIZE = 1 << 16
BLOCK_AT = 4096
LIMIT = 1 << 15
"""The limit of the bytes that one batch may return."""

SHAPED = ModelDeclaration(
    "shaped",
    1,
    "function",
    "shaped",
    (Tensor("a", np.uint8, (2,)),),
    (Tensor("b", np.int16, (-1, -1, 3)),),
    max_batch_size=0,
)
LENIENT = replace(SHAPED, name="lenient", lenient=True)
Y = TensorEntry(0, 11, 0, 1, 0, 8, (1, 2))
LABEL = TensorEntry(1, 13, 0, 1, 64, 18, (1, 1))
B = TensorEntry(0, 7, 0, 1, 0, 12, (1, 2, 3))

DONE = ChannelMessage(wire.DONE, wire.NEW_SEGMENT, 0, 900, 1, BLOCK_AT, 0)
"""Segment 900 comes with it; `Answer.message` sets the length."""


@dataclass
class Answer:
    """A correct answer to the request of this module; each test makes one part wrong."""

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
        return wire.RESPONSE_HEADER.pack(self.magic, self.version, 0, length, self.requests, count, 0) + body

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
    """Changes the table of offsets of the label."""

    def change(answer: Answer) -> None:
        answer.tensors[64 : 64 + 8 * len(offsets)] = struct.pack(f"<{len(offsets)}Q", *offsets)

    return change


@contextlib.contextmanager
def run_hostile(folder: Path) -> Iterator[Backend]:
    """A server with this module's models: number 1 is the golden one, 2 the shaped one, 3 the lenient one."""
    with run_backend(folder) as running:
        for number, model in enumerate((GOLDEN, SHAPED, LENIENT), 1):
            running.serve(number, model, pack_declaration(model, wait=WAIT, largest_response=LIMIT))
        yield running


INPUTS: dict[str, Arrays] = {
    "golden": {"x": np.array([[1, 2]], np.float32)},
    "shaped": {"a": np.array([1, 2], np.uint8)},
    "lenient": {"a": np.array([1, 2], np.uint8)},
}


def provoke(backend: Backend, act: Callable[[WorkerEnd], object], expected: str, model: str = "golden") -> None:
    """Send one request whose worker calls ``act``: it fails as expected, its channel ends, the next request works."""
    worker = backend.connect([*INPUTS].index(model) + 1)
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
    """Send a request and a correct answer over a new channel."""
    worker = backend.connect(1)
    answer = backend.infer("golden", INPUTS["golden"])
    worker.receive()
    Answer().send(worker)
    outputs = answer.result(TIMEOUT)
    assert (outputs["y"].tolist(), outputs["label"].tolist()) == ([[10, 20]], [[b"ok"]])
    backend.disconnect(worker)
    assert backend.lost.empty()


def message_of(answer: Answer, **fields: int) -> bytes:
    return wire.CHANNEL_MESSAGE.pack(*answer.message()._replace(**fields))
