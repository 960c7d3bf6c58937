"""Callables that are awaited, over a real channel: batches, cancellation, kept inputs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import Context, Request, RequestError, Tensor
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.channel import Answered
from pytriton_plugins.testing.served import open_channel
from pytriton_plugins.worker.calling.errors import RequestFailure

Array = NDArray[Any]
X = Tensor("x", np.float32, (-1,))
Y = Tensor("y", np.float32, (-1,))
MODEL = ModelDeclaration("m", 1, "function", "m", (X,), (Y,), answers="async")
STREAM = replace(MODEL, answers="async_stream")
TIMEOUT = 60.0
ENOUGH = 0.2
"""Seconds in which a worker that had something to send would have sent it."""
FAILURE = RequestFailure("CANCELLED", "model 'm': the request was cancelled")
CANCELLED = (FAILURE.code, FAILURE.message)


def numbers(*rows: list[float]) -> dict[str, Array]:
    return {"x": np.array(rows, np.float32)}


def outputs(answered: Answered) -> list[Any]:
    """The output of each request, or the code and text of its failure."""
    return [
        (outcome.code, outcome.message) if isinstance(outcome, RequestFailure) else outcome["y"].tolist()
        for outcome in answered.outcomes
    ]


class Gate:
    """Holds a callable until the test opens it."""

    def __init__(self) -> None:
        self.reached, self._open = threading.Event(), threading.Event()

    async def passed(self) -> None:
        self.reached.set()
        while not self._open.is_set():
            await asyncio.sleep(0.001)
        self._open.clear()

    def wait(self) -> None:
        assert self.reached.wait(TIMEOUT)
        self.reached.clear()

    def open(self) -> None:
        self._open.set()


def test_batches_one_after_another() -> None:
    async def function(x: Array) -> dict[str, Array]:
        await asyncio.sleep(0)
        return {"y": x + 1}

    with open_channel(MODEL, function) as channel:
        for start in range(4):
            answered = channel.send(numbers([start]), numbers([2], [3]))
            assert outputs(answered) == [[[start + 1]], [[3], [4]]]
            assert not answered.retired


def test_a_callable_that_awaits_nothing() -> None:
    async def function(x: Array) -> Array:
        return x

    with open_channel(MODEL, function) as channel:
        assert [outputs(channel.send(numbers([number]))) for number in range(3)] == [[[[n]]] for n in range(3)]


def test_only_the_request_that_raises_again_fails() -> None:
    calls: list[list[float]] = []

    async def function(x: Array) -> Array:
        calls.append(x.ravel().tolist())
        await asyncio.sleep(0)
        if (x < 0).any():
            raise RequestError("negative")
        return x

    with open_channel(MODEL, function) as channel:
        answered = channel.send(numbers([1]), numbers([2], [-3]), numbers([4]))
    assert outputs(answered) == [[[1]], ("INVALID_ARG", "negative"), [[4]]]
    assert calls == [[1, 2, -3, 4], [1], [2, -3], [4]]


def test_requests_one_by_one_with_a_context() -> None:
    async def function(requests: list[Request], ctx: Context) -> list[Any]:
        await asyncio.sleep(0)
        for request in ctx.requests:
            request.set("width", request["x"].shape[1])
        return [request["x"] for request in requests]

    declaration = replace(MODEL, requests="requests", context="ctx")
    with open_channel(declaration, function) as channel:
        answered = channel.send(numbers([1]), numbers([2, 3]))
    assert outputs(answered) == [[[1]], [[2, 3]]]
    assert [(each.request, each.value[0]) for each in answered.parameters] == [(0, 1), (1, 2)]


class TestCancelled:
    def test_in_the_middle_of_an_await(self) -> None:
        gate = Gate()
        seen = []

        async def function(x: Array) -> Array:
            try:
                await gate.passed()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            return x

        with open_channel(MODEL, function) as channel:
            for _ in range(2):
                channel.ask(numbers([1]), numbers([2]))
                gate.wait()
                channel.cancel(0, 1)
                answered = channel.answered()
                assert outputs(answered) == [CANCELLED] * 2
                assert not answered.retired
            channel.ask(numbers([3]))
            gate.wait()
            gate.open()
            assert outputs(channel.answered()) == [[[3]]]
        assert seen == ["cancelled"] * 2

    def test_a_callable_that_goes_on_all_the_same(self) -> None:
        """A callable that catches the cancellation and returns is answered normally."""
        gate = Gate()

        async def function(x: Array) -> Array:
            try:
                await gate.passed()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
            return x

        with open_channel(MODEL, function) as channel:
            for _ in range(2):
                channel.ask(numbers([1]))
                gate.wait()
                channel.cancel(0)
                assert outputs(channel.answered()) == [[[1]]]

    def test_a_callable_that_turns_it_into_an_error(self) -> None:
        gate = Gate()

        async def function(x: Array) -> Array:
            try:
                await gate.passed()
            except asyncio.CancelledError:
                raise RequestError("enough") from None
            return x

        with open_channel(replace(MODEL, retry_alone=False), function) as channel:
            channel.ask(numbers([1]))
            gate.wait()
            channel.cancel(0)
            assert outputs(channel.answered()) == [("INVALID_ARG", "enough")]

    def test_no_request_is_called_alone_after_a_cancellation(self) -> None:
        """After a cancellation no request is called alone."""
        gate = Gate()
        calls: list[list[float]] = []

        async def function(x: Array) -> Array:
            calls.append(x.ravel().tolist())
            if len(x) > 1:
                raise ValueError
            if x[0, 0] == 2:
                await gate.passed()
            return x

        with open_channel(MODEL, function) as channel:
            channel.ask(numbers([1]), numbers([2]), numbers([3]))
            gate.wait()
            channel.cancel(0, 1, 2)
            assert outputs(channel.answered()) == [[[1]], CANCELLED, CANCELLED]
            assert outputs(channel.send(numbers([3]))) == [[[3]]]
        assert calls == [[1, 2, 3], [1], [2], [3]]

    def test_a_cancellation_that_comes_too_late(self) -> None:
        """It names a batch that has been answered, so the batch that runs now is not cancelled."""
        gate = Gate()

        async def function(x: Array) -> Array:
            await gate.passed()
            return x

        with open_channel(MODEL, function) as channel:
            for number in (1, 2):
                channel.ask(numbers([number]))
                gate.wait()
                channel.tell(wire.CANCEL, number - 1)
                gate.open()
                assert outputs(channel.answered()) == [[[number]]]
                channel.tell(wire.CANCEL, number)
                channel.tell(wire.TRIM)

    def test_the_end_of_the_channel_cancels_running_calls(self) -> None:
        gate = Gate()
        ended = threading.Event()

        async def function(x: Array) -> Array:
            try:
                await gate.passed()
            finally:
                ended.set()
            return x

        with open_channel(MODEL, function) as channel:
            channel.ask(numbers([1]))
            gate.wait()
        assert ended.wait(TIMEOUT)
        assert channel.ended_by is None


def test_a_task_that_the_callable_cancels_itself_is_a_failure() -> None:
    """A CancelledError from the callable's own task fails its request."""

    async def function(x: Array) -> Array:
        if x[0, 0] == 1 or len(x) == 1:
            inner = asyncio.ensure_future(asyncio.sleep(TIMEOUT))
            asyncio.get_running_loop().call_soon(inner.cancel)
            if (x < 0).any() or len(x) > 1:
                await inner
        return x

    with open_channel(MODEL, function) as channel:
        answered = channel.send(numbers([1]), numbers([-2]), numbers([3]))
    text = "RuntimeError: CancelledError: an await of the callable was cancelled, not by its clients"
    assert outputs(answered) == [[[1]], ("INTERNAL", text), [[3]]]


