"""Responses that do not fit in the segment when no more memory is granted."""

from __future__ import annotations

import os

import numpy as np

from pytriton_plugins import Tensor
from pytriton_plugins.errors import ShmError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.segment import Segment, create_segment_file
from pytriton_plugins.worker.blocks.response_writer import ResponseWriter
from pytriton_plugins.worker.calling.batch import Outcome
from pytriton_plugins.worker.calling.errors import RequestFailure

TENSOR = (Tensor("x", np.float32, (1,)),)
MODEL = ModelDeclaration("m", 1, "function", "m", TENSOR, TENSOR)


class NoSegments:
    """Refuses every request for memory."""

    def request_segment(self, size: int, replaced: int) -> Segment:
        raise ShmError("no more")

    def request_call_segment(self, size: int, replaced: int) -> Segment:
        raise ShmError("no more")


def test_error_texts_without_room_are_cut() -> None:
    descriptor = create_segment_file(1 << 16)
    segment = Segment(1, descriptor, writable=True)
    os.close(descriptor)
    writer = ResponseWriter(MODEL, segment, NoSegments())
    text = "a long \N{EURO SIGN} story " * 200
    outcomes = [Outcome(i, 1, None, RequestFailure("INTERNAL", text[:1300])) for i in range(64)]
    written = writer.write(outcomes)
    block = bytes(segment.view[written.offset : written.offset + written.length])
    assert written.offset == 0
    assert written.length <= 1 << 16
    for i in range(64):
        code, length, offset = wire.OUTCOME.unpack_from(block, wire.RESPONSE_HEADER.size + i * wire.OUTCOME.size)
        assert code == wire.OUTCOME_CODES["INTERNAL"]
        assert length > 900
        assert text.startswith(block[offset : offset + length].decode())
