"""The Python side of docs/reference/protocol.md against the vectors written by hand."""

from __future__ import annotations

import pytest

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.model.tensors import NUMERIC
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.details import Value, response_parameter
from pytriton_plugins.shm.ensemble import pack_ensemble
from pytriton_plugins.shm.wire import ChannelMessage, LinkKind, LinkMessage, MetricEntry, TensorEntry
from pytriton_plugins.testing.blocks import request_block
from tests.support.backend.golden import golden, sections

TOKEN = 0x1122334455667788
REQUEST = wire.RequestBlock(
    (1, 2),
    (0b11, 0b01),
    (TensorEntry(0, 11, 0, 2, 320, 24, (3, 2)), TensorEntry(1, 13, 0, 2, 384, 35, (3, 1))),
)
OUTCOMES = [(0, b""), (3, "2 rows: é!".encode())]
ONE_OUTPUT = [TensorEntry(0, 11, 0, 1, 0, 8, (1, 2))]
OUTPUTS = [TensorEntry(0, 11, 0, 1, 0, 8, (1, 2)), TensorEntry(1, 13, 0, 1, 64, 18, (1, 1))]
CHANNEL_MESSAGES = {
    "execute": ChannelMessage(wire.EXECUTE, wire.NEW_SEGMENT, 0, 7, 1, 0, 288),
    "segment": ChannelMessage(wire.SEGMENT, 0, 0, 7, 1, 0, 0),
    "execute_lent": ChannelMessage(wire.EXECUTE, wire.NEW_LOAN, 0, 7, 2, 0, 176),
    "loan": ChannelMessage(wire.LOAN, 0, 0, 1, 2, 0, 73728),
    "forget": ChannelMessage(wire.FORGET, 0, 0, 1, 0, 0, 0),
    "trim": ChannelMessage(wire.TRIM, 0, 0, 0, 0, 0, 0),
    "done": ChannelMessage(wire.DONE, wire.NEW_SEGMENT, 0, 8, 1, 128, 267),
    "part": ChannelMessage(wire.PART, wire.NEW_SEGMENT, 0, 8, 1, 128, 144),
    "taken": ChannelMessage(wire.TAKEN, 0, 0, 0, 1, 0, 0),
    "done_stream": ChannelMessage(wire.DONE, 0, 0, 8, 1, 272, 48),
    "cancel": ChannelMessage(wire.CANCEL, 0, 0, 0, 2, 0, 0),
    "part_unwanted": ChannelMessage(wire.PART, 0, 0, 8, 2, 128, 144),
    "taken_unwanted": ChannelMessage(wire.TAKEN, wire.CANCELLED, 0, 0, 2, 0, 0),
    "done_retired": ChannelMessage(wire.DONE, wire.RETIRED, 0, 8, 2, 64, 298),
}
LINK_MESSAGES = {
    "hello": LinkMessage(LinkKind.HELLO, token=2, value=1),
    "model": LinkMessage(LinkKind.MODEL, model=5, token=TOKEN),
    "long_model": LinkMessage(LinkKind.MODEL, model=5, token=TOKEN, value=153),
    "channel": LinkMessage(LinkKind.CHANNEL, model=5, channel=6, segment=7),
    "channel_gone": LinkMessage(LinkKind.CHANNEL_GONE, channel=6),
    "segment": LinkMessage(LinkKind.SEGMENT, segment=9, token=1),
    "refused": LinkMessage(LinkKind.REFUSED, token=2, payload=b"too much"),
    "gate_open": LinkMessage(LinkKind.GATE, token=TOKEN, value=1),
    "gate_closed": LinkMessage(LinkKind.GATE, token=TOKEN),
    "stop": LinkMessage(LinkKind.STOP),
    "give_up": LinkMessage(LinkKind.GIVE_UP, model=5, value=1, payload=b"no luck"),
    "take_back": LinkMessage(LinkKind.GIVE_UP, model=5),
    "count": LinkMessage(LinkKind.COUNT, token=TOKEN),
    "retire": LinkMessage(LinkKind.RETIRE, channel=6),
    "retire_after_sequences": LinkMessage(LinkKind.RETIRE, channel=6, value=30_000),
    "busy": LinkMessage(LinkKind.BUSY, channel=6, token=TOKEN),
    "metric": LinkMessage(LinkKind.METRIC, token=TOKEN),
    "ensemble": LinkMessage(LinkKind.ENSEMBLE, token=TOKEN, payload=pack_ensemble("e", 3, [("golden", -1), ("é", 2)])),
    "ensemble_withdrawn": LinkMessage(LinkKind.ENSEMBLE, token=TOKEN, payload=pack_ensemble("e", 3, [])),
    "backend_hello": LinkMessage(LinkKind.BACKEND_HELLO, token=2, value=1),
    "ack": LinkMessage(LinkKind.ACK, token=TOKEN),
    "ack_count": LinkMessage(LinkKind.ACK, token=TOKEN, value=1),
    "need": LinkMessage(LinkKind.NEED, model=5, channel=6, segment=7, token=1, value=69952),
    "need_again": LinkMessage(LinkKind.NEED, model=5, channel=6, segment=7, token=2, value=69952),
    "channel_lost": LinkMessage(LinkKind.CHANNEL_LOST, model=5, channel=6),
    "model_gone": LinkMessage(LinkKind.MODEL_GONE, model=5),
}
METRICS = {
    "counter": MetricEntry(
        wire.COUNTER, "pytriton_golden_one", "what was me", (("model", "m"), ("colour", 'ré"\\')), ((2.5, 1),)
    ),
    "gauge": MetricEntry(wire.GAUGE, "pytriton_golden_two", "", (), ((-1.5, 1),)),
    "histogram": MetricEntry(
        wire.HISTOGRAM, "pytriton_golden_size", "time", (("model", "m"),), ((0.25, 3), (3.0, 1)), (0.5, 2.0)
    ),
}


