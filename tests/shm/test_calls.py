"""Messages of calls between models: the vectors of tests/golden/call.txt."""

from __future__ import annotations

import pytest

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import (
    Call,
    CallInput,
    Result,
    ResultOutput,
    abandon_message,
    call_message,
    room_message,
    unpack_result,
)
from tests.support.backend.golden import golden

FP32 = 11
A = CallInput("a", FP32, (2,), 0, 8)
CALL = Call(
    "echo", [A], ["b"], [("n", -5)], id="id", timeout=5_000_000, correlation=7, flags=wire.CALL_START, area=(64, 64)
)


def test_python_writes_the_messages() -> None:
    assert call_message(1, 1, 1000, CALL.pack(), True) == golden("call", "call")
    assert room_message(2, 1, 1000, (128, 64)) == golden("call", "room")
    assert abandon_message(3, 1) == golden("call", "abandon")


def test_python_reads_the_results() -> None:
    size = wire.CHANNEL_MESSAGE.size
    output = ResultOutput("b", FP32, (2,), 64, 8)
    assert unpack_result(golden("call", "result")[size:]) == Result(0, "", 0, True, (output,), ())
    assert unpack_result(golden("call", "no_room")[size:]) == Result(0, "", 64, False, (), ())
    text = "the caller abandoned the call"
    assert unpack_result(golden("call", "result_abandoned")[size:]) == Result(7, text, 0, False, (), ())


def test_a_result_that_cannot_be_read_is_an_error_of_the_protocol() -> None:
    payload = golden("call", "result")[wire.CHANNEL_MESSAGE.size :]
    for length in range(len(payload)):
        with pytest.raises(ProtocolError, match="the result of a call cannot be read"):
            unpack_result(payload[:length])
