"""Calls of a callable by several threads and tasks of its own."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Context, Tensor, infer_func
from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.sockets import send
from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.call_blocks import pack_error
from pytriton_plugins.testing.called import CallEnd
from pytriton_plugins.testing.served import ServedChannel, open_channel

X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
ONE = {"x": np.ones((1, 4), np.float32)}
TIMEOUT = 60.0


def opened(marked: Any, **models: Any) -> Any:
    declaration = declaration_of(marked)
    assert declaration is not None
    return open_channel(declaration, marked, models=models)


def answer(channel: ServedChannel) -> Any:
    (outputs,) = channel.send(ONE).outcomes
    assert isinstance(outputs, Mapping), outputs
    return outputs["y"]


def double(x: Any) -> dict[str, Any]:
    return {"y": x * 2}


class Pair:
    """A called model with two responses, the second one when the test frees it."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def __call__(self, x: Any) -> Iterator[dict[str, Any]]:
        yield {"y": x}
        assert self.free.wait(TIMEOUT)
        yield {"y": x * 2}


@pytest.fixture
def often() -> Iterator[None]:
    """Threads take turns as often as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def first_use_in_threads(x: Any, ctx: Context) -> Any:
    start = threading.Barrier(8)

    def call(number: int) -> Any:
        start.wait(TIMEOUT)
        return ctx.models["called"](x=x * number)["y"]

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(call, range(8)))


@pytest.mark.usefixtures("often")
def test_the_first_use_of_the_models_by_several_threads_at_once() -> None:
    marked = infer_func(inputs=X, outputs=Y, name="caller")(first_use_in_threads)
    for _ in range(5):
        with opened(marked, called=double) as channel:
            assert answer(channel).tolist() == [[56.0] * 4]


def test_the_first_use_of_the_models_in_a_thread_of_an_async_callable() -> None:
    @infer_func(inputs=X, outputs=Y, name="caller")
    async def in_thread(x: Any, ctx: Context) -> Any:
        return await asyncio.to_thread(lambda: ctx.models["called"](x=x)["y"])

    with opened(in_thread, called=double) as channel:
        assert answer(channel).tolist() == [[2.0] * 4]


def test_the_models_of_a_batch_that_is_answered() -> None:
    kept: list[Context] = []

    @infer_func(inputs=X, outputs=Y, name="caller")
    def keep(x: Any, ctx: Context) -> Any:
        kept.append(ctx)
        return x

    with opened(keep) as channel:
        answer(channel)
        with pytest.raises(RuntimeError, match="the batch of this Context is answered"):
            _ = kept[0].models


class CancelledAtTheEnd(CallEnd):
    """Answers an ABANDON after the task of the batch was cancelled."""

    def __init__(self, channel: ServedChannel, cancel: Callable[[], None]) -> None:
        super().__init__(channel.called._sock, channel.called._callees)
        self._cancel = cancel

    def handle(self, message: wire.ChannelMessage, payload: bytes, descriptors: list[int], request: Any) -> None:
        if message.kind == wire.ABANDON:
            self._cancel()
            error = pack_error("CANCELLED", "over")
            head = (wire.RESULT, wire.FINAL, 0, 0, message.batch, message.offset, len(error))
            send(self._sock, wire.CHANNEL_MESSAGE.pack(*head) + error)
        else:
            super().handle(message, payload, descriptors, request)


def test_a_cancellation_while_the_calls_of_a_batch_end() -> None:
    tasks: list[Any] = []

    @infer_func(inputs=X, outputs=Y, name="caller")
    async def leave(x: Any, ctx: Context) -> Any:
        tasks[:] = [asyncio.get_running_loop(), asyncio.current_task()]
        tasks.append(asyncio.create_task(ctx.models["called"].call(x=x)))
        await asyncio.sleep(0)
        return x

    async def cancelled() -> None:
        tasks[1].cancel()
        for _ in range(5):
            await asyncio.sleep(0)

    def cancel() -> None:
        asyncio.run_coroutine_threadsafe(cancelled(), tasks[0]).result(TIMEOUT)

    released = threading.Event()

    def called(x: Any) -> Any:
        assert released.wait(TIMEOUT)
        return {"y": x}

    with opened(leave, called=called) as channel:
        channel.called = CancelledAtTheEnd(channel, cancel)
        assert answer(channel).tolist() == [[1.0] * 4]
        released.set()


def test_a_stream_that_is_closed_while_another_thread_reads_is_abandoned() -> None:
    @infer_func(inputs=X, outputs=Y, name="caller")
    def close(x: Any, ctx: Context) -> Any:
        stream = ctx.models["called"].stream(x=x)
        next(stream)
        exchange = stream._exchange
        closing = threading.Thread(target=stream.close)
        with exchange._lock:
            closing.start()
            wait_until(lambda: bool(exchange._dropped), what="the stream is being closed")
        closing.join(TIMEOUT)
        assert not exchange._dropped
        return x

    pair = Pair()
    with opened(close, called=pair) as channel:
        answer(channel)
        pair.free.set()


ONE_READER = "ctx.models: another thread or task reads this stream of model 'called'; read it in one of them"


def test_two_threads_that_read_one_stream() -> None:
    pair = Pair()

    @infer_func(inputs=X, outputs=Y, name="caller")
    def read(x: Any, ctx: Context) -> Any:
        stream = ctx.models["called"].stream(x=x)
        next(stream)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(next, stream)
            wait_until(lambda: stream._call is not None and stream._call.awaited, what="the thread reads")
            with pytest.raises(RuntimeError) as caught:
                next(stream)
            assert str(caught.value) == ONE_READER
            pair.free.set()
            return second.result()["y"]

    with opened(read, called=pair) as channel:
        assert answer(channel).tolist() == [[2.0] * 4]


def test_two_tasks_that_read_one_stream() -> None:
    pair = Pair()

    @infer_func(inputs=X, outputs=Y, name="caller")
    async def read(x: Any, ctx: Context) -> Any:
        stream = ctx.models["called"].stream(x=x)
        await stream.__anext__()
        second = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError) as caught:
            await stream.__anext__()
        assert str(caught.value) == ONE_READER
        pair.free.set()
        return (await second)["y"]

    with opened(read, called=pair) as channel:
        assert answer(channel).tolist() == [[2.0] * 4]


def test_a_result_that_breaks_the_protocol_between_two_responses_of_a_generator() -> None:
    @infer_func(inputs=X, outputs=Y, name="caller")
    def produce(x: Any, ctx: Context) -> Any:
        yield ctx.models["called"](x=x)["y"]
        yield x

    with opened(produce, called=double) as channel:
        channel.ask(ONE)
        message = channel.next_message()
        assert message.kind == wire.PART
        send(channel._sock, wire.CHANNEL_MESSAGE.pack(wire.RESULT, wire.FINAL, 0, 0, message.batch, 99, 0))
        with pytest.raises(AssertionError, match="the worker's loop ended without an answer"):
            channel.next_message()
        assert isinstance(channel.ended_by, ProtocolError)
        assert str(channel.ended_by) == "channel: a result of call 99, which is not open"