@pytest.mark.parametrize("name", CHANNEL_MESSAGES)
def test_channel_messages(name: str) -> None:
    assert wire.CHANNEL_MESSAGE.pack(*CHANNEL_MESSAGES[name]) == golden("channel", name)
    assert ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(golden("channel", name))) == CHANNEL_MESSAGES[name]


@pytest.mark.parametrize("name", LINK_MESSAGES)
def test_messages_of_the_backend_link(name: str) -> None:
    assert LINK_MESSAGES[name].pack() == golden("backend_link", name)
    assert LinkMessage.unpack(golden("backend_link", name)) == LINK_MESSAGES[name]


def test_every_kind_of_link_message_has_its_vector() -> None:
    kinds = {value for name, value in vars(LinkKind).items() if name.isupper()}
    assert {message.kind for message in LINK_MESSAGES.values()} == kinds
    assert set(sections("backend_link")) == set(LINK_MESSAGES)
    assert set(sections("channel")) == set(CHANNEL_MESSAGES)


def test_a_short_link_message_is_refused() -> None:
    with pytest.raises(ProtocolError, match="a message of 31 bytes; at least 32 are needed"):
        LinkMessage.unpack(golden("backend_link", "ack")[:31])


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name: str) -> None:
    assert METRICS[name].pack() == golden("metric", name)
    assert set(sections("metric")) == set(METRICS)


def test_a_request_block_is_read() -> None:
    padded = b"\xff" * 64 + golden("request", "block")
    assert wire.unpack_request_block(memoryview(padded), 64, 288) == REQUEST


def test_a_request_block_says_where_the_details_are() -> None:
    block = golden("request", "told") + golden("request", "block")[64:]
    assert wire.unpack_request_block(memoryview(block), 0, 288) == REQUEST._replace(details=448)


def test_a_request_block_of_tensors_that_stand_apart_is_read() -> None:
    inputs = (
        TensorEntry(0, 11, 0, 1, 512, 8, (1, 2)),
        TensorEntry(1, 13, 0, 1, 576, 17, (1, 1)),
        TensorEntry(0, 11, 1, 1, 640, 8, (2, 1)),
        TensorEntry(1, 13, 1, 1, 704, 26, (2, 1)),
    )
    expected = wire.RequestBlock((1, 2), (1, 1), inputs, 768)
    assert wire.unpack_request_block(memoryview(golden("request", "apart")), 0, 480) == expected


