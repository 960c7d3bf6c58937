"""Generators and async generators over a real channel: one response for each yield."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import Context, RequestError, Tensor
from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.model.declaration import Answers, ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.channel import Answered
from pytriton_plugins.testing.served import ServedChannel, open_channel
from pytriton_plugins.worker.calling.errors import RequestFailure

Array = NDArray[Any]
Generator = Callable[..., Iterator[Any]]
N = Tensor("n", np.int32, (1,))
Y = Tensor("y", np.float32, (-1,))
MODEL = ModelDeclaration("m", 1, "function", "m", (N,), (Y,))
TIMEOUT = 60.0
ENOUGH = 0.2
"""Seconds in which a worker that had something to send would have sent it."""


def awaited(generator: Generator) -> Callable[..., AsyncIterator[Any]]:
    """The same generator as an async generator."""

    async def wrapper(**arguments: Any) -> AsyncIterator[Any]:
        with contextlib.closing(generator(**arguments)) as results:  # type: ignore[type-var]
            for result in results:
                await asyncio.sleep(0)
                yield result

    return wrapper


@pytest.fixture(params=["stream", "async_stream"])
def stream(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Opens a channel to a generator in one of the two forms."""
    answers: Answers = request.param

    def opened(generator: Generator, declaration: ModelDeclaration = MODEL, **more: Any) -> Any:
        form = generator if answers == "stream" else awaited(generator)
        return open_channel(replace(declaration, answers=answers), form, **more)

    return opened


Stream = Callable[..., contextlib.AbstractContextManager[ServedChannel]]
WITH_CONTEXT = replace(MODEL, context="ctx")


def n(number: int) -> dict[str, Array]:
    return {"n": np.array([[number]], np.int32)}


def part(*values: float) -> Array:
    return np.array([values], np.float32)


def values(answered: Answered) -> tuple[list[Any], str]:
    """The content of the responses, and the text of the error at the end."""
    (end,) = answered.outcomes
    error = end.message if isinstance(end, RequestFailure) else ""
    assert error or end == {}
    return [each["y"].ravel().tolist() for each in answered.parts], error


def counted(n: Array) -> Iterator[Array]:
    for number in range(int(n[0, 0])):
        yield part(number, 1)


def test_a_part_for_each_yield_and_an_end_without_outputs(stream: Stream) -> None:
    with stream(counted) as channel:
        for count in (3, 0, 1, 20, 0, 3):
            answered = channel.send(n(count))
            assert values(answered) == ([[number, 1] for number in range(count)], "")
            assert not answered.retired


def test_parts_of_any_size(stream: Stream) -> None:
    def function(n: Array) -> Iterator[Array]:
        for size in (1, 30_000, 3, 0, 100_000, 1):
            yield np.full((1, size), size, np.float32)

    with stream(function) as channel:
        for _ in range(2):
            found, error = values(channel.send(n(0)))
            assert error == ""
            assert found == [[size] * size for size in (1, 30_000, 3, 0, 100_000, 1)]


def test_every_form_of_result() -> None:
    outputs = (Y, Tensor("t", str, ()))

    def function(n: Array) -> Iterator[Any]:
        yield part(1), ["one"]
        yield {"t": ["two"], "y": part(2)}
        yield [[3.0]], np.array(["three"], object)

    with open_channel(replace(MODEL, answers="stream", outputs=outputs), function) as channel:
        parts = channel.send(n(0)).parts
    assert [each["y"].tolist() for each in parts] == [[[1]], [[2]], [[3]]]
    assert [each["t"].tolist() for each in parts] == [[[b"one"]], [[b"two"]], [[b"three"]]]


def test_without_a_batch_axis_and_with_several_rows(stream: Stream) -> None:
    def function(n: Array) -> Iterator[Array]:
        yield n.astype(np.float32)
        yield (n * 2).astype(np.float32)

    with stream(function) as channel:
        assert values(channel.send({"n": np.array([[1], [2]], np.int32)})) == ([[1, 2], [2, 4]], "")
    with stream(function, replace(MODEL, max_batch_size=0)) as channel:
        assert values(channel.send({"n": np.array([3], np.int32)})) == ([[3], [6]], "")


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize(
    ("error", "text"), [(RequestError("unlucky", code="NOT_FOUND"), "unlucky"), (ValueError("bad"), "ValueError: bad")]
)
def test_an_error_ends_the_stream_behind_what_was_sent(stream: Stream, error: Exception, text: str, at: int) -> None:
    def function(n: Array) -> Iterator[Array]:
        for number in range(3):
            if number == at:
                raise error
            yield part(number)
        if at == 3:
            raise error

    with stream(function) as channel:
        for _ in range(2):
            assert values(channel.send(n(0))) == ([[number] for number in range(at)], text)


