"""The backend and Python write and read the messages of calls as in tests/golden/call.txt."""

from __future__ import annotations

import os
from pathlib import Path

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
from pytriton_plugins.shm.sockets import receive
from tests.support.backend.caller import FP32
from tests.support.backend.calling import ended, run_calling, started
from tests.support.backend.golden import golden
from tests.support.backend.server import sealed

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


def test_the_backend_reads_and_writes_the_messages(tmp_path: Path) -> None:
    with run_calling(tmp_path) as backend:
        caller, answer = started(backend)
        sock = caller.worker.sock
        segment = sealed(1 << 16, golden("call", "data"))
        caller.worker.send(golden("call", "call"), segment)
        assert receive(sock, wire.MAX_MESSAGE) == (golden("call", "result"), [])
        assert os.pread(segment, 8, 64) == golden("call", "data")
        no_area = Call("echo", [A], ["b"])
        caller.worker.send(call_message(2, 1, 1000, no_area.pack()))
        assert receive(sock, wire.MAX_MESSAGE) == (golden("call", "no_room"), [])
        caller.worker.send(golden("call", "room"))
        assert receive(sock, wire.MAX_MESSAGE)[0][4:8] == wire.FINAL.to_bytes(4, "little")
        assert os.pread(segment, 8, 128) == golden("call", "data")
        waiting = Call("b", [CallInput("x", FP32, (1, 2), 0, 8)])
        caller.worker.send(call_message(3, 1, 1000, waiting.pack()))
        caller.worker.send(golden("call", "abandon"))
        assert receive(sock, wire.MAX_MESSAGE) == (golden("call", "result_abandoned"), [])
        os.close(segment)
        ended(caller, answer)