class TestCancelledStreams:
    @pytest.mark.parametrize("parts", [0, 1, 2])
    def test_in_the_middle_of_an_await(self, parts: int) -> None:
        gate = Gate()
        closed = threading.Event()

        async def function(x: Array) -> AsyncIterator[Array]:
            try:
                for _ in range(parts):
                    yield x
                await gate.passed()
                yield x
            except asyncio.CancelledError:
                closed.set()
                raise

        with open_channel(STREAM, function) as channel:
            for _ in range(2):
                closed.clear()
                channel.ask(numbers([1]))
                for _ in range(parts):
                    assert channel.next_message().kind == wire.PART
                    channel.take()
                gate.wait()
                channel.cancel(0)
                answered = channel.answered()
                assert (answered.outcomes, answered.parts) == ([FAILURE], [])
                assert closed.wait(TIMEOUT)
                assert not answered.retired

    def test_while_a_part_is_not_taken(self, caplog: pytest.LogCaptureFixture) -> None:
        """The end does not overwrite a response that has not been read."""
        closed = threading.Event()

        async def function(x: Array) -> AsyncIterator[Array]:
            try:
                while True:
                    yield x
            finally:
                closed.set()

        with open_channel(STREAM, function) as channel:
            for number in (1, 2):
                closed.clear()
                channel.ask(numbers([number]))
                message = channel.next_message()
                channel.cancel(0)
                assert closed.wait(TIMEOUT)
                assert not channel.hears(ENOUGH)
                ((part,), _) = channel.read(message)
                assert not isinstance(part, RequestFailure)
                assert part["y"].tolist() == [[number]]
                channel.take(unwanted=True)
                assert channel.answered().outcomes == [FAILURE]
        assert caplog.messages == []

    def test_before_the_part_that_comes(self) -> None:
        """CANCEL directly followed by TAKEN, as the backend sends them."""
        gate = Gate()

        async def function(x: Array) -> AsyncIterator[Array]:
            yield x
            await gate.passed()
            yield x

        with open_channel(STREAM, function) as channel:
            for _ in range(2):
                channel.ask(numbers([1]))
                assert channel.next_message().kind == wire.PART
                channel.cancel(0)
                channel.take(unwanted=True)
                answered = channel.answered()
                assert (answered.outcomes, answered.parts) == ([FAILURE], [])
                gate.open()

    def test_a_generator_that_cancels_something_by_itself(self) -> None:
        async def function(x: Array) -> AsyncIterator[Array]:
            yield x
            raise asyncio.CancelledError

        with open_channel(STREAM, function) as channel:
            answered = channel.send(numbers([1]))
        text = "RuntimeError: CancelledError: an await of the callable was cancelled, not by its clients"
        assert answered.outcomes == [RequestFailure("INTERNAL", text)]
        assert len(answered.parts) == 1


