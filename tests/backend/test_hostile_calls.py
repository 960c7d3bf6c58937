"""A worker with a wrong message of a call loses its channel: its own request fails, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tritonclient.utils import InferenceServerException

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import Call, CallInput, abandon_message, room_message
from pytriton_plugins.shm.wire import ChannelMessage, TensorEntry
from tests.support.backend.caller import BYTES, FP32, HALF, SEGMENT_SIZE, Caller
from tests.support.backend.calling import LIMIT, STREAM, X, ended, run_calling, started
from tests.support.backend.server import TIMEOUT, Backend, error_of, sealed

A = CallInput("a", FP32, (3,), 0, 12)
CALL = Call("echo", [A], ["b"], [("n", 5)], id="id", area=(HALF, 64))
PACKED = CALL.pack()


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_calling(tmp_path_factory.mktemp("hostile")) as running:
        yield running


def patched(at: int, form: str, value: int) -> bytes:
    """The payload of the call with one field changed."""
    changed = bytearray(PACKED)
    struct.pack_into(form, changed, at, value)
    return bytes(changed)


def with_input(**fields: object) -> bytes:
    return CALL._replace(inputs=[A._replace(**fields)]).pack()  # type: ignore[arg-type]


INPUT = wire.CALL_HEADER.size + len("echo") + len("id")
OUTSIDE = "an input of a call outside its segment"
AREA = "an area of a call outside its segment"
NOT_FITTING = "an input of a call whose data do not fit its type and shape"
PAYLOADS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "a call that is too short"),
    "a header that is cut": (PACKED[:95], "a call that is too short"),
    "cut": (PACKED[:-1], "a call that is truncated"),
    "too long": (PACKED + b"x", "a call that is too long"),
    "unknown flags": (patched(0, "<I", 8), "a call with unknown flags"),
    "no model": (CALL._replace(model="").pack(), "a call without a model"),
    "a long model": (CALL._replace(model="x" * 256).pack(), "a call without a model"),
    "a zero byte in the model": (CALL._replace(model="a\0b").pack(), "a zero byte in a text"),
    "a zero byte in the id": (CALL._replace(id="\0").pack(), "a zero byte in a text"),
    "an id beyond the end": (patched(52, "<I", 2**32 - 1), "a call that is truncated"),
    "all the inputs there are": (patched(40, "<I", 2**32 - 1), "of a call"),
    "all the outputs there are": (patched(44, "<I", 2**32 - 1), "of a call"),
    "all the parameters there are": (patched(48, "<I", 2**32 - 1), "a call that is truncated"),
    "an area at an odd place": (CALL._replace(area=(1, 64)).pack(), AREA),
    "an area beyond the end": (CALL._replace(area=(SEGMENT_SIZE, 64)).pack(), AREA),
    "an area without an end": (CALL._replace(area=(64, 2**64 - 1)).pack(), AREA),
    "rank 0": (with_input(dims=(), length=4), "an invalid rank"),
    "rank 9": (with_input(dims=(1,) * 9, length=4), "an invalid rank"),
    "no name": (with_input(name=""), "an input of a call without a name"),
    "an unknown place": (with_input(place=2), "at an unknown place"),
    "data type 0": (with_input(dtype=0), NOT_FITTING),
    "data type 255": (with_input(dtype=255), NOT_FITTING),
    "a negative dimension": (with_input(dims=(-1,)), NOT_FITTING),
    "too many elements": (with_input(dims=(2**62, 4)), NOT_FITTING),
    "too short for its shape": (with_input(dims=(4,)), NOT_FITTING),
    "too short for its table": (with_input(dtype=BYTES, dims=(3,), length=24), NOT_FITTING),
    "data at an odd place": (with_input(offset=4), OUTSIDE),
    "data beyond the end": (with_input(offset=SEGMENT_SIZE), OUTSIDE),
    "data beyond the end of the request": (with_input(offset=1 << 30, place=1), OUTSIDE),
    "data without an end": (patched(INPUT + 16, "<Q", 2**64 - 1), NOT_FITTING),
    "an output without a name": (CALL._replace(outputs=[""]).pack(), "an output of a call without a name"),
    "a zero byte in an output": (CALL._replace(outputs=["b\0"]).pack(), "an output of a call without a name"),
    "a parameter without a name": (CALL._replace(parameters=[("", 1)]).pack(), "a parameter of a call without a name"),
    "a zero byte in a parameter": (CALL._replace(parameters=[("n", "a\0")]).pack(), "with a zero byte"),
}


def message(payload: bytes = PACKED, **fields: int) -> bytes:
    """A CALL of batch 1 with call segment 1000."""
    whole = ChannelMessage(wire.CALL, 0, 0, 1000, 1, 1, len(payload))
    return wire.CHANNEL_MESSAGE.pack(*whole._replace(**fields)) + payload


def provoke(backend: Backend, act: Callable[[Caller], object], expected: str) -> None:
    """The worker of a batch does it: the batch fails as expected, the channel ends, and the next batch works."""
    caller, answer = started(backend)
    descriptor = caller.renew_segment()
    caller.send_call(Call("echo", [A]), descriptor)
    assert caller.result().flags & wire.NO_ROOM
    caller.abandon(1)
    assert caller.result().flags == wire.FINAL
    act(caller)
    error = error_of(answer).message()
    assert (expected in error, error.startswith("model a: its worker broke the protocol: ")) == (True, True), error
    assert backend.lost.get(timeout=TIMEOUT) == caller.worker.number
    backend.forget()  # also waits until no segment is left open or mapped
    assert backend.alive


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_call_that_breaks_the_rules(backend: Backend, name: str) -> None:
    payload, expected = PAYLOADS[name]
    provoke(backend, lambda caller: caller.worker.send(message(payload, offset=2)), expected)


MESSAGES: dict[str, tuple[bytes, str]] = {
    "of another batch": (message(offset=2, batch=2), "a call of another batch"),
    "of a slot": (message(offset=2, slot=1), "a call of another batch"),
    "with another length": (message(offset=2, length=1), "a message of a wrong size"),
    "with the number of an earlier call": (message(offset=1), "the number of an earlier one"),
    "with number 0": (message(offset=0), "the number of an earlier one"),
    "with a segment that was never sent": (message(offset=2, segment=1001), "a call segment that was never sent"),
    "without its descriptor": (message(offset=2, flags=wire.NEW_SEGMENT), "without its descriptor"),
    "room for no call": (room_message(9, 1, 1000, (0, 64)), "a number that no call has"),
    "room outside": (room_message(1, 1, 1000, (SEGMENT_SIZE, 64)), AREA),
    "room of another size": (room_message(1, 1, 1000, (0, 64))[:-1], "a message of a wrong size"),
    "an abandoned call that never was": (abandon_message(9, 1), "a number that no call has"),
    "an abandoned call with a payload": (abandon_message(1, 1) + b"x", "a message of a wrong size"),
    "an unknown kind": (message(offset=2, kind=14), "a message of a wrong size"),
    "a result": (wire.CHANNEL_MESSAGE.pack(wire.RESULT, 0, 0, 0, 1, 1, 0), "a message that is not DONE"),
    "too large": (bytes(100_000), "a message of a wrong size"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_that_breaks_the_rules(backend: Backend, name: str) -> None:
    data, expected = MESSAGES[name]
    provoke(backend, lambda caller: caller.worker.send(data), expected)


def test_room_that_no_response_waits_for(backend: Backend) -> None:
    def act(caller: Caller) -> None:
        caller.call("b", ("x", X))
        caller.room(caller.number)

    provoke(backend, act, "room for a response that no call has")


def test_a_worker_that_reads_no_results(backend: Backend) -> None:
    def act(caller: Caller) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(2000):
                caller.call("nothing")

    provoke(backend, act, "a worker that does not read the results of its calls")


def test_an_answer_while_a_call_is_open(backend: Backend) -> None:
    def act(caller: Caller) -> None:
        caller.call("b", ("x", X))
        caller.finish()

    provoke(backend, act, "an answer while calls are open")


def test_more_open_calls_than_a_channel_may_have(backend: Backend) -> None:
    def act(caller: Caller) -> None:
        for _ in range(65):
            caller.call("b", ("x", X))

    provoke(backend, act, "more open calls than a channel may have")


def test_a_descriptor_that_is_no_segment(backend: Backend) -> None:
    def act(caller: Caller) -> None:
        descriptor = os.open(__file__, os.O_RDONLY)
        caller.worker.send(message(offset=2, segment=2000, flags=wire.NEW_SEGMENT), descriptor)
        os.close(descriptor)

    provoke(backend, act, "lacks its seals")


@pytest.mark.parametrize("table", [[1, 1], [0, 9], [0, 2**64 - 1], [0, 1]])
def test_a_broken_table_of_strings_is_an_error_of_the_call(backend: Backend, table: list[int]) -> None:
    caller, answer = started(backend)
    descriptor = caller.renew_segment()
    caller.memory.view[:16] = struct.pack("<2Q", *table)
    caller.send_call(Call("echo", [CallInput("text", BYTES, (1,), 0, 20)]), descriptor)
    code, text = caller.failure(1)
    assert (code, text) == (
        wire.OUTCOME_CODES["INVALID_ARG"],
        "model echo: an input of the call has an invalid table of offsets",
    )
    ended(caller, answer)


Y = TensorEntry(0, FP32, 0, 1, HALF, 12, (1, 3), wire.IN_CALLS)
IN_A_CALL = "an output outside its segment"
RETURNED: dict[str, tuple[TensorEntry, str]] = {
    "beyond the end": (Y._replace(offset=SEGMENT_SIZE), IN_A_CALL),
    "across the end": (Y._replace(offset=SEGMENT_SIZE - 64, length=128, dims=(1, 32)), IN_A_CALL),
    "an offset that overflows": (Y._replace(offset=2**64 - 64, length=128, dims=(1, 32)), IN_A_CALL),
    "an odd place": (Y._replace(offset=HALF + 8), IN_A_CALL),
    "in the request segment too": (Y._replace(flags=wire.IN_CALLS | wire.IN_REQUEST), IN_A_CALL),
    "in a loan too": (Y._replace(flags=wire.IN_CALLS | 1 << wire.LOAN_SHIFT), IN_A_CALL),
    "too short": (Y._replace(length=8), "an output whose length does not fit its shape"),
    "more than the limit": (
        Y._replace(offset=0, length=LIMIT + 4, dims=(1, LIMIT // 4 + 1)),
        "more output than the model's limit allows",
    ),
}


@pytest.mark.parametrize("name", RETURNED)
def test_a_wrong_place_of_an_output_in_the_call_segment(backend: Backend, name: str) -> None:
    entry, expected = RETURNED[name]

    def act(caller: Caller) -> None:
        caller.send_call(Call("nothing", []), caller.renew_segment(SEGMENT_SIZE + (64 if "limit" in name else 0)))
        caller.result()
        caller.finish_with(entry)

    provoke(backend, act, expected)


def test_an_output_in_a_call_segment_that_was_never_sent(backend: Backend) -> None:
    caller, answer = started(backend)
    caller.finish_with(Y._replace(offset=0, length=0, dims=(1, 0)))
    assert IN_A_CALL in error_of(answer).message()
    assert backend.lost.get(timeout=TIMEOUT) == caller.worker.number
    backend.forget()


def test_a_response_of_a_stream_in_the_call_segment(backend: Backend) -> None:
    """Its calls go on, and results may be written there."""
    caller, answer = started(backend)
    stream = Caller(backend, STREAM)
    number = caller.call("stream", ("x", X))
    stream.begin()
    stream.send_call(Call("nothing", []), stream.renew_segment())
    stream.result()
    stream.finish_with(Y, kind=wire.PART)
    code, text = caller.failure(number)
    assert (code, IN_A_CALL in text) == (wire.OUTCOME_CODES["INTERNAL"], True), text
    assert backend.lost.get(timeout=TIMEOUT) == stream.worker.number
    ended(caller, answer)
    backend.forget()


def test_an_output_in_a_call_segment_that_was_replaced_by_a_smaller_one(backend: Backend) -> None:
    def act(caller: Caller) -> None:
        for size in (SEGMENT_SIZE, HALF):
            caller.send_call(Call("nothing", []), caller.renew_segment(size))
            caller.result()
        caller.finish_with(Y)

    provoke(backend, act, IN_A_CALL)


def test_the_bytes_of_an_output_in_the_call_segment_change_all_the_time(backend: Backend) -> None:
    """Only the output itself may be wrong."""
    caller, answer = started(backend)
    caller.send_call(Call("nothing", []), caller.renew_segment())
    caller.result()
    size = SEGMENT_SIZE - HALF
    is_over = threading.Event()

    def write() -> None:
        value = 0
        while not is_over.is_set():
            caller.memory.bytes[HALF:] = value = (value + 1) % 256

    writer = threading.Thread(target=write)
    writer.start()
    try:
        caller.finish_with(Y._replace(length=size, dims=(1, size // 4)))
        assert answer.result(TIMEOUT)["y"].shape == (1, size // 4)
    finally:
        is_over.set()
        writer.join()
    backend.disconnect(caller.worker)


extreme = st.sampled_from([0, 1, 2, 7, 8, 63, 64, 255, 256, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 64, 2**64 - 1])
value = extreme | st.integers(0, 2**64 - 1) | st.integers(0, SEGMENT_SIZE)
change = st.tuples(st.integers(0, len(PACKED) - 1), st.sampled_from([1, 2, 4, 8]), value)
fields = st.dictionaries(st.sampled_from(ChannelMessage._fields), value, max_size=1)
rooms = st.tuples(st.integers(0, 3), value, value)


def test_messages_changed_at_random(backend: Backend) -> None:
    @settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(st.lists(change, max_size=3), fields, st.lists(rooms, max_size=2))
    def try_one(changes: list[tuple[int, int, int]], head: dict[str, int], after: list[tuple[int, int, int]]) -> None:
        caller, answer = started(backend)
        payload = bytearray(PACKED)
        for at, size, number in changes:
            payload[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "little")
        limits = {"offset": 2**64, "length": 2**64, "batch": 2**64}
        head = {name: number % limits.get(name, 2**32) for name, number in head.items()}
        segment = sealed(SEGMENT_SIZE)
        new = message(bytes(payload), **{"flags": wire.NEW_SEGMENT, **head})
        caller.worker.send(new, segment)
        os.close(segment)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the channel has ended
            for number, offset, length in after:
                caller.worker.send(room_message(number, 1, 1000, (offset, length)))
                caller.worker.send(abandon_message(number, 1))
        backend.disconnect(caller.worker)
        error_of(answer)
        assert backend.alive

    try_one()
    ended(*started(backend))


entry_change = st.tuples(st.integers(0, wire.TENSOR_ENTRY.size - 1), st.sampled_from([1, 2, 4, 8]), value)


def test_outputs_in_the_call_segment_changed_at_random(backend: Backend) -> None:
    whole = wire.response_block([(0, b"")], [Y])
    start = len(whole) - wire.TENSOR_ENTRY.size

    @settings(
        max_examples=150,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(st.lists(entry_change, min_size=1, max_size=2), st.sampled_from([SEGMENT_SIZE, HALF]))
    def try_one(changes: list[tuple[int, int, int]], last: int) -> None:
        caller, answer = started(backend)
        for size in (SEGMENT_SIZE, last):
            caller.send_call(Call("nothing", []), caller.renew_segment(size))
            caller.result()
        block = bytearray(whole)
        for at, size, number in changes:
            end = min(start + at + size, len(block))
            block[start + at : end] = (number % (1 << 8 * size)).to_bytes(size, "little")[: end - start - at]
        caller.finish_by(bytes(block))
        error = answer.exception(TIMEOUT)
        assert error is None or isinstance(error, InferenceServerException)
        assert backend.alive
        backend.disconnect(caller.worker)

    try_one()
    ended(*started(backend))
