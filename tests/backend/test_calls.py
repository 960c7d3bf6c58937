"""Calls between models in a real tritonserver: the test is the worker that calls."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import Call, CallInput, call_message
from pytriton_plugins.shm.sockets import receive
from pytriton_plugins.shm.wire import LinkKind, LinkMessage, TensorEntry
from pytriton_plugins.testing import wait_until
from tests.support.backend.caller import FP32, HALF, Caller
from tests.support.backend.calling import X, ended, run_calling, started
from tests.support.backend.golden import golden
from tests.support.backend.parts import Parts
from tests.support.backend.server import TIMEOUT, Backend, sealed


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_calling(tmp_path_factory.mktemp("calls")) as running:
        yield running


def test_a_call_returns_the_outputs_in_its_area(backend: Backend) -> None:
    caller, answer = started(backend)
    text = np.array([b"one", b"", b"\xff"], np.object_)
    number = caller.call("echo", ("a", np.arange(3, dtype=np.float32)), ("text", text), id="some id")
    result = caller.result()
    assert (result.number, result.flags, result.result.code) == (number, wire.FINAL, 0)
    assert [each.name for each in result.result.outputs] == ["b", "out"]
    assert caller.output(result).tolist() == [0, 1, 2]
    assert caller.output(result, 1).tolist() == [b"one", b"", b"\xff"]
    assert [each.offset for each in result.result.outputs] == [HALF, HALF + 64]
    ended(caller, answer)


def test_an_input_of_the_batch_is_called_where_it_is(backend: Backend) -> None:
    caller, answer = started(backend)
    x = caller.worker.block(caller.batch).inputs[0]
    descriptor = caller.renew_segment()
    place = CallInput("a", FP32, (3,), x.offset, x.length, wire.IN_REQUEST_SEGMENT)
    caller.send_call(Call("echo", [place], outputs=["b"], area=(HALF, 64)), descriptor)
    result = caller.result()
    assert [each.name for each in result.result.outputs] == ["b"]
    assert caller.output(result).tolist() == [1, 2, 3]
    ended(caller, answer)


def test_a_result_of_a_call_is_returned_where_it_is(backend: Backend) -> None:
    """In the segment that the channel has now, also when a later call has brought it."""
    for is_replaced in (False, True):
        caller, answer = started(backend)
        caller.call("echo", ("a", X[0]), outputs=["b"], area=64)
        result = caller.result()
        if is_replaced:
            caller.send_call(Call("nothing", []), caller.renew_segment())
            caller.memory.view[HALF : HALF + 12] = np.array([4, 5, 6], np.float32).tobytes()
            caller.result()
        ((_, dtype, _, offset, length),) = result.result.outputs
        caller.finish_with(TensorEntry(0, dtype, 0, 1, offset, length, (1, 3), wire.IN_CALLS))
        assert answer.result(TIMEOUT)["y"].tolist() == ([[4, 5, 6]] if is_replaced else X.tolist())
        backend.disconnect(caller.worker)


def test_the_golden_response_in_the_call_segment(backend: Backend) -> None:
    caller, answer = started(backend)
    descriptor = caller.renew_segment()
    caller.memory.view[64:72] = golden("response", "tensors")[:8]
    caller.send_call(Call("nothing", []), descriptor)
    caller.failure(1)
    caller.finish_by(golden("response", "called"))
    assert answer.result(TIMEOUT)["y"].tolist() == [[10, 20]]
    backend.disconnect(caller.worker)


def test_a_response_that_does_not_fit_waits_for_room(backend: Backend) -> None:
    caller, answer = started(backend)
    number = caller.call("echo", ("a", np.arange(100, dtype=np.float32)), outputs=["b"], area=64)
    short = caller.result()
    assert (short.number, short.flags, short.result.needed) == (number, wire.NO_ROOM, 448)
    caller.room(number, 384)
    assert caller.result().result.needed == 448
    descriptor = caller.renew_segment()
    caller.room(number, 448, descriptor=descriptor)
    result = caller.result()
    assert (result.flags, caller.output(result).tolist()) == (wire.FINAL, list(range(100)))
    ended(caller, answer)


NO_MODEL = "Request for unknown model: 'nothing' is not found"
WRONG_TYPE = ("x", np.array([[b"text"]], np.object_))


@pytest.mark.parametrize(
    ("model", "inputs", "fields", "code", "text"),
    [
        ("nothing", [], {}, "NOT_FOUND", NO_MODEL),
        ("echo", [("a", X[0])], {"version": 9}, "NOT_FOUND", "unknown model: 'echo' version 9"),
        ("echo", [("b", X[0])], {}, "INVALID_ARG", "unexpected inference input 'b'"),
        ("echo", [("a", X[0])], {"outputs": ["z"]}, "INVALID_ARG", "unexpected inference output 'z'"),
        ("echo", [("a", X[0]), ("a", X[0])], {}, "INVALID_ARG", "input 'a' already exists"),
        ("echo", [], {}, "INVALID_ARG", "expected"),
        ("echo", [("a", np.zeros((2, 2), np.float32))], {}, "INVALID_ARG", "unexpected shape"),
        ("b", [WRONG_TYPE], {}, "INVALID_ARG", "inference input 'x' data-type is 'BYTES'"),
    ],
)
def test_what_triton_refuses_is_an_error_of_the_call(
    backend: Backend, model: str, inputs: list[tuple[str, object]], fields: dict[str, object], code: str, text: str
) -> None:
    caller, answer = started(backend)
    number = caller.call(model, *inputs, **fields)  # type: ignore[arg-type]
    found, message = caller.failure(number)
    assert (found, text in message) == (wire.OUTCOME_CODES[code], True), message
    ended(caller, answer)


def test_several_calls_are_open_at_once(backend: Backend) -> None:
    caller, answer = started(backend)
    idle = {each.worker.sock: each for each in (Caller(backend, 2), Caller(backend, 2))}
    numbers, called = [], []
    for place in range(2):  # one after the other: calls that wait at the same time may join one batch
        numbers.append(caller.call("b", ("x", X + place)))
        (sock,), _, _ = select.select(idle, (), (), TIMEOUT)
        called.append(idle.pop(sock))
        called[place].begin()
    called[1].finish()
    called[0].finish()
    results = [caller.result() for _ in numbers]
    assert sorted(each.number for each in results) == numbers
    assert all(each.flags == wire.FINAL for each in results)
    ended(caller, answer)


def test_properties_of_a_call_reach_the_called_model(backend: Backend) -> None:
    caller, answer = started(backend)
    called = Caller(backend, 2)
    parameters = [("text", "grün"), ("number", -5), ("truth", True), ("fraction", 0.5)]
    caller.call(
        "b", ("x", X), id="the id", correlation=7, flags=wire.CALL_START, timeout=60_000_000, parameters=parameters
    )
    called.begin()
    (detail,) = called.details()
    assert (detail.id, detail.correlation_id, detail.sequence_start, detail.timeout) == ("the id", 7, True, 60_000_000)
    assert dict(detail.parameters) == dict(parameters)
    called.finish()
    assert caller.result().result.code == 0
    ended(caller, answer)


def test_an_error_of_the_called_model_has_its_code_and_text(backend: Backend) -> None:
    caller, answer = started(backend)
    called = Caller(backend, 2)
    number = caller.call("b", ("x", X))
    called.begin()
    called.fail(wire.OUTCOME_CODES["ALREADY_EXISTS"], "it is there already")
    assert caller.failure(number) == (wire.OUTCOME_CODES["ALREADY_EXISTS"], "it is there already")
    ended(caller, answer)


def test_a_stream_sends_a_response_for_each_room(backend: Backend) -> None:
    caller, answer = started(backend)
    parts = Parts(backend)
    number = caller.call("parts", ("x", X), flags=wire.CALL_STREAM)
    parts.begin()
    for i in range(3):
        parts.send([i, i])
        parts.taken()
    parts.send(None)
    for i in range(3):
        result = caller.result()
        assert (result.number, result.result.response, caller.output(result).tolist()) == (number, True, [[i, i]])
        if not result.flags:
            caller.room(number)
    if not result.flags:  # the model had not ended when it was sent
        result = caller.result()
        assert (result.result.response, result.result.code) == (False, 0)
    assert result.flags == wire.FINAL
    ended(caller, answer)


@pytest.mark.parametrize("count", [0, 2])
def test_a_call_for_one_response_of_a_stream(backend: Backend, count: int) -> None:
    caller, answer = started(backend)
    parts = Parts(backend)
    number = caller.call("parts", ("x", X))
    parts.begin()
    for _ in range(count):
        parts.send([1])
        parts.taken()
    if count == 0:
        parts.send(None)
    code, text = caller.failure(number, wire.FINAL | (wire.LINGERS if count else 0))
    assert (code, text.endswith("; use .stream(…)")) == (wire.OUTCOME_CODES["UNSUPPORTED"], True)
    if count:
        parts.send([1])
        wait_until(lambda: parts.taken() == wire.CANCELLED, TIMEOUT, "the stream is cancelled")
        parts.send(None)
    ended(caller, answer)


def test_an_abandoned_call_ends_at_once_and_is_cancelled(backend: Backend) -> None:
    caller, answer = started(backend)
    called = Caller(backend, 2)
    number = caller.call("b", ("x", X))
    called.begin()
    caller.abandon(number)
    code, _ = caller.failure(number, wire.FINAL | wire.LINGERS)
    assert code == wire.OUTCOME_CODES["CANCELLED"]
    wait_until(called.is_cancelled, TIMEOUT, "the called model sees it")
    caller.abandon(number)  # has ended: no effect
    ended(caller, answer)
    called.finish()


def test_a_client_that_leaves_cancels_what_was_called(backend: Backend) -> None:
    caller = Caller(backend, 1)
    called = Caller(backend, 2)
    with tritonclient.grpc.InferenceServerClient(backend.grpc) as client:
        tensor = tritonclient.grpc.InferInput("x", X.shape, "FP32")
        tensor.set_data_from_numpy(X)
        context = client.async_infer("a", [tensor], lambda result, error: None)
        caller.begin()
        number = caller.call("b", ("x", X))
        called.begin()
        context.cancel()
        assert caller.failure(number, wire.FINAL | wire.LINGERS)[0] == wire.OUTCOME_CODES["CANCELLED"]
        assert caller.failure(caller.call("echo", ("a", X[0])))[0] == wire.OUTCOME_CODES["CANCELLED"]
    wait_until(called.is_cancelled, TIMEOUT, "the called model sees it")
    called.finish()
    caller.finish()
    ended(*started(backend))


def test_the_backend_reads_and_writes_the_vectors(backend: Backend) -> None:
    caller, answer = started(backend)
    sock = caller.worker.sock
    segment = sealed(1 << 16, golden("call", "data"))
    caller.worker.send(golden("call", "call"), segment)
    assert receive(sock, wire.MAX_MESSAGE) == (golden("call", "result"), [])
    assert os.pread(segment, 8, 64) == golden("call", "data")
    a = CallInput("a", FP32, (2,), 0, 8)
    no_area = Call("echo", [a], ["b"])
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


def test_results_that_the_worker_reads_late_are_all_there(backend: Backend) -> None:
    caller, answer = started(backend)
    numbers = [caller.call("nothing") for _ in range(300)]  # more than its socket holds
    assert [caller.failure(number)[0] for number in numbers] == [wire.OUTCOME_CODES["NOT_FOUND"]] * len(numbers)
    ended(caller, answer)


def test_an_abandoned_call_keeps_the_request_segment_that_it_reads(backend: Backend) -> None:
    caller, answer = started(backend)
    called = Caller(backend, 2)
    x = caller.worker.block(caller.batch).inputs[0]
    caller.send_call(Call("b", [CallInput("x", FP32, (1, 3), x.offset, x.length, wire.IN_REQUEST_SEGMENT)]))
    called.begin()
    caller.abandon(1)
    caller.failure(1, wire.FINAL | wire.LINGERS)
    ended(caller, answer)
    again = backend.infer("a", {"x": X})
    need = backend.needs.get(timeout=TIMEOUT)
    segment = sealed(1 << 16)
    backend.send(LinkMessage(LinkKind.SEGMENT, token=need.token, segment=700), segment)
    os.close(segment)
    caller.begin()
    assert caller.batch.segment == 700
    called.finish()
    ended(caller, again)
