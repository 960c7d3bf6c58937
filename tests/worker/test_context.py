"""Details of requests that a callable reads, and details that it sets for responses, over a real channel."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import Context, Request, RequestError, Tensor
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.details import Detail
from pytriton_plugins.testing.channel import Answered
from pytriton_plugins.testing.served import open_channel
from pytriton_plugins.worker.calling.errors import RequestFailure

Array = NDArray[Any]
X = Tensor("x", np.float32, (-1,))
Y = Tensor("y", np.float32, (-1,))
Z = Tensor("z", np.float32, (-1,))
MODEL = ModelDeclaration("m", 1, "function", "m", (X,), (Y,), context="ctx")
TIMEOUT = 60.0


def numbers(*rows: list[float]) -> dict[str, Array]:
    return {"x": np.array(rows, np.float32)}


ONE, TWO, THREE = numbers([1]), numbers([2], [3]), numbers([4])
BATCH = (ONE, TWO, THREE)


def seen_by(
    look: Callable[[Context], Any],
    *details: Detail,
    requests: tuple[dict[str, Array], ...] = (ONE,),
    model: ModelDeclaration = MODEL,
) -> list[Any]:
    """The results of ``look`` in the contexts of two consecutive batches, which take both paths of the loop."""
    found = []

    def function(x: Array, ctx: Context) -> Array:
        found.append(look(ctx))
        return x

    headers = {"proven-x-request-id": "x-request-id", "proven-traceparent": "traceparent"}
    with open_channel(model, function, headers=headers) as channel:
        for _ in range(2):
            channel.send(*requests, details=details)
    return found


class TestWhatIsSeen:
    def test_ids_and_correlation_ids(self) -> None:
        details = [Detail("r-1", 7), Detail("é", "seq"), Detail()]
        found = seen_by(lambda ctx: [(each.id, each.correlation_id) for each in ctx.requests], *details, requests=BATCH)
        assert found == [[("r-1", 7), ("é", "seq"), ("", 0)]] * 2

    def test_the_largest_number_as_a_correlation_id(self) -> None:
        assert seen_by(lambda ctx: ctx.requests[0].correlation_id, Detail("", 2**64 - 1)) == [2**64 - 1] * 2

    def test_sequences_and_timeouts(self) -> None:
        details = [Detail(timeout=250_000, sequence_start=True), Detail(sequence_end=True), Detail()]
        found = seen_by(
            lambda ctx: [(each.timeout, each.sequence_start, each.sequence_end) for each in ctx.requests],
            *details,
            requests=BATCH,
        )
        assert found == [[(0.25, True, False), (None, False, True), (None, False, False)]] * 2

    def test_parameters_of_each_type(self) -> None:
        parameters = (("text", "é"), ("whole", -(2**63)), ("yes", True), ("no", False), ("part", 0.5), ("none", ""))
        (found, _) = seen_by(lambda ctx: ctx.requests[0].parameters, Detail(parameters=parameters))
        assert found == dict(parameters)
        assert [type(value) for value in found.values()] == [str, int, bool, bool, float, str]

    def test_only_parameters_with_the_prefix_are_headers(self) -> None:
        """A client's parameter whose name only looks like a header's stays a parameter."""
        proven = (("Proven-X-Request-Id", "real"), ("proven-traceparent", "t"))
        parameters = (("x-request-id", "forged"), *proven, ("X-Request-Id", "forged"))
        found = seen_by(
            lambda ctx: (ctx.requests[0].headers, ctx.requests[0].parameters), Detail(parameters=parameters)
        )
        assert found[0] == (
            {"x-request-id": "real", "traceparent": "t"},
            {"x-request-id": "forged", "X-Request-Id": "forged"},
        )

    def test_a_change_of_the_parameters_is_not_kept(self) -> None:
        def look(ctx: Context) -> dict[str, Any]:
            ctx.requests[0].parameters.clear()
            return ctx.requests[0].parameters

        assert seen_by(look, Detail(parameters=(("a", 1),))) == [{"a": 1}] * 2

    def test_rows(self) -> None:
        found = seen_by(lambda ctx: [each.rows for each in ctx.requests], requests=BATCH)
        assert found[0] == [slice(0, 1), slice(1, 3), slice(3, 4)]
        unbatched = replace(MODEL, max_batch_size=0)
        assert seen_by(lambda ctx: ctx.requests[0].rows, model=unbatched) == [slice(0, 1)] * 2

    def test_requested_outputs(self) -> None:
        model = replace(MODEL, outputs=(Y, Z))
        found = []

        def function(x: Array, ctx: Context) -> dict[str, Array]:
            found.append((ctx.requested_outputs, [each.requested_outputs for each in ctx.requests]))
            return dict.fromkeys(ctx.requested_outputs, x)

        with open_channel(model, function) as channel:
            for requested in (0b11, 0b10, 0b10):
                channel.ask(ONE, TWO, requested=requested)
                names = {"z"} if requested == 0b10 else {"y", "z"}
                for outcome in channel.answered().outcomes:
                    assert not isinstance(outcome, RequestFailure)
                    assert set(outcome) == names
        both, one = frozenset({"y", "z"}), frozenset({"z"})
        assert found == [(both, [both] * 2), (one, [one] * 2), (one, [one] * 2)]

    def test_the_deadline_is_when_the_timeout_is_over(self) -> None:
        assert seen_by(lambda ctx: (ctx.deadline, ctx.requests[0].deadline)) == [(None, None)] * 2
        before = time.monotonic()
        found = seen_by(lambda ctx: (ctx.deadline, ctx.requests[0].deadline), model=replace(MODEL, timeout=30.0))
        for deadline, of_request in found:
            assert before + 30 <= deadline <= time.monotonic() + 30
            assert deadline == of_request

    def test_optional_parameters_for_a_context_get_one(self) -> None:
        def function(x: Array, ctx: Context | None = None) -> Array:
            assert ctx is not None
            return x

        with open_channel(MODEL, function) as channel:
            assert outputs(channel.send(ONE)) == [[[1]]]


def outputs(answered: Answered) -> list[Any]:
    """The output of each request, or the code and text of its failure."""
    return [
        (outcome.code, outcome.message) if isinstance(outcome, RequestFailure) else outcome["y"].tolist()
        for outcome in answered.outcomes
    ]


class Held:
    """A callable that waits until the test releases it, and what its context shows meanwhile."""

    def __init__(self) -> None:
        self.called, self.let_go = Event(), Event()
        self.ctx: Any = None

    def __call__(self, x: Array, ctx: Context) -> Array:
        self.ctx = ctx
        self.called.set()
        assert self.let_go.wait(TIMEOUT)
        self.called.clear()
        self.let_go.clear()
        return x

    def cancelled(self) -> list[bool]:
        return [each.cancelled for each in self.ctx.requests]


def test_cancelled_requests_are_seen_while_the_callable_runs() -> None:
    held = Held()
    with open_channel(MODEL, held) as channel:
        channel.ask(ONE, TWO)
        assert held.called.wait(TIMEOUT)
        assert (held.cancelled(), held.ctx.cancelled) == ([False, False], False)
        channel.cancel(1)
        assert (held.cancelled(), held.ctx.cancelled) == ([False, True], False)
        channel.cancel(0, 1)
        assert (held.cancelled(), held.ctx.cancelled) == ([True, True], True)
        held.let_go.set()
        assert outputs(channel.answered()) == [[[1]], [[2], [3]]]


def test_a_context_that_is_kept_says_what_it_said_and_nothing_of_the_next_batch() -> None:
    """A kept context keeps its details after the next batch."""
    held = Held()
    with open_channel(MODEL, held) as channel:
        channel.ask(ONE, details=[Detail("first", 1, (("a", "b"),))])
        assert held.called.wait(TIMEOUT)
        first = held.ctx
        held.let_go.set()
        channel.answered()
        channel.ask(ONE, details=[Detail("other", 2, (("c", "d"),))])
        assert held.called.wait(TIMEOUT)
        channel.cancel(0)
        assert held.ctx.cancelled
        assert not first.cancelled
        (request,) = first.requests
        assert (request.id, request.correlation_id, request.parameters) == ("first", 1, {"a": "b"})
        held.let_go.set()
        channel.answered()
        assert not held.ctx.cancelled


def said_by(say: Callable[[Request], Any], count: int = 1) -> Answered:
    """The second answer of a callable that calls ``say`` with each request."""

    def function(x: Array, ctx: Context) -> Array:
        for each in ctx.requests:
            say(each)
        return x

    with open_channel(MODEL, function) as channel:
        channel.send(*BATCH[:count])
        return channel.send(*BATCH[:count])


def parameters(answered: Answered) -> dict[int, dict[str, Any]]:
    """The parameters of each response, by the position of its request."""
    found: dict[int, dict[str, Any]] = {}
    for each in answered.parameters:
        form = {1: "", 2: "<q", 3: "<?", 4: "<d"}[each.kind]
        value = struct.unpack(form, each.value)[0] if form else each.value.decode()
        found.setdefault(each.request, {})[each.name.decode()] = value
    return found


class TestSet:
    def test_each_type_reaches_its_own_response(self) -> None:
        everything: dict[str, Any] = {"text": "é", "whole": -7, "yes": True, "part": 0.5, "none": ""}

        def say(request: Request) -> None:
            for name, value in everything.items():
                request.set(name, value)
            request.set("start", request.rows.start)

        expected = {place: {**everything, "start": start} for place, start in enumerate((0, 1, 3))}
        answered = said_by(say, 3)
        assert parameters(answered) == expected
        assert outputs(answered) == [[[1]], [[2], [3]], [[4]]]

    def test_a_parameter_that_is_set_again_is_overwritten(self) -> None:
        def say(request: Request) -> None:
            request.set("a", 1)
            request.set("b", 2)
            request.set("a", "x")

        assert parameters(said_by(say, 2)) == {0: {"b": 2, "a": "x"}, 1: {"b": 2, "a": "x"}}

    def test_numbers_of_numpy_are_numbers(self) -> None:
        def say(request: Request) -> None:
            request.set("half", np.float32(0.5))
            request.set("whole", np.int8(-3))
            request.set("yes", np.bool_(True))  # type: ignore[arg-type]

        assert parameters(said_by(say)) == {0: {"half": 0.5, "whole": -3, "yes": True}}

    def test_the_most_and_the_longest(self) -> None:
        def say(request: Request) -> None:
            for number in range(64):
                request.set(f"{number:02}".ljust(256, "n"), "v" * 4096)
            request.set("63".ljust(256, "n"), 2**63 - 1)

        ((_, found),) = parameters(said_by(say)).items()
        assert len(found) == 64
        assert set(map(len, found)) == {256}
        assert list(found.values()) == ["v" * 4096] * 63 + [2**63 - 1]

    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            ("", 1, "name is ''; write a text of 1 to 256 bytes"),
            ("é" * 129, 1, "; write a text of 1 to 256 bytes"),
            ("a\0", 1, "name is 'a\\x00'; write a text"),
            (3, 1, "name is 3; write a text"),
            ("\ud800", 1, "name is '\\ud800'; write a text"),
            ("a", 2**63, "'a' is 9223372036854775808; write a whole number of 64 bits"),
            ("a", -(2**63) - 1, "write a whole number of 64 bits"),
            ("a", "é" * 2049, "'a' has 4098 bytes; write at most 4096, without zero bytes"),
            ("a", "b\0", "'a' has 2 bytes; write at most 4096, without zero bytes"),
            ("a", "\ud800", "'a' is not valid UTF-8"),
            ("a", None, "'a' is a NoneType; write a str, int, float or bool"),
            ("a", b"b", "'a' is a bytes; write a str"),
            ("a", [1], "'a' is a list; write a str"),
            ("a", np.ones(1), "'a' is a ndarray; write a str"),
            ("a", 1j, "'a' is a complex; write a str"),
            ("a", np.datetime64(1, "s"), "'a' is a datetime64; write a str"),
        ],
    )
    def test_an_invalid_parameter_is_an_error_in_the_callable(self, name: Any, value: Any, error: str) -> None:
        errors = []

        def say(request: Request) -> None:
            request.set("good", 1)
            with pytest.raises((TypeError, ValueError)) as caught:
                request.set(name, value)
            errors.append(str(caught.value))

        assert parameters(said_by(say)) == {0: {"good": 1}}
        assert error in errors[0]

    def test_one_too_many(self) -> None:
        def say(request: Request) -> None:
            for number in range(64):
                request.set(f"{number}", number)
            with pytest.raises(ValueError, match="'more': a response has at most 64 parameters"):
                request.set("more", 1)

        assert [len(each) for each in parameters(said_by(say, 2)).values()] == [64, 64]

    def test_parameters_of_one_batch_are_not_in_the_next(self) -> None:

        def function(x: Array, ctx: Context) -> Array:
            if x[0, 0] == 1:
                ctx.requests[0].set("first", True)
            return x

        with open_channel(MODEL, function) as channel:
            found = [parameters(channel.send(numbers([number]))) for number in (1, 2, 2, 1, 2)]
        assert found == [{0: {"first": True}}, {}, {}, {0: {"first": True}}, {}]


class TestFail:
    def test_one_of_three(self) -> None:
        def say(request: Request) -> None:
            request.set("rows", request.rows.stop - request.rows.start)
            if request.rows.start == 1:
                request.fail("not this one", code="NOT_FOUND")
                request.set("more", 1)

        answered = said_by(say, 3)
        assert outputs(answered) == [[[1]], ("NOT_FOUND", "not this one"), [[4]]]
        assert parameters(answered) == {0: {"rows": 1}, 2: {"rows": 1}}

    def test_the_last_word_counts_and_the_default_is_the_clients_fault(self) -> None:
        def say(request: Request) -> None:
            request.fail("first", code="INTERNAL")
            request.fail("second\n\x1b")

        assert outputs(said_by(say)) == [("INVALID_ARG", "second\\n\\x1b")]

    @pytest.mark.parametrize("count", [1, 3])
    def test_all_of_them_and_nothing_is_returned(self, count: int) -> None:

        def function(x: Array, ctx: Context) -> None:
            for place, request in enumerate(ctx.requests):
                request.fail(f"number {place}")

        with open_channel(MODEL, function) as channel:
            for _ in range(3):
                expected = [("INVALID_ARG", f"number {place}") for place in range(count)]
                assert outputs(channel.send(*BATCH[:count])) == expected

    def test_a_failure_between_answers_that_are_alike(self) -> None:

        def function(x: Array, ctx: Context) -> Array:
            if x[0, 0] < 0:
                ctx.requests[0].fail("negative")
            return x

        with open_channel(MODEL, function) as channel:
            found = [outputs(channel.send(numbers([number]))) for number in (1, 2, -1, 3, -2, 4)]
        assert found == [
            [[[1]]],
            [[[2]]],
            [("INVALID_ARG", "negative")],
            [[[3]]],
            [("INVALID_ARG", "negative")],
            [[[4]]],
        ]


def alone(ctx: Context) -> bool:
    return len(ctx.requests) == 1


class TestCalledAlone:
    """After a failure in a batch of several requests, each one is called alone."""

    def test_each_has_its_own_request_in_a_fresh_context(self) -> None:
        contexts = []

        def function(x: Array, ctx: Context) -> Array:
            contexts.append(ctx)
            assert alone(ctx), "together"
            (request,) = ctx.requests
            request.set("id", request.id)
            assert request.rows == slice(0, len(x))
            return x

        details = [Detail(name) for name in "abc"]
        with open_channel(MODEL, function) as channel:
            for _ in range(2):
                answered = channel.send(*BATCH, details=details)
                assert outputs(answered) == [[[1]], [[2], [3]], [[4]]]
                assert parameters(answered) == {0: {"id": "a"}, 1: {"id": "b"}, 2: {"id": "c"}}
        assert len({id(ctx) for ctx in contexts}) == 8

    def test_nothing_that_was_said_before_the_failure_is_kept(self) -> None:

        def function(x: Array, ctx: Context) -> Array:
            if not alone(ctx):
                for request in ctx.requests:
                    request.set("together", 1)
                ctx.requests[0].fail("together")
                raise ValueError
            return x

        with open_channel(MODEL, function) as channel:
            answered = channel.send(*BATCH)
        assert outputs(answered) == [[[1]], [[2], [3]], [[4]]]
        assert answered.parameters == []

    @pytest.mark.parametrize("failed", [0, 1, 2])
    @pytest.mark.parametrize("returned", ["the rows", "nothing"])
    def test_one_that_is_failed_then_costs_no_other(self, failed: int, returned: str) -> None:

        def function(x: Array, ctx: Context) -> Array | None:
            if not alone(ctx):
                raise ValueError
            (request,) = ctx.requests
            if int(request.id) != failed:
                return x
            request.fail("alone")
            return x if returned == "the rows" else None

        expected: list[Any] = [[[1]], [[2], [3]], [[4]]]
        expected[failed] = ("INVALID_ARG", "alone")
        with open_channel(MODEL, function) as channel:
            answered = channel.send(*BATCH, details=[Detail(str(place)) for place in range(3)])
        assert outputs(answered) == expected

    def test_one_that_raises_keeps_what_it_was_told_to_fail_with(self) -> None:
        def function(x: Array, ctx: Context) -> Array:
            if alone(ctx) and x[0, 0] == 4:
                ctx.requests[0].fail("told", code="NOT_FOUND")
            if alone(ctx) and x[0, 0] != 4:
                return x
            raise ValueError("raised")

        with open_channel(MODEL, function) as channel:
            assert outputs(channel.send(*BATCH)) == [[[1]], [[2], [3]], ("NOT_FOUND", "told")]

    def test_without_a_retry_a_failed_request_keeps_its_text(self) -> None:
        def function(x: Array, ctx: Context) -> Array:
            ctx.requests[1].fail("told", code="NOT_FOUND")
            raise RequestError("all of you")

        with open_channel(replace(MODEL, retry_alone=False), function) as channel:
            raised = ("INVALID_ARG", "all of you")
            assert outputs(channel.send(*BATCH)) == [raised, ("NOT_FOUND", "told"), raised]


def test_inputs_that_a_callable_with_a_context_keeps() -> None:
    """Neither the context nor its requests keep inputs alive: only the callable does."""
    kept: list[Any] = []

    def function(x: Array, ctx: Context) -> Array:
        kept.append(x if x[0, 0] % 2 else ctx)
        return x + 1

    with open_channel(MODEL, function) as channel:
        retired = [channel.send(numbers([number])).retired for number in range(6)]
    assert retired == [False, True, False, True, False, True]
    assert [each.tolist() for each in kept[1::2]] == [[[1]], [[3]], [[5]]]


DAMAGED = {
    "no record": struct.pack("<QI4x", 24, 1) + bytes(8),
    "records of no length without end": struct.pack("<QI4x", 1 << 40, 2**32 - 1) + bytes(64),
    "a text beyond the end": struct.pack("<QI4xQIIQIIIIQ", 64, 1, 0, 40, 0, 0, 2**32 - 1, 0, 0, 0, 0),
    "a parameter of an unknown type": struct.pack("<QI4xQIIQIIIIQIII4x", 80, 1, 0, 56, 0, 0, 0, 0, 1, 0, 0, 9, 0, 0),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_details_fail_only_their_readers(damage: str) -> None:
    """Only a callable that reads damaged details fails; our backend never writes such details."""

    def function(x: Array, ctx: Context) -> Array:
        assert not ctx.cancelled
        if x[0, 0] < 0:
            assert ctx.requests[0].id
        return x

    with open_channel(MODEL, function) as channel:
        for number in (1, -1, 2):
            channel.ask(numbers([number]), details=DAMAGED[damage])
            (answer,) = outputs(channel.answered())
            if number < 0:
                assert answer[0] == "INTERNAL"
                assert answer[1].startswith("ProtocolError: channel: details of requests cannot be read: ")
            else:
                assert answer == [[number]]
