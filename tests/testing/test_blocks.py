"""The blocks that the test end of a channel writes and reads, compared with the vectors written by hand."""

from __future__ import annotations

from pytriton_plugins.shm.details import Detail
from pytriton_plugins.shm.wire import ResponseParameter, TensorEntry
from pytriton_plugins.testing.blocks import pack_details, request_block, unpack_response_block
from tests.support.backend.golden import golden

DETAILS = [
    Detail("r-1", 7, (("text", "é"), ("whole", -7), ("yes", True), ("part", 0.5)), 1_500_000, sequence_start=True),
    Detail("", "seq", sequence_end=True),
]


def test_details_are_written() -> None:
    assert pack_details(DETAILS) == golden("request", "details")[29:]


def test_a_request_block_is_written() -> None:
    inputs = [
        TensorEntry(0, 11, 0, 1, 512, 8, (1, 2)),
        TensorEntry(1, 13, 0, 1, 576, 17, (1, 1)),
        TensorEntry(0, 11, 1, 1, 640, 8, (2, 1)),
        TensorEntry(1, 13, 1, 1, 704, 26, (2, 1)),
    ]
    assert request_block([1, 2], 1, inputs, 768) == golden("request", "apart")
    assert pack_details([Detail(), Detail()]) == golden("request", "apart_tensors")[288:]


def test_a_response_block_is_read() -> None:
    block = b"\xff" * 128 + golden("response", "told")
    outcomes, entries, parameters = unpack_response_block(memoryview(block), 128, 398)
    assert outcomes == [(0, ""), (3, "2 rows: é!")]
    assert entries == [TensorEntry(0, 11, 0, 1, 0, 8, (1, 2)), TensorEntry(1, 13, 0, 1, 64, 18, (1, 1))]
    assert parameters == [
        ResponseParameter(0, 1, b"text", "é".encode()),
        ResponseParameter(0, 2, b"whole", (-7).to_bytes(8, "little", signed=True)),
        ResponseParameter(0, 3, b"yes", b"\1"),
        ResponseParameter(0, 4, b"part", bytes.fromhex("000000000000e03f")),
    ]
