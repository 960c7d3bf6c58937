"""Calls of a callable over its channel: what a backend may send, and what it must not."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Context, Tensor, infer_func
from pytriton_plugins.errors import ModelCallError, ProtocolError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import Call
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.shm.sockets import send
from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.call_blocks import pack_error, pack_no_room, pack_result, unpack_call
from pytriton_plugins.testing.called import CallEnd
from pytriton_plugins.testing.served import ServedChannel, open_channel
from pytriton_plugins.worker.calling.errors import RequestFailure

X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
ONE = {"x": np.ones((1, 4), np.float32)}
FP32 = 11


@infer_func(inputs=X, outputs=Y, name="caller")
def caller(x: Any, ctx: Context) -> Any:
    return ctx.models["called"](x=x)["y"]


@infer_func(inputs=X, outputs=Y, name="caller")
async def acaller(x: Any, ctx: Context) -> Any:
    return (await ctx.models["called"].call(x=x))["y"]


def declared(marked: Any) -> ModelDeclaration:
    declaration = declaration_of(marked)
    assert declaration is not None
    return declaration


class Scripted(CallEnd):
    """Answers each CALL with messages of a test."""

    def __init__(self, channel: ServedChannel, answer: Callable[[wire.ChannelMessage, Call], list[bytes]]) -> None:
        super().__init__(channel.called._sock, channel.called._callees)
        self._answer = answer
        self.kinds: list[int] = []

    def handle(self, message: wire.ChannelMessage, payload: bytes, descriptors: list[int], request: Any) -> None:
        self.kinds.append(message.kind)
        if message.kind == wire.CALL:
            self.calls.append(unpack_call(payload))
            for each in self._answer(message, self.calls[-1]):
                send(self._sock, each)
        for descriptor in descriptors:
            os.close(descriptor)


def result(message: wire.ChannelMessage, payload: bytes, flags: int = wire.FINAL, **other: int) -> bytes:
    fields = {"batch": message.batch, "number": message.offset, "length": len(payload), **other}
    head = (wire.RESULT, flags, 0, 0, fields["batch"], fields["number"], fields["length"])
    return wire.CHANNEL_MESSAGE.pack(*head) + payload


def output(at: int, length: int = 16, dims: tuple[int, ...] = (1, 4), dtype: int = FP32) -> bytes:
    return pack_result([("y", dtype, dims, at, length)], 1)


@pytest.mark.parametrize("marked", [caller, acaller])
@pytest.mark.parametrize(
    "bad",
    [
        lambda message, call: result(message, output(call.area[0]), number=99),
        lambda message, call: result(message, output(call.area[0]), batch=7),
        lambda message, call: result(message, output(call.area[0]), length=3),
        lambda message, call: result(message, output(call.area[0])[:-1]),
        lambda message, call: result(message, b""),
        lambda message, call: result(message, wire.RESULT_HEADER.pack(77, 0, 0, 0, 0, 0)),
        lambda message, call: result(message, output(call.area[0] - 64)),
        lambda message, call: result(message, output(call.area[0] + call.area[1])),
        lambda message, call: result(message, output(call.area[0], 1 << 40)),
        lambda message, call: result(message, output(call.area[0], 16, (-1, 4))),
        lambda message, call: result(message, output(call.area[0], 16, (1, 5))),
        lambda message, call: result(message, output(call.area[0], 16, (1, 4), 99)),
        lambda message, call: result(message, output(call.area[0], 16, (1 << 62, 1 << 62), 13)),
        lambda message, call: wire.CHANNEL_MESSAGE.pack(wire.EXECUTE, 0, 0, 1, message.batch + 1, 0, 64),
    ],
)
def test_a_result_that_breaks_the_protocol_ends_the_channel(marked: Any, bad: Any) -> None:
    with open_channel(declared(marked), marked) as channel:
        scripted = channel.called = Scripted(channel, lambda message, call: [bad(message, call)])
        channel.ask(ONE)
        with pytest.raises(AssertionError, match="the worker's loop ended without an answer"):
            channel.answered()
        assert isinstance(channel.ended_by, ProtocolError)
        assert wire.DONE not in scripted.kinds


@pytest.mark.parametrize("marked", [caller, acaller])
def test_a_call_that_lingers_leaves_its_segment(marked: Any) -> None:
    segments = []

    def answer(message: wire.ChannelMessage, call: Call) -> list[bytes]:
        segments.append(message.segment)
        return [result(message, pack_error("CANCELLED", "over"), wire.FINAL | wire.LINGERS)]

    with open_channel(declared(marked), marked) as channel:
        channel.called = Scripted(channel, answer)
        for _ in range(2):
            (failure,) = channel.send(ONE).outcomes
            assert failure == RequestFailure("CANCELLED", "call of model 'called': over")
    assert len(set(segments)) == 2


@pytest.mark.parametrize("is_async", [False, True])
def test_the_error_of_a_call_keeps_no_arrays(is_async: bool) -> None:
    """Also without the garbage collector."""
    seen: list[weakref.ref[Any]] = []

    @infer_func(inputs=X, outputs=Y, name="caller")
    def fails(x: Any, ctx: Context) -> Any:
        seen.append(weakref.ref(x))
        return ctx.models["called"](x=x)["y"]

    @infer_func(inputs=X, outputs=Y, name="caller")
    async def afails(x: Any, ctx: Context) -> Any:
        seen.append(weakref.ref(x))
        return (await ctx.models["called"].call(x=x))["y"]

    marked: Any = afails if is_async else fails
    with open_channel(declared(marked), marked) as channel:
        error = pack_error(
            "INVALID_ARG", "over"
        )  # others are logged with their frames, and pytest keeps what is logged
        channel.called = Scripted(channel, lambda message, call: [result(message, error)])
        gc.disable()
        try:
            assert channel.send(ONE).outcomes == [RequestFailure("INVALID_ARG", "call of model 'called': over")]
            assert [each() for each in seen] == [None]
        finally:
            gc.enable()


@pytest.mark.parametrize("marked", [caller, acaller])
def test_a_response_without_room_gets_it_and_the_next_call_has_it_at_once(marked: Any) -> None:
    big = {"x": np.ones((1, 100_000), np.float32)}
    with open_channel(declared(marked), marked, models={"called": lambda x: {"y": x}}) as channel:
        for _ in range(2):
            (outputs,) = channel.send(big).outcomes
            assert isinstance(outputs, Mapping)
            assert outputs["y"].sum() == 100_000
        areas = [call.area[1] for call in channel.called.calls]
        assert areas == [1 << 15, 400_000]
        assert channel.needs[:2] == [areas[0], areas[0] + 400_000]


@pytest.mark.parametrize("marked", [caller, acaller])
def test_no_memory_for_a_response(marked: Any) -> None:
    with open_channel(declared(marked), marked) as channel:

        def answer(message: wire.ChannelMessage, call: Call) -> list[bytes]:
            channel.is_full = True
            cancelled = result(message, pack_error("CANCELLED", "abandoned"))
            return [result(message, pack_no_room(1 << 30), wire.NO_ROOM), cancelled]

        scripted = channel.called = Scripted(channel, answer)
        (failure,) = channel.send(ONE).outcomes
        assert failure == RequestFailure("UNAVAILABLE", "call of model 'called': no more memory")
        assert scripted.kinds[:2] == [wire.CALL, wire.ABANDON]


def test_inputs_of_the_batch_and_results_of_calls_are_not_copied() -> None:
    @infer_func(inputs=X, outputs=Y, name="caller")
    def chain(x: Any, ctx: Context) -> Any:
        called = ctx.models["called"]
        first = called(x=x)["y"]
        return called(x=called(x=first)["y"][:1])["y"]

    big = {"x": np.ones((2, 100_000), np.float32)}
    with open_channel(
        declared(chain), chain, models={"called": lambda x: {"y": np.resize(x + 1, (2, 100_000))}}
    ) as channel:
        (outputs,) = channel.send(big).outcomes
        (outputs,) = channel.send(big).outcomes
        assert isinstance(outputs, Mapping)
        assert outputs["y"].mean() == 4
        places = [call.inputs[0].place for call in channel.called.calls[-3:]]
        assert places == [wire.IN_REQUEST_SEGMENT, wire.IN_CALL_SEGMENT, wire.IN_CALL_SEGMENT]
        assert channel.called.calls[-2].inputs[0].offset == channel.called.calls[-3].area[0]


def test_the_options_and_what_the_batch_hands_on() -> None:
    @infer_func(inputs=X, outputs=Y, name="caller", timeout=10)
    def options(x: Any, ctx: Context) -> Any:
        called = ctx.models["called", 3]
        called(x=x)
        called(x=x, id="own", priority=2, timeout=1.5, sequence_id=9, sequence_start=True, sequence_end=True)
        return called(x=x, parameters={"a": 1, "b": np.float64(2.5), "c": "ü", "d": True}, outputs=["y"])["y"]

    with open_channel(declared(options), options, models={("called", 3): lambda x: {"y": x, "z": x}}) as channel:
        (outputs,) = channel.send(ONE, details=[Detail("given", timeout=4_000_000)]).outcomes
        assert isinstance(outputs, Mapping)
        (outputs,) = channel.send(ONE).outcomes
        assert isinstance(outputs, Mapping)
        first, second, third, of_model, *_ = channel.called.calls
    assert 0 < of_model.timeout <= 9_800_000
    assert (first.version, first.id, first.priority, first.correlation, first.flags, first.outputs) == (
        3,
        "given",
        0,
        0,
        0,
        [],
    )
    assert 0 < first.timeout <= 4_000_000
    assert (second.id, second.priority, second.correlation, second.flags) == (
        "own",
        2,
        9,
        wire.CALL_START | wire.CALL_END,
    )
    assert 0 < second.timeout <= 1_500_000
    assert third.parameters == [("a", 1), ("b", 2.5), ("c", "ü"), ("d", True)]
    assert third.outputs == ["y"]


def test_a_stream_that_is_left_is_cancelled_and_its_call_ends_before_the_answer() -> None:
    left = threading.Event()

    def endless(x: Any) -> Iterator[Any]:
        try:
            while True:
                yield {"y": x}
        finally:
            left.set()

    @infer_func(inputs=X, outputs=Y, name="caller")
    def leave(x: Any, ctx: Context) -> Any:
        for part in ctx.models["called"].stream(x=x):
            return part["y"]

    with open_channel(declared(leave), leave, models={"called": endless}) as channel:
        for _ in range(2):
            (outputs,) = channel.send(ONE).outcomes
            assert isinstance(outputs, Mapping)
        gc.collect()
        wait_until(left.is_set, what="the generator is closed")
        assert not channel.called._open


def test_64_streams_that_are_not_read_leave_no_place_for_a_call() -> None:
    @infer_func(inputs=X, outputs=Y, name="caller")
    def open_many(x: Any, ctx: Context) -> Any:
        streams = [ctx.models["called"].stream(x=x) for _ in range(64)]
        for stream in streams:
            next(stream)
        with pytest.raises(ModelCallError, match="64 streams of this batch are open and not read; close some of them"):
            ctx.models["called"](x=x)
        streams[0].close()
        return next(ctx.models["called"].stream(x=x))["y"]

    def pair(x: Any) -> Iterator[Any]:
        yield {"y": x}
        yield {"y": x}

    with open_channel(declared(open_many), open_many, models={"called": pair}) as channel:
        (outputs,) = channel.send(ONE).outcomes
        assert isinstance(outputs, Mapping), outputs


def test_a_task_that_is_cancelled_cancels_its_call() -> None:
    cancelled = threading.Event()

    @infer_func(inputs=X, outputs=Y, name="caller")
    async def impatient(x: Any, ctx: Context) -> Any:
        try:
            await asyncio.wait_for(ctx.models["called"].call(x=x), 0.01)
        except asyncio.TimeoutError:
            cancelled.set()
        return x

    def slow(x: Any) -> Any:
        cancelled.wait(60)
        return {"y": x}

    with open_channel(declared(impatient), impatient, models={"called": slow}) as channel:
        (outputs,) = channel.send(ONE).outcomes
        assert isinstance(outputs, Mapping)
        assert not channel.called._open


@pytest.mark.parametrize("marked", [caller, acaller])
def test_a_trim_gives_the_memory_back(marked: Any) -> None:
    big = {"x": np.ones((1, 500_000), np.float32)}
    with open_channel(declared(marked), marked, models={"called": lambda x: {"y": x * 2}}) as channel:
        channel.send(big)
        channel.tell(wire.TRIM)
        (outputs,) = channel.send(big).outcomes
        assert isinstance(outputs, Mapping)
        assert outputs["y"].mean() == 2