@pytest.mark.parametrize("answers", ["async", "async_stream"])
def test_inputs_that_are_kept_and_those_that_are_not(answers: Any) -> None:
    kept: list[Array] = []

    def keep(x: Array) -> None:
        if x[0, 0] % 3 == 0:
            kept.append(x)
        if x[0, 0] % 3 == 2:
            raise RequestError("no")

    async def function(x: Array) -> Array:
        await asyncio.sleep(0)
        keep(x)
        return x

    async def generator(x: Array) -> AsyncIterator[Array]:
        yield x
        keep(x)

    form: Any = function if answers == "async" else generator
    with open_channel(replace(MODEL, answers=answers), form) as channel:
        retired = [channel.send(numbers([number])).retired for number in range(9)]
    assert retired == [True, False, False] * 3
    assert [array.tolist() for array in kept] == [[[0]], [[3]], [[6]]]


@pytest.mark.parametrize("answers", ["async", "async_stream"])
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exception_that_ends_a_process_ends_the_worker(answers: Any, error: BaseException) -> None:
    """SystemExit and the like end the worker."""

    async def function(x: Array) -> Array:
        await asyncio.sleep(0)
        raise error

    async def generator(x: Array) -> AsyncIterator[Array]:
        yield x
        raise error

    form: Any = function if answers == "async" else generator
    with open_channel(replace(MODEL, answers=answers), form) as channel:
        with pytest.raises((AssertionError, BrokenPipeError)):
            channel.send(numbers([1]))
        assert wait_until(lambda: channel.ended_by) is error


def test_a_message_of_an_unknown_kind_ends_the_worker() -> None:
    async def function(x: Array) -> Array:
        return x

    with open_channel(MODEL, function) as channel:
        channel.send(numbers([1]))
        channel.tell(17)
        assert channel.ended()
        assert str(wait_until(lambda: channel.ended_by)) == "channel: unexpected message of kind 17"