WRONG: dict[str, tuple[Any, str]] = {
    "shape": (np.zeros((2, 1), np.float32), "output 'y' has 2 rows, expected 1: got shape (2, 1) for (B, -1)"),
    "dtype": (np.zeros((1, 1)), "output 'y' is an array of float64, expected np.float32"),
    "nothing": (None, "the callable returned None; return an array for 'y'"),
    "another output": ({"z": 1}, "the callable returned an unknown output 'z'; declared: 'y'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_part_closes_the_generator_and_ends_the_stream(stream: Stream, what: str) -> None:
    closed = []

    def function(n: Array) -> Iterator[Any]:
        try:
            yield part(1)
            yield WRONG[what][0]
            yield part(3)
        finally:
            closed.append(what)

    with stream(function) as channel:
        for _ in range(2):
            found, error = values(channel.send(n(0)))
            assert found == [[1]]
            assert error.startswith(f"model 'm': {WRONG[what][1]}")
    assert closed == [what] * 2


@pytest.mark.parametrize("most", [1, 2, 4])
def test_a_generator_is_closed_once_no_more_answers_are_wanted(stream: Stream, most: int) -> None:
    closed = []

    def function(n: Array) -> Iterator[Array]:
        try:
            number = 0
            while True:
                yield part(number)
                number += 1
        finally:
            closed.append(number)

    with stream(function) as channel:
        for _ in range(2):
            found, error = values(channel.send(n(0), most=most))
            assert found == [[number] for number in range(most)]
            assert error == "model 'm': the request was cancelled"
    # The next one was on its way when that was learned.
    assert closed == [most] * 2


def test_an_unwanted_end_is_an_end(stream: Stream) -> None:
    with stream(counted) as channel:
        assert values(channel.send(n(2), most=2)) == ([[0, 1], [1, 1]], "")
        assert values(channel.send(n(1))) == ([[0, 1]], "")


def test_a_generator_that_does_not_want_to_end() -> None:
    def function(n: Array) -> Iterator[Array]:
        try:
            while True:
                yield part(0)
        except GeneratorExit:
            yield part(1)

    with open_channel(replace(MODEL, answers="stream"), function) as channel:
        _, error = values(channel.send(n(0), most=1))
    assert error == "RuntimeError: generator ignored GeneratorExit"


def test_memory_that_is_refused_ends_the_stream(stream: Stream) -> None:
    closed = []

    def function(n: Array) -> Iterator[Array]:
        try:
            yield part(1)
            yield np.zeros((1, 100_000), np.float32)
        finally:
            closed.append(True)

    with stream(function) as channel:
        channel.is_full = True
        answered = channel.send(n(0))
        assert values(answered) == ([[1]], "no more memory")
        assert answered.outcomes == [RequestFailure("UNAVAILABLE", "no more memory")]
        channel.is_full = False
        assert len(values(channel.send(n(0)))[0][1]) == 100_000
    assert closed == [True, True]


class TestContext:
    def test_parameters_belong_to_the_part_that_follows(self, stream: Stream) -> None:

        def function(n: Array, ctx: Context) -> Iterator[Array]:
            (request,) = ctx.requests
            for number in range(3):
                request.set("number", number)
                if number == 1:
                    request.set("middle", True)
                yield part(number)
            request.set("late", 1)

        with stream(function, WITH_CONTEXT) as channel:
            answered = channel.send(n(0))
        expected = [(b"number", 0), (b"number", 1), (b"middle", 1), (b"number", 2)]
        assert [(each.name, each.value[0]) for each in answered.parameters] == expected

    @pytest.mark.parametrize("at", [0, 1, 2])
    def test_the_request_is_failed(self, stream: Stream, at: int) -> None:
        """`fail` before the first response, in the middle and after the last one."""
        closed = []

        def function(n: Array, ctx: Context) -> Iterator[Array]:
            try:
                for number in range(2):
                    if number == at:
                        ctx.requests[0].fail("told", code="NOT_FOUND")
                    yield part(number)
                if at == 2:
                    ctx.requests[0].fail("told", code="NOT_FOUND")
            finally:
                closed.append(at)

        with stream(function, WITH_CONTEXT) as channel:
            for _ in range(2):
                answered = channel.send(n(0))
                assert values(answered) == ([[number] for number in range(at)], "told")
                assert answered.outcomes == [RequestFailure("NOT_FOUND", "told")]
        assert closed == [at] * 2

    def test_it_is_failed_and_raises(self, stream: Stream) -> None:
        def function(n: Array, ctx: Context) -> Iterator[Array]:
            yield part(1)
            ctx.requests[0].fail("told")
            raise ValueError("raised")

        with stream(function, WITH_CONTEXT) as channel:
            assert values(channel.send(n(0))) == ([[1]], "told")

    def test_arrays_from_empty(self, stream: Stream) -> None:
        def function(n: Array, ctx: Context) -> Iterator[Array]:
            for number in range(5):
                out = ctx.empty("y", (1, 100))
                out[...] = number
                yield out

        with stream(function, WITH_CONTEXT) as channel:
            for _ in range(2):
                assert values(channel.send(n(0))) == ([[number] * 100 for number in range(5)], "")
            assert channel.needs == []


def test_a_part_stays_as_it_is_until_it_was_taken(stream: Stream) -> None:
    """A response does not change until it has been read, whatever the generator does."""
    went_on = threading.Event()

    def function(n: Array, ctx: Context) -> Iterator[Array]:
        yield part(1, 2, 3)
        out = ctx.empty("y", (1, 1000))
        out[...] = 99
        went_on.set()
        yield part(4)

    with stream(function, WITH_CONTEXT) as channel:
        channel.ask(n(0))
        message = channel.next_message()
        assert message.kind == wire.PART
        assert went_on.wait(TIMEOUT)
        ((first,), _) = channel.read(message)
        assert not isinstance(first, RequestFailure)
        assert first["y"].tolist() == [[1, 2, 3]]
        assert not channel.hears(ENOUGH)
        channel.take()
        assert values(channel.answered()) == ([[4]], "")


def test_the_end_is_said_when_the_last_part_was_taken(stream: Stream) -> None:
    """The end is sent after the last response has been read."""
    with stream(counted) as channel:
        channel.ask(n(1))
        message = channel.next_message()
        assert not channel.hears(ENOUGH)
        ((only,), _) = channel.read(message)
        assert not isinstance(only, RequestFailure)
        assert only["y"].tolist() == [[0, 1]]
        channel.take()
        assert values(channel.answered()) == ([], "")


def test_an_input_that_is_kept(stream: Stream) -> None:
    kept: list[Array] = []

    def function(n: Array) -> Iterator[Array]:
        kept.append(n)
        yield part(0)
        yield part(1)

    with stream(function) as channel:
        for number in range(2):
            assert channel.send(n(number)).retired
    assert [array.tolist() for array in kept] == [[[0]], [[1]]]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exception_that_ends_a_process_ends_the_worker(stream: Stream, error: BaseException) -> None:
    """SystemExit and the like end the worker."""

    def function(n: Array) -> Iterator[Array]:
        yield part(0)
        raise error

    with stream(function) as channel:
        with pytest.raises((AssertionError, BrokenPipeError)):
            channel.send(n(0))
        assert wait_until(lambda: channel.ended_by) is error


def test_a_channel_that_ends_in_the_middle_closes_the_generator(stream: Stream) -> None:
    closed = threading.Event()

    def function(n: Array) -> Iterator[Array]:
        try:
            while True:
                yield part(0)
        finally:
            closed.set()

    with stream(function) as channel:
        channel.ask(n(0))
        channel.next_message()
    assert closed.wait(TIMEOUT)
    assert channel.ended_by is None


def test_a_message_that_has_no_place_in_a_stream_ends_the_worker() -> None:
    with open_channel(replace(MODEL, answers="stream"), counted) as channel:
        channel.ask(n(2))
        channel.next_message()
        channel.tell(wire.TRIM)
        with pytest.raises(AssertionError, match="ended without an answer"):
            channel.answered()
        assert isinstance(channel.ended_by, ProtocolError)
        assert str(channel.ended_by) == "channel: unexpected message of kind 6 in a stream"


def test_memory_is_given_back_between_streams(stream: Stream) -> None:
    with stream(counted) as channel:
        for _ in range(3):
            assert values(channel.send(n(2))) == ([[0, 1], [1, 1]], "")
            channel.tell(wire.TRIM)
