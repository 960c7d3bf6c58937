"""The worker of the called stream, played by a test."""

from __future__ import annotations

import os

import numpy as np

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.wire import ChannelMessage, TensorEntry
from tests.support.backend.caller import FP32
from tests.support.backend.server import Backend, sealed
from tests.support.backend.worker_end import WorkerEnd


class Parts:
    """The worker of the stream."""

    def __init__(self, backend: Backend) -> None:
        self.worker: WorkerEnd = backend.connect(7)
        self.segment = 0

    def begin(self) -> None:
        self.batch = self.worker.receive()

    def send(self, values: list[float] | None) -> None:
        """A response with the values, or the end."""
        data = np.array(values or [], np.float32).tobytes()
        entries = [] if values is None else [TensorEntry(0, FP32, 0, 1, 512, len(data), (1, len(data) // 4))]
        block = wire.response_block([(0, b"")], entries)
        self.segment += 1
        segment = sealed(4096, bytes(block).ljust(512, b"\0") + data)
        kind = wire.DONE if values is None else wire.PART
        message = ChannelMessage(kind, wire.NEW_SEGMENT, 0, self.segment, self.batch.batch, 0, len(block))
        self.worker.send(wire.CHANNEL_MESSAGE.pack(*message), segment)
        os.close(segment)

    def taken(self) -> int:
        """The flags of the next TAKEN."""
        message = ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(self.worker.sock.recv(64)))
        assert message.kind == wire.TAKEN
        return message.flags
