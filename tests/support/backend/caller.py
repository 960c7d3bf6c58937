"""A worker that calls models while it has a batch, played by a test."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import (
    Call,
    CallInput,
    Result,
    abandon_message,
    call_message,
    room_message,
    unpack_result,
)
from pytriton_plugins.shm.details import Detail, is_cancelled, read_details
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.sockets import receive
from pytriton_plugins.shm.wire import ChannelMessage, TensorEntry
from tests.support.backend.server import Backend, sealed

FP32, BYTES = 11, 13
HALF = 1 << 19
SEGMENT_SIZE = 2 * HALF
"""Inputs of calls lie in the first half of the call segment, areas in the second."""


def caller_model(name: str) -> ModelDeclaration:
    """A model whose worker may call others."""
    x, y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
    return ModelDeclaration(name, 1, "function", name, (x,), (y,), context="ctx")


class Answer(NamedTuple):
    """A RESULT: the number of its call, the flags of the message, the payload."""

    number: int
    flags: int
    result: Result


class Caller:
    """A worker of a `caller_model`, one batch at a time."""

    def __init__(self, backend: Backend, model: int) -> None:
        self.backend = backend
        self.worker = backend.connect(model)
        self.batch = ChannelMessage(0, 0, 0, 0, 0, 0, 0)
        self.segment = 0
        self._next = 0
        self._at = 0
        self._answers = 0

    def begin(self) -> None:
        """Receive the next batch."""
        self.batch = self.worker.receive()
        self._at = 0

    @property
    def number(self) -> int:
        """The number of the last call."""
        return self._next

    def renew_segment(self, size: int = SEGMENT_SIZE) -> int:
        """A new call segment, which the next message has to bring; its descriptor."""
        self.segment += 1000
        descriptor = sealed(size)
        self.memory = Segment(self.segment, descriptor, writable=True)
        return descriptor

    def put(self, name: str, array: NDArray[Any]) -> CallInput:
        """An input whose data are in the call segment."""
        if array.dtype == np.object_:
            elements = [bytes(each) for each in array.ravel()]
            table = np.cumsum([0, *map(len, elements)]).astype("<u8").tobytes()
            data, dtype = table + b"".join(elements), BYTES
        else:
            data, dtype = array.tobytes(), FP32
        start = self._at
        self._at = wire.aligned(start + len(data))
        self.memory.view[start : start + len(data)] = data
        return CallInput(name, dtype, array.shape, start, len(data))

    def call(self, model: str, *arrays: tuple[str, NDArray[Any]], area: int = HALF, **fields: Any) -> int:
        """Send a CALL with the arrays as inputs, and an area of that length; the number of the call."""
        new = self.renew_segment() if self.segment == 0 else -1
        inputs = [self.put(*each) for each in arrays]
        self.send_call(Call(model, inputs, area=(HALF, area), **fields), new)
        return self._next

    def send_call(self, call: Call, descriptor: int = -1) -> None:
        """Send a CALL; ``descriptor`` is that of a new call segment."""
        self._next += 1
        message = call_message(self._next, self.batch.batch, self.segment, call.pack(), descriptor >= 0)
        self.send(message, descriptor)

    def send(self, message: bytes, descriptor: int = -1) -> None:
        self.worker.send(message, *[descriptor] if descriptor >= 0 else [])
        if descriptor >= 0:
            os.close(descriptor)

    def room(self, number: int, length: int = HALF, offset: int = HALF, descriptor: int = -1) -> None:
        message = room_message(number, self.batch.batch, self.segment, (offset, length), descriptor >= 0)
        self.send(message, descriptor)

    def abandon(self, number: int) -> None:
        self.worker.send(abandon_message(number, self.batch.batch))

    def result(self) -> Answer:
        """Receive the next RESULT."""
        data, descriptors = receive(self.worker.sock, wire.MAX_MESSAGE)
        assert descriptors == []
        message = ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack_from(data))
        payload = data[wire.CHANNEL_MESSAGE.size :]
        assert (message.kind, message.slot, message.segment) == (wire.RESULT, 0, 0), message
        assert (message.batch, message.length) == (self.batch.batch, len(payload))
        return Answer(message.offset, message.flags, unpack_result(payload))

    def failure(self, number: int, flags: int = wire.FINAL) -> tuple[int, str]:
        """The code and text of the next RESULT, which ends the call with an error."""
        answer = self.result()
        assert (answer.number, answer.flags, answer.result.response) == (number, flags, False)
        assert answer.result.code != 0
        return answer.result.code, answer.result.message

    def output(self, answer: Answer, index: int = 0) -> NDArray[Any]:
        """The output of a response, in the call segment."""
        _, dtype, dims, offset, length = answer.result.outputs[index]
        data = bytes(self.memory.view[offset : offset + length])
        if dtype == BYTES:
            elements, at = [], 0
            while at < len(data):
                size = int.from_bytes(data[at : at + 4], "little")
                elements.append(data[at + 4 : at + 4 + size])
                at += 4 + size
            return np.array(elements, np.object_).reshape(dims)
        return np.frombuffer(data, np.float32).reshape(dims)

    def details(self) -> list[Detail]:
        """The details of the requests of the batch."""
        return read_details(self._view(), self.worker.block(self.batch).details)

    def is_cancelled(self) -> bool:
        """Whether no client waits for the first request of the batch."""
        return is_cancelled(self._view(), self.worker.block(self.batch).details, 0)

    def _view(self) -> memoryview:
        assert self.worker.request is not None
        return self.worker.request.view

    def finish(self) -> None:
        """Answer the batch with its input."""
        block = self.worker.block(self.batch)
        (x,) = block.inputs
        entry = TensorEntry(0, x.dtype, 0, len(block.rows), x.offset, x.length, x.dims, wire.IN_REQUEST)
        self._answer(wire.response_block([(0, b"")] * len(block.rows), [entry]))

    def finish_with(self, *outputs: TensorEntry, kind: int = wire.DONE) -> None:
        """Answer the batch of one request with these entries."""
        self._answer(wire.response_block([(0, b"")], [*outputs]), kind)

    def fail(self, code: int, text: str) -> None:
        """Answer the batch of one request with an error."""
        self._answer(wire.response_block([(code, text.encode())], []))

    def finish_by(self, block: bytes) -> None:
        """Answer the batch with the bytes of a block."""
        self._answer(bytearray(block))

    def _answer(self, content: bytearray, kind: int = wire.DONE) -> None:
        self._answers += 1
        segment = sealed(1 << 12, bytes(content))
        done = ChannelMessage(kind, wire.NEW_SEGMENT, 0, 900 + self._answers, self.batch.batch, 0, len(content))
        self.send(wire.CHANNEL_MESSAGE.pack(*done), segment)
