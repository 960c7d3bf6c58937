"""Callables that take requests one by one, over a real channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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
MODEL = ModelDeclaration("m", 1, "function", "m", (X,), (Y,), requests="requests")
INTERNAL = "INTERNAL"


def numbers(*rows: list[float]) -> dict[str, Array]:
    return {"x": np.array(rows, np.float32)}


RAGGED = (numbers([1]), numbers([2, 3], [4, 5]), numbers([6, 7, 8]))


def outputs(answered: Answered, name: str = "y") -> list[Any]:
    """The output of each request, or the code and text of its failure."""
    return [
        (outcome.code, outcome.message) if isinstance(outcome, RequestFailure) else outcome[name].tolist()
        for outcome in answered.outcomes
    ]


def test_requests_of_any_shape_in_one_call() -> None:
    calls = []

    def function(requests: list[Request]) -> list[Any]:
        calls.append([(each["x"].shape, each.inputs["x"] is each["x"], each.rows) for each in requests])
        return [each["x"] * 2 for each in requests]

    with open_channel(MODEL, function) as channel:
        for _ in range(3):
            answered = channel.send(*RAGGED)
            assert outputs(answered) == [[[2]], [[4, 6], [8, 10]], [[12, 14, 16]]]
            assert not answered.retired
    (call,) = {tuple(each) for each in map(tuple, [[(s, i, (r.start, r.stop)) for s, i, r in c] for c in calls])}
    assert call == (((1, 1), True, (0, 1)), ((2, 2), True, (1, 3)), ((1, 3), True, (3, 4)))


def test_without_a_batch_axis_there_is_one_request() -> None:
    with open_channel(replace(MODEL, max_batch_size=0), lambda requests: [requests[0]["x"] + 1]) as channel:
        assert outputs(channel.send({"x": np.array([1, 2], np.float32)})) == [[2, 3]]


def test_each_result_may_have_its_own_form() -> None:
    declaration = replace(MODEL, outputs=(Y, Tensor("t", str, ())))

    def function(requests: list[Request]) -> tuple[Any, ...]:
        first, second, third = requests
        return (
            {"t": ["one"], "y": first["x"]},
            (second["x"], ["two", "three"]),
            {"y": third["x"].tolist(), "t": np.array(["four"], object)},
        )

    with open_channel(declaration, function) as channel:
        answered = channel.send(*RAGGED)
    assert outputs(answered) == [[[1]], [[2, 3], [4, 5]], [[6, 7, 8]]]
    assert outputs(answered, "t") == [[[b"one"]], [[b"two"], [b"three"]], [[b"four"]]]


def test_names_texts_and_scalars_are_the_declarations() -> None:
    inputs = (Tensor("images:0", np.float32, (), arg="never"), Tensor("t", str, (1,)))

    def function(requests: list[Request]) -> list[Any]:
        for each in requests:
            assert each["images:0"].ndim == 1
            assert not each["images:0"].flags.writeable
            assert not each["t"].flags.writeable
        return [[[f"{each['t'].item()} {each['images:0'].item():g}"]] for each in requests]

    declaration = replace(MODEL, inputs=inputs, outputs=(Tensor("y", str, (1,)),))
    with open_channel(declaration, function) as channel:
        sent = [
            {"images:0": np.array([[number]], np.float32), "t": np.array([[text.encode()]], object)}
            for number, text in ((1, "é"), (2, ""))
        ]
        for _ in range(2):
            assert outputs(channel.send(*sent)) == [[["é 1".encode()]], [[b" 2"]]]


def test_optional_inputs_that_all_requests_of_a_batch_have() -> None:
    bias = Tensor("bias", np.float32, (-1,), optional=True)

    def function(requests: list[Request]) -> list[Any]:
        return [each["x"] + each.inputs.get("bias", np.float32(0)) for each in requests]

    without = [numbers([1]), numbers([3])]
    with_bias = [{**each, "bias": np.array([[10]], np.float32)} for each in without]
    with open_channel(replace(MODEL, inputs=(X, bias)), function) as channel:
        for _ in range(2):
            assert outputs(channel.send(*without)) == [[[1]], [[3]]]
            assert outputs(channel.send(*with_bias)) == [[[11]], [[13]]]


def test_a_request_is_a_read_only_mapping_of_its_inputs() -> None:
    """An absent optional input is not in it; it is true in any case, can be a key, and is equal to itself only."""
    seen: list[Any] = []
    optional = replace(MODEL, inputs=(X, Tensor("bias", np.float32, (-1,), optional=True)))

    def function(requests: list[Request]) -> list[Any]:
        first, second = requests
        seen.append(["x" in first, "bias" in first, "0" in first, len(first), list(first), list(first.keys())])
        seen.append([[name for name, _ in first.items()], first.get("bias"), first.get("bias", 7), {**first}.keys()])
        seen.append([next(iter(first.values())) is first["x"], second in requests, requests.index(second)])
        seen.append([first == first, first == second, len({first, second}), isinstance(first, Mapping)])
        assert not hasattr(first, "__setitem__")
        return [each["x"] for each in requests]

    with open_channel(optional, function) as channel:
        assert outputs(channel.send(numbers([1]), numbers([1]))) == [[[1]], [[1]]]
    assert seen == [
        [True, False, False, 1, ["x"], ["x"]],
        [["x"], None, 7, {"x"}],
        [True, True, 1],
        [True, False, 2, True],
    ]


def test_a_request_of_a_context_has_no_inputs_and_is_true() -> None:
    seen = []

    def function(x: Array, ctx: Context) -> Array:
        (request,) = ctx.requests
        seen.append((bool(request), len(request), "x" in request, dict(request)))
        return x

    with open_channel(replace(MODEL, requests="", context="ctx"), function) as channel:
        assert outputs(channel.send(numbers([1]))) == [[[1]]]
    assert seen == [(True, 0, False, {})]


def test_an_input_that_a_request_lacks() -> None:
    optional = replace(MODEL, inputs=(X, Tensor("bias", np.float32, (-1,), optional=True)))
    with open_channel(optional, lambda requests: [each["bias"] for each in requests]) as channel:
        assert outputs(channel.send(numbers([1]))) == [(INTERNAL, "KeyError: 'bias'")]


def test_exceptions_among_the_results_fail_their_requests(caplog: pytest.LogCaptureFixture) -> None:
    calls = []

    def function(requests: list[Request]) -> list[Any]:
        calls.append(len(requests))
        return [RequestError("no", code="NOT_FOUND"), ValueError("bad"), requests[2]["x"]]

    with open_channel(MODEL, function) as channel:
        expected = [("NOT_FOUND", "no"), (INTERNAL, "ValueError: bad"), [[6, 7, 8]]]
        assert outputs(channel.send(*RAGGED)) == expected
    assert calls == [3]
    assert caplog.messages == ["model m: a request failed"]


WRONG: dict[str, tuple[Callable[[list[Request]], Any], str]] = {
    "too few": (lambda requests: [each["x"] for each in requests][1:], "returned 2 results for 3 requests"),
    "too many": (lambda requests: [each["x"] for each in requests] * 2, "returned 6 results for 3 requests"),
    "an array": (
        lambda requests: np.zeros((3, 1), np.float32),
        "returned a ndarray; return a list with a result per request",
    ),
    "nothing": (lambda requests: None, "returned a NoneType; return a list with a result per request"),
    "a dict": (lambda requests: {"y": requests[0]["x"]}, "returned a dict; return a list with a result per request"),
}


@pytest.mark.parametrize("what", WRONG)
def test_results_that_are_not_one_for_each_request(what: str) -> None:
    function, text = WRONG[what]
    with open_channel(replace(MODEL, retry_alone=False), function) as channel:
        assert outputs(channel.send(*RAGGED)) == [(INTERNAL, f"model 'm': the callable {text}")] * 3


def test_after_such_results_each_is_called_alone() -> None:
    with open_channel(MODEL, lambda requests: [requests[0]["x"]]) as channel:
        for _ in range(2):
            assert outputs(channel.send(*RAGGED)) == [[[1]], [[2, 3], [4, 5]], [[6, 7, 8]]]


def test_a_wrong_result_costs_only_its_request() -> None:
    def function(requests: list[Request]) -> list[Any]:
        return [each["x"] if len(each["x"]) == 1 else each["x"][:1] for each in requests]

    with open_channel(MODEL, function) as channel:
        first, second, third = outputs(channel.send(*RAGGED))
    assert (first, third) == ([[1]], [[6, 7, 8]])
    assert second[1].startswith("model 'm': output 'y' has 1 rows, expected 2")


def test_a_call_that_raises_is_made_again_for_each() -> None:
    calls = []

    def function(requests: list[Request]) -> list[Any]:
        calls.append([each.id for each in requests])
        if any(each["x"].shape[1] == 2 for each in requests):
            raise RequestError("two columns")
        return [each["x"] for each in requests]

    with open_channel(MODEL, function) as channel:
        answered = channel.send(*RAGGED, details=[Detail(name) for name in "abc"])
    assert outputs(answered) == [[[1]], ("INVALID_ARG", "two columns"), [[6, 7, 8]]]
    assert calls == [["a", "b", "c"], ["a"], ["b"], ["c"]]


@pytest.mark.parametrize("retry_alone", [True, False])
def test_text_that_does_not_decode_costs_only_its_request(retry_alone: bool) -> None:
    calls = []

    def function(requests: list[Request]) -> list[Any]:
        calls.append([each["t"].item() for each in requests])
        return [[[len(each["t"].item())]] for each in requests]

    declaration = replace(MODEL, inputs=(Tensor("t", str, ()),), retry_alone=retry_alone)
    sent = [{"t": np.array([[text]], object)} for text in (b"one", b"\xff", b"three")]
    with open_channel(declaration, function) as channel:
        first, second, third = outputs(channel.send(*sent))
    assert (first, third) == ([[3]], [[5]])
    assert second[0] == "INVALID_ARG"
    assert "is not UTF-8" in second[1]
    assert calls == [["one"], ["three"]]


class TestBesideAContext:
    def test_it_has_the_same_requests(self) -> None:
        def function(requests: list[Request], ctx: Context) -> list[Any]:
            assert list(ctx.requests) == requests
            return [each["x"] for each in requests]

        with open_channel(replace(MODEL, context="ctx"), function) as channel:
            assert outputs(channel.send(*RAGGED)) == [[[1]], [[2, 3], [4, 5]], [[6, 7, 8]]]

    def test_arrays_from_empty_are_the_results_of_single_requests(self) -> None:

        def function(requests: list[Request], ctx: Context) -> list[Any]:
            results = []
            for each in requests:
                results.append(ctx.empty("y", each["x"].shape))
                results[-1][...] = each["x"]
            return results[::-1] if len(requests) == 2 else results

        with open_channel(replace(MODEL, context="ctx"), function) as channel:
            for _ in range(2):
                assert outputs(channel.send(*RAGGED)) == [[[1]], [[2, 3], [4, 5]], [[6, 7, 8]]]
                assert [(entry.first, entry.offset) for entry in channel.entries] == [(0, 0), (1, 64), (2, 128)]
                assert outputs(channel.send(numbers([1, 2]), numbers([3]))) == [[[3]], [[1, 2]]]
                assert [(entry.first, entry.offset) for entry in channel.entries] == [(0, 64), (1, 0)]


def test_set_and_fail_of_a_request_need_no_context(caplog: pytest.LogCaptureFixture) -> None:
    """Without a context `set` and `fail` work; a failed request needs no result."""

    def function(requests: list[Request]) -> list[Any]:
        for place, each in enumerate(requests):
            each.set("place", place)
        requests[1].fail("not this one", code="NOT_FOUND")
        return [requests[0]["x"], None, requests[2]["x"]]

    with open_channel(MODEL, function) as channel:
        for _ in range(2):
            answered = channel.send(*RAGGED)
            assert outputs(answered) == [[[1]], ("NOT_FOUND", "not this one"), [[6, 7, 8]]]
            assert [(each.request, each.value[0]) for each in answered.parameters] == [(0, 0), (2, 2)]
    assert caplog.messages == []


def test_all_of_them_are_failed_and_nothing_is_returned() -> None:
    def function(requests: list[Request]) -> None:
        for each in requests:
            each.fail("no")

    with open_channel(MODEL, function) as channel:
        assert outputs(channel.send(*RAGGED)) == [("INVALID_ARG", "no")] * 3


@pytest.mark.parametrize("what", ["the array", "the request", "the list"])
def test_inputs_that_are_kept_stay_as_they_were(what: str) -> None:
    kept: list[Any] = []

    def function(requests: list[Request]) -> list[Any]:
        kept.append({"the array": requests[1]["x"], "the request": requests[1], "the list": requests}[what])
        return [each["x"] for each in requests]

    with open_channel(MODEL, function) as channel:
        retired = [channel.send(numbers([number]), numbers([number + 1, 0])).retired for number in range(5)]
    assert retired == [True, True, True, False, False]
    found: dict[str, Callable[[Any], Array]] = {
        "the array": lambda each: each,
        "the request": lambda each: each["x"],
        "the list": lambda each: each[1]["x"],
    }
    assert [found[what](each).tolist() for each in kept] == [[[number + 1, 0]] for number in range(5)]