def test_a_request_block_of_more_outputs_than_a_word_has_bits() -> None:
    expected = wire.RequestBlock((1,), (1 << 64 | 1,), (TensorEntry(0, 11, 0, 1, 192, 8, (1, 2)),))
    assert wire.unpack_request_block(memoryview(golden("request", "many_outputs")), 0, 184) == expected
    assert request_block([1], 1 << 64 | 1, [*expected.inputs], outputs=65) == golden("request", "many_outputs")


@pytest.mark.parametrize(
    ("position", "value", "length"),
    [(0, b"PTRS", 288), (4, b"\x02\x00", 288), (8, b"\x21", 288), (0, b"", 287)],
    ids=["magic", "version", "length in the block", "length in the message"],
)
def test_a_request_block_of_another_form_is_refused(position: int, value: bytes, length: int) -> None:
    block = bytearray(golden("request", "block"))
    block[position : position + len(value)] = value
    with pytest.raises(ProtocolError, match="request block at offset 0 is not of version 1"):
        wire.unpack_request_block(memoryview(block), 0, length)


@pytest.mark.parametrize(("position", "count"), [(12, 0), (12, 5), (12, 2**32 - 1), (16, 3), (16, 2**32 - 1)])
def test_a_request_block_whose_counts_do_not_fit_is_refused(position: int, count: int) -> None:
    """The number of requests (offset 12) and of inputs (16)."""
    block = bytearray(golden("request", "block"))
    block[position : position + 4] = count.to_bytes(4, "little")
    with pytest.raises(ProtocolError, match="request block has 288 bytes for"):
        wire.unpack_request_block(memoryview(block), 0, 288)


def test_a_response_block_is_written() -> None:
    assert wire.response_block(OUTCOMES, OUTPUTS) == golden("response", "block")


def test_an_unknown_outcome_is_written() -> None:
    assert wire.response_block([(wire.OUTCOME_CODES["UNKNOWN"], b"why?")], []) == golden("response", "unknown")


def test_a_response_block_with_parameters_is_written() -> None:
    values: list[tuple[str, Value]] = [("text", "é"), ("whole", -7), ("yes", True), ("part", 0.5)]
    parameters = [response_parameter(0, name, value) for name, value in values]
    assert wire.response_block(OUTCOMES, OUTPUTS, parameters) == golden("response", "told")


def test_blocks_of_a_stream_are_written() -> None:
    assert wire.response_block([(0, b"")], ONE_OUTPUT) == golden("response", "part")
    assert wire.response_block([(0, b"")], []) == golden("response", "end")


def test_blocks_of_a_lent_tensor() -> None:
    entry = TensorEntry(0, 11, 0, 1, 5056, 65600, (2, 8200), 1 << wire.LOAN_SHIFT)
    block = golden("request", "lent")
    assert wire.unpack_request_block(memoryview(block), 0, 176) == wire.RequestBlock((2,), (1,), (entry,))
    assert wire.response_block([(0, b"")], [entry]) == golden("response", "lent")


def test_a_response_block_of_a_result_of_a_call() -> None:
    entry = ONE_OUTPUT[0]._replace(offset=64, flags=wire.IN_CALLS)
    assert wire.response_block([(0, b"")], [entry]) == golden("response", "called")


def test_data_types_have_the_documents_numbers_and_sizes() -> None:
    names = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"]
    sizes = [1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8]
    documented = list(zip(range(1, 13), names, sizes, strict=True))
    assert [(dtype.code, dtype.triton, dtype.item_size) for dtype in NUMERIC] == documented


@pytest.mark.parametrize(("position", "next_multiple"), [(0, 0), (1, 64), (63, 64), (64, 64), (65, 128)])
def test_alignment(position: int, next_multiple: int) -> None:
    assert wire.aligned(position) == next_multiple
